import { beforeAll, describe, expect, test } from 'vitest'
import { freshDatabase } from '../support/database.ts'
import { newClient, newDeliveries, newEndpoint, startDelivering, untilSettled } from '../support/delivering.ts'
import { eventually } from '../support/eventually.ts'
import { openPlanSession, type PlanScan } from '../support/generic-plans.ts'
import { present } from '../support/present.ts'
import { startReceiver } from '../support/receiver.ts'
import { type AskedStatement, watchPool } from '../support/watched-pool.ts'

// The statements of many clients find their rows by keys, also by a plan that knows no values, with and without statistics: what one
// client has waiting is not read for the others.
const database = await freshDatabase({ max: 20 })
const { db } = database
const CROWD = 150
const HEAP = 20_000
const asked = new Map<string, AskedStatement>()

/** A client with so many deliveries that are due in a month, of events of this day. */
async function newHeap(url: string) {
  const clientId = await newClient(db)
  const { id } = await newEndpoint(db, clientId, { url })
  const [first = ''] = await newDeliveries(db, clientId, [id])
  await db.query(
    `with made as (
       insert into events (client_id, id, source_event_id, contract, type, key, occurred_at)
       select e.client_id, overlay(e.id::text placing lpad(to_hex(n), 12, '0') from 25)::uuid, e.source_event_id, e.contract, e.type, n::text, now()
         from deliveries d join events e on e.client_id = d.client_id and e.id = d.event_id, generate_series(1, $2::int) n
        where d.id = $1
       returning client_id, id, type),
     bodies as (insert into event_bodies (client_id, event_id, body) select client_id, id, '{}' from made)
     insert into deliveries (client_id, event_id, id, endpoint_id, event_type, next_attempt_at)
     select client_id, id, id, $3, type, now() + interval '30 days' from made`,
    [first, HEAP, id],
  )
}

const NAMES = ['discover', 'due', 'bodies', 'endpoints', 'move', 'next'].map((name) => `deliver.${name}.many`)

/** Delivers two deliveries each to so many new clients; the largest statement of each name is kept. */
async function deliverToCrowd(url: string, count: number) {
  const ids: string[] = []
  const clientIds: string[] = []
  for (let at = 0; at < count; at += 1) {
    const clientId = await newClient(db)
    const endpoint = await newEndpoint(db, clientId, { url })
    clientIds.push(clientId)
    ids.push(...(await newDeliveries(db, clientId, [endpoint.id], { count: 2 })))
  }
  const keep = (statement: AskedStatement) => {
    const { name = '', values } = statement
    const known = asked.get(name)
    if (NAMES.includes(name) && JSON.stringify(values).length > JSON.stringify(known?.values ?? []).length)
      asked.set(name, statement)
  }
  const room = await startDelivering({ ...database, db: watchPool(db, keep) })
  for (const clientId of clientIds) room.wake(clientId)
  await untilSettled(db, ids)
  await eventually(() => asked.has('deliver.next.many'))
  await room.stop()
}

/** One statement of what both name. Where they bound ids, all that was made between the two lies within the bounds. */
const joinStatements = (early: AskedStatement, late: AskedStatement): AskedStatement => ({
  ...late,
  values: late.values.map((value, at) => {
    const before = early.values[at]
    if (Array.isArray(value)) return [...(before as unknown[]), ...value]
    return /deliver.(move|bodies)/.test(late.name ?? '') && at === late.values.length - 2 ? before : value
  }),
})

const scansBy = new Map<string, PlanScan[]>()
async function planAll() {
  const session = await openPlanSession(database.url)
  for (const name of NAMES) await session.prepareStatement(present(asked.get(name)))
  return async (when: string) => {
    for (const name of NAMES) scansBy.set(`${when} ${name}`, await session.readScans(present(asked.get(name))))
  }
}

beforeAll(async () => {
  // What autovacuum would tell the planner at some moment is told here when the test says so.
  for (const table of ['deliveries', 'events', 'event_bodies', 'attempts'])
    await db.query(
      `do $$ declare day regclass; begin
         for day in select inhrelid::regclass from pg_inherits where inhparent = '${table}'::regclass loop
           execute format('alter table %s set (autovacuum_enabled = off)', day);
         end loop; end $$`,
    )
  const receiver = await startReceiver()
  await deliverToCrowd(receiver.url, 12)
  const runByEarlyPlans = await planAll()
  const early = new Map(asked)
  asked.clear()
  await newHeap(receiver.url)
  await deliverToCrowd(receiver.url, CROWD)
  for (const name of NAMES) asked.set(name, joinStatements(present(early.get(name)), present(asked.get(name))))
  // Before the statistics, which have all plans made anew.
  await runByEarlyPlans('while there was little')
  await (await planAll())('without statistics')
  await db.query('analyze')
  await (await planAll())('with statistics')
}, 120_000)

describe.each(['while there was little', 'without statistics', 'with statistics'])('by a plan made %s', (when) => {
  test.each(NAMES)('%s reads what it names, and little else', (name) => {
    const statement = present(asked.get(name))
    const clients = new Set(statement.values[0] as string[]).size
    const scans = present(scansBy.get(`${when} ${name}`))
    expect(clients).toBeGreaterThan(1)
    expect(scans.length).toBeGreaterThan(0)
    for (const scan of scans) expect(scan.rows, JSON.stringify(scan)).toBeLessThan(20 * CROWD)
  })
})
