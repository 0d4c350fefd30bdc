import pg from 'pg'
import { expect, test, vi } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import { newId } from '../../src/domain/ids.ts'
import { fanOut } from '../../src/fanout/fanout.ts'
import { newLog } from '../../src/log.ts'
import { normalizeBatch } from '../../src/normalize/batch.ts'
import { freshDatabase } from '../support/database.ts'
import { present } from '../support/present.ts'
import { lanes, newSource } from '../support/storing.ts'
import { subscriptionCreated } from '../support/subscription.ts'

// What each client gets of a batch, and what a batch of many costs.

const { db } = await freshDatabase()
const deps = { db, log: newLog('silent'), mappings, fanOut, now: () => new Date(), holdSeconds: 0 }

/** Clients with so many due events in each lane, of a type that no mapping reads, which have been due the longer the earlier the client. */
async function clientsWith(clients: number, { perLane, bytes = 2 }: { perLane: number; bytes?: number }) {
  const ids = Array.from({ length: clients }, () => newId())
  await db.query(`insert into clients (id, name) select id, 'one of many' from unnest($1::uuid[]) id`, [ids])
  await db.query(
    `insert into source_events (client_id, id, source_id, livemode, event_id, type, lane, created_at, due_at)
     select c.id, gen_random_uuid(), c.id, true, gen_random_uuid(), 'unread.type', lane, now(), now() - interval '1 hour' + c.at * interval '1 second'
       from unnest($1::uuid[]) with ordinality c(id, at) cross join unnest($2::smallint[]) lane cross join generate_series(1, $3)`,
    [ids, lanes, perLane],
  )
  await db.query(
    `insert into source_event_bodies (client_id, source_event_id, body)
     select client_id, id, ('{"pad":"' || repeat('x', $2) || '"}')::bytea from source_events where client_id = any($1)`,
    [ids, bytes],
  )
  return ids
}

const lanesOf = (ids: readonly string[]) => new Map(ids.map((id) => [id, lanes]))

const countDue = async (clientId: string): Promise<number> =>
  (await db.query('select from source_events where client_id = $1 and due_at is not null', [clientId])).rowCount ?? 0

test('beside a client with 10,000 waiting, those with one each are done in the first batch', async () => {
  const [large] = await clientsWith(1, { perLane: 2_500 })
  const small = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const source = await newSource(db)
      await source.store(JSON.parse(subscriptionCreated()))
      return source
    }),
  )
  const results = await normalizeBatch(deps, lanesOf([present(large), ...small.map(({ clientId }) => clientId)]))
  for (const source of small) expect(await source.states()).toMatchObject([{ state: 'normalized' }])
  // What the others did not need of the batch went to the one with much to do.
  expect(results.get(present(large))?.sourceEventCount).toBeGreaterThanOrEqual(80)
})

test('a client alone gets sixty events of each lane', async () => {
  const [only] = await clientsWith(1, { perLane: 70 })
  const results = await normalizeBatch(deps, lanesOf([present(only)]))
  expect(results.get(present(only))?.sourceEventCount).toBe(60 * lanes.length)
})

test('where all have much to do, all have the same', async () => {
  const ids = await clientsWith(10, { perLane: 40 })
  const results = await normalizeBatch(deps, lanesOf(ids))
  expect(new Set([...results.values()].map(({ sourceEventCount }) => sourceEventCount))).toEqual(new Set([48]))
})

test.each([
  ['places', { perLane: 1, bytes: 2 }],
  ['bytes', { perLane: 1, bytes: 60_000 }],
])('clients for whom a batch has no %s are told to come again, and have their turn', async (_, one) => {
  const ids = await clientsWith(200, one)
  expect(await Promise.all(ids.map(countDue))).toEqual(ids.map(() => 4))
  const results = await normalizeBatch(deps, lanesOf(ids))
  expect(ids.filter((id) => results.get(id)?.sourceEventCount === 0)).toEqual([])
  const left = (await Promise.all(ids.map(countDue))).reduce((sum, due) => sum + due, 0)
  expect(left).toBeGreaterThanOrEqual(320)
  // Those that have waited for longest came first.
  expect(await countDue(present(ids[0]))).toBe(0)
  for (let open = ids; open.length > 0; ) {
    const next = await normalizeBatch(deps, lanesOf(open))
    open = open.filter((id) => (next.get(id)?.sourceEventCount ?? 0) > 0)
  }
  expect(await Promise.all(ids.map(countDue))).toEqual(ids.map(() => 0))
})

test('a batch of many clients is as many statements as one of a single client', async () => {
  const clientWithEvents = async () => {
    const source = await newSource(db)
    await db.query(
      `insert into endpoints (id, client_id, url, contract, secrets) values ($1, $2, 'https://example.com', 'flo.v1', '[]')`,
      [newId(), source.clientId],
    )
    await source.store(JSON.parse(subscriptionCreated()))
    return source.clientId
  }
  // A power of two, since rows are inserted in statements of few sizes.
  const [one, many] = [await clientWithEvents(), await Promise.all(Array.from({ length: 32 }, clientWithEvents))]
  const queries = vi.spyOn(pg.Client.prototype, 'query')
  const countStatements = async (ids: readonly string[]) => {
    queries.mockClear()
    const results = await normalizeBatch(deps, lanesOf(ids))
    expect([...results.values()].map(({ endpointIds }) => endpointIds.length)).toEqual(ids.map(() => 1))
    return queries.mock.calls.length
  }
  const statements = await countStatements([one])
  expect(statements).toBeGreaterThan(5)
  expect(await countStatements(many)).toBe(statements)
  queries.mockRestore()
})
