import { afterEach, beforeEach, expect, test } from 'vitest'
import { ledgerAddsUp, ledgerText, readLedgerReport } from '../../src/cli/ledger-report.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startReceiver } from '../support/receiver.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { layWay } from '../support/way.ts'

const gateway = await startTestGateway()
const receiver = await startReceiver()
const way = await layWay(gateway.api, receiver.url)
await way.post(gateway.url, subscriptionCreated())
await way.post(gateway.url, JSON.stringify({ id: 'evt_unknown', type: 'nobody.knows', data: { object: {} } }))
await eventually(async () => (await way.deliveries())[0]?.state === 'delivered')
// Nothing may mend what the tests break.
await gateway.stop()

const report = () => readLedgerReport(gateway.db, { unsureSeconds: 0 })

test('counts everything by state', async () => {
  const ledger = await report()
  expect(ledger.counts).toEqual({
    'source events': { normalized: 1, ignored: 1 },
    events: { 'flo.v1': 1, 'florentin.v1': 1 },
    deliveries: { delivered: 1 },
    attempts: { accepted: 1 },
  })
  expect(ledgerAddsUp(ledger)).toBe(true)
})

// Each sabotage is undone by restoring the rows as they were.
const tables = [
  'source_events',
  'source_event_bodies',
  'events',
  'event_bodies',
  'emissions',
  'deliveries',
  'attempts',
  'endpoints',
  'endpoint_health',
  'replays',
]
beforeEach(async () => {
  for (const table of tables) await gateway.db.query(`create table kept_${table} as select * from ${table}`)
})
afterEach(async () => {
  for (const table of tables) {
    await gateway.db.query(`truncate ${table}`)
    await gateway.db.query(`insert into ${table} select * from kept_${table}`)
    await gateway.db.query(`drop table kept_${table}`)
  }
})

test.each([
  ['every source event has the raw bytes that were signed', 'delete from source_event_bodies'],
  [
    'every source event is done, or waits for its time',
    `update source_events set state = 'held', held_until = now(), held_for = '{x}', due_at = now() - interval '2 min'
      where state = 'ignored'`,
  ],
  [
    'a source event has events when it is normalized, and only then',
    `update source_events set state = 'normalized' where state = 'ignored'`,
  ],
  [
    'a source event has events when it is normalized, and only then',
    `update source_events set state = 'ignored', reason_code = 'x' where state = 'normalized'`,
  ],
  ['every event comes from a source event that is kept', `delete from source_events where state = 'normalized'`],
  ['every happening is told once', 'delete from emissions'],
  ['every event has one delivery for each endpoint that wanted it, and no other', 'delete from deliveries'],
  [
    'every event has one delivery for each endpoint that wanted it, and no other',
    `alter table endpoints disable trigger user; update endpoints set event_types = '{invoice.paid}';
     alter table endpoints enable trigger user`,
  ],
  [
    'every replay has made as many deliveries as it says',
    `insert into replays (client_id, id, endpoint_id, mode, state, found, replayed, reached, upto, finished_at)
     select client_id, uuid7_floor(now()), id, 'all', 'done', 1, 1, id, id, now() from endpoints`,
  ],
  ['every event has its body', 'delete from event_bodies'],
  ['every delivery has its event', 'delete from events'],
  [
    'every delivery is done, or waits for its time',
    `update deliveries set state = 'pending', finished_at = null, next_attempt_at = now() - interval '2 min'`,
  ],
  ['every delivery counts the attempts that are recorded, 1, 2, 3 and so on', 'update deliveries set attempts = 2'],
  [
    'a delivery is delivered when its last attempt was answered with 2xx, and only then',
    `update deliveries set state = 'failed'`,
  ],
])('finds when not: %s', async (name, sabotage) => {
  await gateway.db.query(sabotage)
  const ledger = await report()
  expect(ledger.findings.filter(({ wrong }) => wrong > 0).map((finding) => finding.name)).toContain(name)
  expect(ledgerText(ledger)).toMatch(/not so for [12], such as [0-9a-f-]{36}/)
  expect(ledgerText(ledger)).toContain('The ledger does NOT add up.')
})

test('a delivery that its endpoint holds up, by an open breaker or a rate limit, is not late', async () => {
  await gateway.db.query(
    `update deliveries set state = 'pending', finished_at = null, next_attempt_at = now() - interval '2 min'`,
  )
  const isLate = async () =>
    (await report()).findings.some(({ name, wrong }) => wrong > 0 && name.startsWith('every delivery is done'))
  expect(await isLate()).toBe(true)
  await gateway.db.query(
    `insert into endpoint_health (client_id, endpoint_id, version, opened_at, probe_at)
     select client_id, id, version, now(), now() from endpoints
         on conflict (client_id, endpoint_id) do update set opened_at = now(), probe_at = now()`,
  )
  expect(await isLate()).toBe(false)
  await gateway.db.query(
    `update endpoint_health set opened_at = null, probe_at = null; update endpoints set rate_limit = '{"count": 1, "seconds": 9}'`,
  )
  expect(await isLate()).toBe(false)
})

test('an endpoint that has been changed since is not judged by what it wants now', async () => {
  await gateway.db.query(`update endpoints set event_types = '{invoice.paid}'`)
  expect(ledgerAddsUp(await report())).toBe(true)
})
