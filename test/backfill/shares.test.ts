import { expect, test } from 'vitest'
import { readWindow } from '../../src/backfill/windows.ts'
import { fresh } from '../support/events.ts'
import { eventually } from '../support/eventually.ts'
import { hydratedWay, hydratingGateway } from '../support/hydrating.ts'
import { API_KEY } from '../support/stripe-api.ts'

const credentials = { apiKey: 'rk_test_1', apiVersion: null, account: '' }
const query = { credentials, types: null, deliverySuccess: null }

test('a window of large events is cut before it fills memory, unless it is of one second', async () => {
  let asked = 0
  const stripe = {
    readObject: async () => {
      asked += 1
      const data = Array.from({ length: 100 }, (_, at) => ({
        id: `evt_${asked}_${at}`,
        type: 'customer.updated',
        created: 10,
        data: { note: 'x'.repeat(50_000) },
      }))
      return { kind: 'found' as const, object: { data, has_more: asked < 4 }, at: new Date() }
    },
    readList: () => Promise.reject(new Error('Nobody reads a list.')),
  }
  const turn = async () => {}
  expect(await readWindow(stripe, query, { from: 0, to: 3600 }, turn)).toBe('too many')
  expect(asked).toBe(2)
  asked = 0
  const second = await readWindow(stripe, query, { from: 10, to: 11 }, turn)
  expect(typeof second === 'object' && 'events' in second && second.events.length).toBe(400)
})

test('the backfills of one client take turns, and those of another go on beside them', async () => {
  const { gateway, stripe } = await hydratingGateway({ LOG_LEVEL: 'error' })
  const [busy, other] = [await hydratedWay(gateway), await hydratedWay(gateway)]
  const underWay = { busy: 0, other: 0 }
  const most = { busy: 0, other: 0, together: 0 }
  stripe.behave(({ headers }) => {
    const who = String(headers['stripe-account']).startsWith('acct_busy') ? 'busy' : 'other'
    underWay[who] += 1
    most[who] = Math.max(most[who], underWay[who])
    most.together = Math.max(most.together, underWay.busy + underWay.other)
    const done = () => {
      underWay[who] -= 1
    }
    return { delayMs: 300, done }
  })
  const since = new Date(Date.now() - 86_400_000).toISOString()
  const start = async (sourceId: string, account: string) => {
    const { status, body } = await gateway.api('POST', '/v1/backfills', { sourceId, since, account })
    expect(status).toBe(202)
    return body.data.id as string
  }
  const ids: string[] = []
  for (let at = 0; at < 3; at += 1) {
    const { body } = await gateway.api('POST', '/v1/sources', {
      ...{ clientId: busy.clientId, kind: 'stripe', signingSecrets: [`whsec_${fresh('busy')}`], apiKey: API_KEY },
    })
    ids.push(await start(body.data.id, `acct_busy${at}`))
  }
  ids.push(await start(other.sourceId, 'acct_other'))
  for (const id of ids)
    await eventually(async () =>
      expect((await gateway.api('GET', `/v1/backfills/${id}`)).body.data.state).toBe('completed'),
    )
  expect(most).toEqual({ busy: 1, other: 1, together: 2 })
})
