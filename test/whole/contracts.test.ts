import { execFileSync } from 'node:child_process'
import { beforeAll, describe, expect, test } from 'vitest'
import { verifyDelivery } from '../../demo/verify.ts'
import { contracts } from '../../mappings/index.ts'
import { expectedEventTypes } from '../../simulator/scenario.ts'
import { scenarios } from '../../simulator/scenarios.ts'
import { simulate } from '../../simulator/simulate.ts'
import { dateOf, NEWEST } from '../../simulator/versions.ts'
import { ledgerAddsUp, readLedgerReport } from '../../src/cli/ledger-report.ts'
import { appEvents } from '../../src/domain/app-events.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { ranksOf } from '../support/ranks.ts'
import { type Received, startReceiver } from '../support/receiver.ts'
import { layWay } from '../support/way.ts'

// One client with an endpoint of each contract: the whole set of the simulator's scenarios and the application's own events go
// in, and each endpoint gets what its contract says of them, and nothing else.

const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '0', FLO_HYDRATE_SECONDS: '0' })
const receivers = { 'flo.v1': await startReceiver(), 'florentin.v1': await startReceiver() }
const secrets: Record<string, string> = {}
const way = await layWay(gateway.api, receivers['flo.v1'].url)
secrets['flo.v1'] = way.secret
const { body: theirs } = await gateway.api('POST', '/v1/endpoints', {
  clientId: way.clientId,
  url: receivers['florentin.v1'].url,
  contract: 'florentin.v1',
})
secrets['florentin.v1'] = theirs.data.secret

const typeOf = (contract: string, { body }: Received): string => {
  const { eventType, event } = JSON.parse(body)
  return contract === 'flo.v1' ? eventType : event
}
const counted = (types: string[]) =>
  Object.fromEntries([...new Set(types)].sort().map((type) => [type, types.filter((one) => one === type).length]))

const sent: Record<string, string[]> = { 'flo.v1': [], 'florentin.v1': [] }
beforeAll(async () => {
  const stories = scenarios.map((scenario) => ({
    scenario,
    events: simulate(scenario, { seed: scenario.name, apiVersion: NEWEST }),
  }))
  const planRanks = Object.assign({}, ...stories.map(({ scenario, events }) => ranksOf(scenario, events)))
  await gateway.api('PATCH', `/v1/sources/${way.sourceId}`, { planRanks })
  const waiting = [...stories]
  // Each story in its order, some stories side by side.
  const sender = async () => {
    for (let one = waiting.pop(); one; one = waiting.pop()) {
      for (const event of one.events) expect((await way.post(gateway.url, JSON.stringify(event))).status).toBe(200)
      for (const contract of ['flo', 'florentin'] as const)
        present(sent[`${contract}.v1`]).push(...expectedEventTypes(one.scenario, dateOf(NEWEST), contract))
    }
  }
  await Promise.all(Array.from({ length: 8 }, sender))
})

/** One of each type, as the application publishes them: a fresh user for each. */
const published = Object.keys(appEvents).map((type, at) => ({
  type,
  clientUserId: `user_app_${at}`,
  occurredAt: '2026-06-06T14:00:00.250+02:00',
  data: Object.fromEntries(
    Object.entries(
      present(
        Object.values((present(contracts['florentin.v1']).example(type) as { data: Record<string, object> }).data).at(
          -1,
        ),
      ),
    ).filter(([field]) => type !== 'account.created' || field !== 'id'),
  ),
}))

describe('what the whole scenario set and the application tell', () => {
  beforeAll(async () => {
    const { status, body } = await gateway.api('POST', '/v1/app-events/batch', {
      clientId: way.clientId,
      events: published,
    })
    expect([status, body.data.accepted]).toEqual([202, published.length])
    present(sent['florentin.v1']).push(...published.map(({ type }) => type))
    const total = Object.values(sent).flat().length
    await eventually(() => Object.values(receivers).flatMap(({ requests }) => requests).length >= total, {
      timeoutMs: 60_000,
    })
  })

  test.each(Object.entries(receivers))('%s hears what happened, event for event', (contract, { requests }) => {
    expect(counted(requests.map((request) => typeOf(contract, request)))).toEqual(counted(present(sent[contract])))
  })

  test.each(Object.entries(receivers))('%s gets bodies of its contract, in its key order', (contract, { requests }) => {
    const { wireSchemas } = present(contracts[contract])
    for (const request of requests) {
      const type = typeOf(contract, request)
      const parsed = present(wireSchemas[type]).safeParse(JSON.parse(request.body))
      expect(parsed.error, type).toBeUndefined()
      // The schema's key order is the contract's: written again by it, the very same bytes come out.
      expect(JSON.stringify(parsed.data)).toBe(request.body)
    }
  })

  test.each(Object.entries(receivers))('%s is signed so that others can verify it', (contract, { requests }) => {
    for (const { bytes, headers } of requests) {
      const checks = verifyDelivery(bytes, headers, present(secrets[contract]))
      expect(checks.filter(({ refusal }) => refusal)).toEqual([])
      expect(checks.map(({ by }) => by)).toEqual(contract === 'flo.v1' ? ['stripe', 'standardwebhooks'] : ['hmac'])
    }
  })

  test.skipIf(!hasOpenssl())('openssl comes to the same three signatures', () => {
    const [flo, florentin] = Object.values(receivers).map(({ requests }) => present(requests.at(-1)))
    const hmac = (text: string, key: string[]) =>
      execFileSync(
        'openssl',
        ['dgst', '-sha256', '-mac', 'HMAC', ...key.flatMap((one) => ['-macopt', one]), '-binary'],
        {
          input: text,
        },
      )
    const whole = (secret: string) => [`key:${secret}`]
    const [, seconds, v1] = present(/^t=(\d+),v1=(\w+)$/.exec(String(present(flo).headers['flo-signature'])))
    expect(hmac(`${seconds}.${present(flo).body}`, whole(way.secret)).toString('hex')).toBe(v1)

    const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': standard } = present(flo).headers
    const bytes = Buffer.from(way.secret.replace('flo_whsec_', ''), 'base64').toString('hex')
    expect(`v1,${hmac(`${id}.${at}.${present(flo).body}`, [`hexkey:${bytes}`]).toString('base64')}`).toBe(standard)

    const signature = hmac(present(florentin).body, whole(present(secrets['florentin.v1']))).toString('hex')
    expect(present(florentin).headers['x-florentin-signature']).toBe(`sha256=${signature}`)
  })

  test('an automation that knows the public page alone takes each of Florentin’s deliveries', async () => {
    const { requests } = receivers['florentin.v1']
    for (const { method, headers, body } of requests) {
      expect(method).toBe('POST')
      expect(headers['content-type']).toBe('application/json')
      const { event, timestamp, data, ...rest } = JSON.parse(body)
      expect(rest).toEqual({})
      expect(headers['x-florentin-event']).toBe(event)
      expect(headers['x-florentin-timestamp']).toBe(timestamp)
      expect(headers['x-florentin-delivery-id']).toMatch(/^[0-9a-f-]{36}$/)
      const [resource] = event.split('.')
      const member = { metrics_updated: 'usage', accepted: 'tos', added: 'team_member' }[event.split('.')[1] as string]
      expect(Object.keys(data)).toContain(member ?? resource)
      const others = Object.keys(headers).filter((name) => name.startsWith('x-') || /flo|webhook|user-agent/.test(name))
      expect(others.sort()).toEqual([
        'user-agent',
        'x-florentin-delivery-id',
        'x-florentin-event',
        'x-florentin-signature',
        'x-florentin-timestamp',
      ])
    }
  })

  test('each delivery has an id of its own, and the books of both add up', async () => {
    const ids = Object.values(receivers).flatMap(({ requests }) =>
      requests.map(({ headers }) => headers['webhook-id'] ?? headers['x-florentin-delivery-id']),
    )
    expect(new Set(ids).size).toBe(ids.length)
    const report = await readLedgerReport(gateway.db, { lateSeconds: 0, unsureSeconds: 0 })
    expect(report.findings.filter(({ wrong }) => wrong > 0)).toEqual([])
    expect(ledgerAddsUp(report)).toBe(true)
    expect(report.counts.deliveries).toEqual({ delivered: ids.length })
  })
})

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'])
    return true
  } catch {
    return false
  }
}
