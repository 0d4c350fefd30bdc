import { beforeEach, expect, test } from 'vitest'
import { readLedgerReport } from '../../src/cli/ledger-report.ts'
import { OPERATOR_CLIENT } from '../../src/domain/ids.ts'
import { freshDatabase } from '../support/database.ts'
import { newRoutedSource, newTarget, putRoute, routedEvent } from '../support/routed-source.ts'
import { routingRoom } from '../support/routing-room.ts'

const CHECK = 'every event of a source that routes is one client’s, everybody’s, waits for its client, or is unrouted'
const { db } = await freshDatabase()
let targetId: string

const customer = (id: string, name: string) =>
  routedEvent('customer.updated', { id, object: 'customer', metadata: { flo_client: name } })
const countWrong = async () => {
  const { findings } = await readLedgerReport(db)
  return findings.find(({ name }) => name === CHECK)?.wrong
}

/** One event of each kind: routed, shared, waiting, unrouted. */
beforeEach(async () => {
  for (const table of ['source_events', 'routings', 'routed_objects', 'deletions']) await db.query(`truncate ${table}`)
  const sourceId = await newRoutedSource(db)
  targetId = await newTarget(db)
  await putRoute(db, sourceId, 'a', targetId)
  const room = routingRoom(db, { sourceId })
  await room.arrive(customer('cus_1', 'nobody'))
  await room.look({ secondsOn: 3600 })
  await room.arrive(customer('cus_2', 'not yet'))
  await room.arrive(customer('cus_3', 'a'))
  await room.arrive(routedEvent('product.created', { id: 'prod_1', object: 'product' }))
})

test('the ledger adds up with one event of each kind', async () => {
  const { rows } = await db.query('select state from routings order by state')
  expect(rows.map(({ state }) => state)).toEqual(['routed', 'shared', 'unrouted', 'waiting'])
  expect(await countWrong()).toBe(0)
})

const sabotages: [what: string, sql: string, values: (() => string)[]][] = [
  ['a routed one is lost', 'delete from source_events where client_id = $1', [() => targetId]],
  [
    'a waiting one is lost',
    `delete from source_events where client_id = $1 and state = 'held'`,
    [() => OPERATOR_CLIENT],
  ],
  [
    'an unrouted one is lost',
    `delete from source_events where client_id = $1 and state = 'unrouted'`,
    [() => OPERATOR_CLIENT],
  ],
  [
    'a shared one is lost',
    `delete from source_events where client_id = $1 and state = 'received'`,
    [() => OPERATOR_CLIENT],
  ],
  [
    'one is with two clients',
    `insert into source_events (client_id, id, source_id, livemode, event_id, type, lane, created_at)
     select $1, id, source_id, livemode, event_id, type, lane, created_at from source_events where client_id = $2`,
    [() => OPERATOR_CLIENT, () => targetId],
  ],
  [
    'one is with a client that nothing says it is',
    `update source_events set client_id = $1 where client_id = $2`,
    [() => OPERATOR_CLIENT, () => targetId],
  ],
  ['nothing says whose one is', `delete from routings where state = $1`, [() => 'routed']],
  [
    'one waits beyond its time',
    `update source_events set held_until = now() - interval '2 min' where client_id = $1 and state = 'held'`,
    [() => OPERATOR_CLIENT],
  ],
  [
    'one waits for nothing',
    `update source_events set state = 'received', held_until = null, held_for = null, due_at = now() where client_id = $1 and state = 'held'`,
    [() => OPERATOR_CLIENT],
  ],
]

test.each(sabotages)('the ledger finds when %s', async (_, sabotage, values) => {
  await db.query(
    sabotage,
    values.map((read) => read()),
  )
  expect(await countWrong()).toBeGreaterThan(0)
})

test('what a deleted client’s events were is no loss', async () => {
  await db.query('delete from source_events where client_id = $1', [targetId])
  await db.query(
    `insert into deletions (client_id, id, kind, subject_id, requested_by, counts) values ($1, gen_random_uuid(), 'client', $1, 'x', '{}')`,
    [targetId],
  )
  expect(await countWrong()).toBe(0)
})
