import { expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import { openClientGroups } from '../../src/database/client-groups.ts'
import { inTransaction } from '../../src/database/db.ts'
import { newId } from '../../src/domain/ids.ts'
import { fanOut } from '../../src/fanout/fanout.ts'
import { newLog } from '../../src/log.ts'
import { createNormalizer, type Normalizer } from '../../src/normalize/lanes.ts'
import { LANES } from '../../src/receive/lane.ts'
import { registerWorker } from '../../src/workers/worker.ts'
import { afterwards } from '../support/afterwards.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { newSource } from '../support/storing.ts'

const { url, db } = await freshDatabase({ max: 20 })
const log = newLog('silent')

const rooms: Normalizer[] = []
/** A process of several that normalise for the same clients; what it cannot have, it tells the others. */
async function newProcess() {
  const worker = await registerWorker({ url, db, log, roles: ['work'] })
  const room = createNormalizer({
    ...{ db, log, mappings, fanOut, worker, groups: await openClientGroups(db) },
    ...{ now: () => new Date(), holdSeconds: 0, laneCount: LANES },
    onDeliveriesCreated: () => {},
    onLeasedElsewhere: (clientId) => void setTimeout(() => rooms.find((other) => other !== room)?.wake(clientId), 100),
  })
  rooms.push(room)
  worker.onNotice((payload) => {
    if (payload === 'sweep') void room.sweep()
  })
  afterwards(async () => {
    await room.stop()
    await worker.stop()
  })
  return { worker, room }
}

let serial = 0
const subscriptionCreated = (customer: string) => {
  serial += 1
  return {
    id: `evt_${serial}`,
    object: 'event',
    type: 'customer.subscription.created',
    created: 1_760_000_000 + serial,
    data: {
      object: {
        id: `sub_${serial}`,
        ...{
          object: 'subscription',
          customer,
          status: 'active',
          currency: 'usd',
          metadata: { client_user_id: customer },
        },
        items: { object: 'list', data: [{ id: `si_${serial}`, object: 'subscription_item', quantity: 1 }] },
      },
    },
  }
}

test('two processes that share 100 clients, of which one loses its session in the middle, say everything once', async () => {
  const sources: Awaited<ReturnType<typeof newSource>>[] = []
  for (let count = 0; count < 100; count += 1) {
    const source = await newSource(db)
    await db.query(
      `insert into endpoints (id, client_id, url, contract, secrets) values ($1, $2, 'https://example.com', 'flo.v1', '[]')`,
      [newId(), source.clientId],
    )
    sources.push(source)
  }
  const storeForAll = async () => {
    for (const source of sources) await source.store(...['cus_1', 'cus_2', 'cus_3'].map(subscriptionCreated))
  }
  const [one, other] = [await newProcess(), await newProcess()]
  await storeForAll()
  for (const [at, { clientId }] of sources.entries()) (at % 2 === 0 ? one : other).room.wake(clientId)
  await eventually(async () => (await db.query('select from leases')).rowCount === 100 * LANES)
  await storeForAll()
  const lost = one.worker.id
  for (const { clientId } of sources) one.room.wake(clientId)
  await db.query(
    `select pg_terminate_backend(a.pid) from workers w join pg_locks l on l.locktype = 'advisory'
        and l.classid = (w.lock_key >> 32)::bit(32)::bigint::oid and l.objid = (w.lock_key & 4294967295)::bit(32)::bigint::oid
       join pg_stat_activity a on a.pid = l.pid where w.id = $1`,
    [lost],
  )
  await eventually(() => one.worker.id !== lost)
  await storeForAll()
  for (const { clientId } of sources) one.room.wake(clientId)
  const left = async () =>
    (await db.query(`select count(*)::int as left from source_events where state <> 'normalized'`)).rows[0].left
  await eventually(async () => (await left()) === 0)
  const { rows } = await db.query(
    `select count(*)::int as events, count(distinct (client_id, key))::int as keys from events where contract = 'flo.v1'`,
  )
  expect(rows).toEqual([{ events: 900, keys: 900 }])
  expect((await db.query('select from deliveries')).rowCount).toBe(900)
  // Nothing is left in the name of the worker that was lost.
  await eventually(async () => (await db.query('select from leases where worker_id = $1', [lost])).rowCount === 0)
})

test('a row of one client that somebody keeps locked holds up no other client of its batch', async () => {
  const sources: Awaited<ReturnType<typeof newSource>>[] = []
  for (let count = 0; count < 12; count += 1) sources.push(await newSource(db))
  const { room } = await newProcess()
  const subscription = subscriptionCreated('cus_1')
  const storeAndWake = async (type: string, created: number) => {
    for (const source of sources)
      await source.store({ ...subscription, id: `${subscription.id}_${created}`, type, created })
    for (const { clientId } of sources) room.wake(clientId)
  }
  const countDone = async () => {
    const { rows } = await db.query(
      `select client_id, count(*)::int as done from source_events
        where client_id = any($1) and state <> 'received' group by client_id`,
      [sources.map(({ clientId }) => clientId)],
    )
    return (done: number) => rows.filter((row) => row.done === done).length
  }
  await storeAndWake('customer.subscription.created', 1_760_000_000)
  await eventually(async () => (await countDone())(1) === 12)
  const locked = sources[5] as (typeof sources)[0]
  await inTransaction(db, async (tx) => {
    await tx.query('select from objects where client_id = $1 for update', [locked.clientId])
    await storeAndWake('customer.subscription.updated', 1_760_000_100)
    await eventually(async () => (await countDone())(2) === 11)
    expect((await countDone())(1)).toBe(1)
  })
  await eventually(async () => (await countDone())(2) === 12)
})
