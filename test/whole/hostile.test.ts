import { describe, expect, test } from 'vitest'
import type { AppEventType } from '../../src/domain/app-events.ts'
import type { Json } from '../../src/domain/json.ts'
import { appData, appEvent } from '../support/app-events.ts'
import { runCommand } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { GARBAGE, placesIn, replaceAt } from '../support/garbage.ts'
import { environment, startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { hostileWebhooks } from '../support/hostile.ts'
import { present } from '../support/present.ts'
import { startReceiver } from '../support/receiver.ts'
import { API_KEY, startStripeApi } from '../support/stripe-api.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { layWay } from '../support/way.ts'

// Whatever somebody sends: it ends in one state, the events beside it go on, and who asks why is answered.

const receiver = await startReceiver()
const stripe = await startStripeApi()
const folder = await temporaryFolder()
const settings = { FLO_HOLD_SECONDS: '0', FLO_STRIPE_API_BASE: stripe.url, LOG_LEVEL: 'fatal' }
const gateway = await startTestGateway(settings)
const env = environment(gateway.databaseUrl, settings)

interface Row {
  id: string
  eventId: string
  state: string
  code: string | null
  message: string | null
}
const readRows = async (clientId: string) =>
  (
    await gateway.db.query<Row>(
      `select id, event_id as "eventId", state, reason_code as code, reason_message as message
         from source_events where client_id = $1 order by id`,
      [clientId],
    )
  ).rows
/** The rows once each has an outcome. */
const readEnded = (clientId: string) =>
  eventually(async () => {
    const rows = await readRows(clientId)
    expect(rows.filter(({ state }) => state === 'received' || state === 'held')).toEqual([])
    return rows
  })
/** What is wrong with an outcome: `internal` tells nothing, and a failure names the field. */
const wrongOf = (rows: readonly Row[]) =>
  rows.filter(({ state, code, message }) => state === 'failed' && !(isTold(code) && /\w/.test(message ?? '')))
const isTold = (code: string | null) => code === 'unreadable_value' || code === 'unmapped_value'

describe('hostile webhooks among those of an honest client', async () => {
  const way = await layWay(gateway.api, receiver.url)
  const webhooks = hostileWebhooks('whole')

  test('each is refused or ends in one state, and every honest one beside it is told', async () => {
    const honest = webhooks.map(() => subscriptionCreated())
    const answers = []
    for (const [at, { name, body }] of webhooks.entries()) {
      const [answer, beside] = await Promise.all([
        way.post(gateway.url, body),
        way.post(gateway.url, present(honest[at])),
      ])
      expect(beside.status).toBe(200)
      answers.push(`${name}: ${answer.status}`)
    }
    expect(answers.filter((answer) => !/: (200|400|413)$/.test(answer))).toEqual([])
    const rows = await readEnded(way.clientId)
    expect(wrongOf(rows)).toEqual([])
    const ids = new Set(honest.map((body) => JSON.parse(body).id))
    const told = rows.filter(({ eventId }) => ids.has(eventId))
    expect(told).toHaveLength(honest.length)
    expect(told.filter(({ state }) => state !== 'normalized')).toEqual([])
  })

  test('each of them is explained, and would become the same once more', async () => {
    const rows = await readEnded(way.clientId)
    const hostile = rows.filter(({ eventId }) => eventId.startsWith('evt_whole_'))
    for (const { id, eventId } of hostile) {
      const { status, body } = await gateway.api('GET', `/v1/source-events/${id}/explain`)
      expect(status, eventId).toBe(200)
      expect(body.data.sourceEvent.id).toBe(id)
    }
    const failed = hostile.filter(({ state }) => state === 'failed')
    expect(failed.length).toBeGreaterThan(10)
    for (const { id } of failed)
      expect((await gateway.api('POST', `/v1/source-events/${id}/renormalize`)).status).toBeLessThan(300)
    expect(wrongOf(await readEnded(way.clientId))).toEqual([])
    expect((await readEnded(way.clientId)).filter(({ state }) => state === 'failed')).toHaveLength(failed.length)
  })

  test('the command line explains one that failed, and compares them all', async () => {
    const failed = present((await readEnded(way.clientId)).find(({ state }) => state === 'failed'))
    const explained = await runCommand(['explain', failed.id], folder, env)
    expect(explained).toMatchObject({ code: 0, stderr: '' })
    expect(explained.stdout).toContain(present(failed.code))
    const diff = await runCommand(
      ['mappings', 'diff', '--since', '1h', '--client', way.clientId, '--json'],
      folder,
      env,
    )
    expect(diff.stderr).toBe('')
    expect([0, 1]).toContain(diff.code)
    const { sourceEvents } = JSON.parse(diff.stdout)
    expect(JSON.stringify(sourceEvents ?? [])).not.toContain('internal')
  })

  test('a dry run of each answers', async () => {
    for (const { name, body } of webhooks) {
      const response = await fetch(`${gateway.url}/v1/mappings/dry-run`, {
        method: 'POST',
        headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': 'application/json' },
        body: `{"clientId":"${way.clientId}","sourceId":"${way.sourceId}","event":${body}}`,
      })
      const reply = (await response.json()) as Json
      // What takes the database too long is refused as such.
      expect([200, 400, 413, 422, 503], `${name}: ${JSON.stringify(reply).slice(0, 300)}`).toContain(response.status)
      expect(reply.data?.sourceEvent.reason?.code, name).not.toBe('internal')
    }
  })
})

describe('events of the application', async () => {
  const way = await layWay(gateway.api, receiver.url)

  test('with garbage in any field are refused, or end in one state beside the others', async () => {
    for (const type of Object.keys(appData) as AppEventType[])
      for (const [kind, garbage] of GARBAGE) {
        const event = { clientId: way.clientId, ...appEvent(type) }
        const places = placesIn(event).filter(([field]) => field !== 'clientId')
        for (const place of places) {
          const { status } = await gateway.api('POST', '/v1/app-events', replaceAt(event, place, garbage))
          expect([202, 400, 404, 422], `${place.join('.')} of ${type}: ${kind}`).toContain(status)
        }
      }
    const rows = await readEnded(way.clientId)
    expect(rows.length).toBeGreaterThan(20)
    expect(rows.filter(({ state }) => state !== 'normalized' && state !== 'ignored')).toEqual([])
  })
})

describe('what is fetched from Stripe for an event', async () => {
  const way = await layWay(gateway.api, receiver.url)
  await gateway.api('PATCH', `/v1/sources/${way.sourceId}`, { apiKey: API_KEY })

  /** Garbage instead of the product, of the lines' page, and of single lines. */
  test('is garbage, and the event ends, as does the one after it', async () => {
    const honest: string[] = []
    for (const [at, [, garbage]] of [...GARBAGE.entries()].filter(([, [kind]]) => kind !== 'absent')) {
      const product = `prod_garbage_${at}`
      stripe.objects.set(`/v1/products/${product}`, (garbage ?? { id: null }) as object)
      stripe.objects.set(`/v1/invoices/in_fetched_${at}/lines`, {
        ...{ object: 'list', has_more: at % 2 === 0, url: garbage, data: at % 3 === 0 ? garbage : [garbage] },
      })
      const subscription = JSON.parse(subscriptionCreated())
      subscription.data.object.items.data[0].price.product = product
      const created = Math.floor(Date.now() / 1000)
      const invoice = {
        ...{
          id: `in_fetched_${at}`,
          object: 'invoice',
          customer: `cus_fetched_${at}`,
          status: 'paid',
          currency: 'usd',
        },
        ...{ total: 100, billing_reason: 'manual', lines: { object: 'list', has_more: true, data: [] } },
      }
      const paid = {
        id: `evt_fetched_${at}`,
        object: 'event',
        type: 'invoice.paid',
        created,
        data: { object: invoice },
      }
      for (const body of [JSON.stringify(subscription), JSON.stringify(paid)])
        expect((await way.post(gateway.url, body)).status).toBe(200)
      const after = subscriptionCreated()
      honest.push(JSON.parse(after).id)
      await way.post(gateway.url, after)
    }
    const rows = await eventually(
      async () => {
        const found = await readRows(way.clientId)
        return found.every(({ state }) => state !== 'received' && state !== 'held') && found
      },
      { timeoutMs: 120_000 },
    )
    expect(wrongOf(rows)).toEqual([])
    expect(rows.filter(({ eventId, state }) => honest.includes(eventId) && state !== 'normalized')).toEqual([])
    for (const { id, eventId } of rows.filter((one) => one.eventId.startsWith('evt_fetched_')))
      expect((await gateway.api('GET', `/v1/source-events/${id}/explain`)).status, eventId).toBe(200)
  })
})
