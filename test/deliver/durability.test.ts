import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { inTransaction, openPool } from '../../src/database/db.ts'
import { newId } from '../../src/domain/ids.ts'
import { freshDatabase } from '../support/database.ts'
import {
  newClient,
  newDeliveries,
  newEndpoint,
  readDelivery,
  startDelivering,
  untilSettled,
} from '../support/delivering.ts'
import { eventually } from '../support/eventually.ts'
import { type Received, startReceiver } from '../support/receiver.ts'

const database = await freshDatabase({ max: 20 })
const { db } = database

const idsOf = (requests: Received[]) => requests.map(({ headers }) => String(headers['webhook-id']))
const leases = async (clientId: string) => {
  const { rows } = await db.query('select worker_id from leases where client_id = $1', [clientId])
  return rows.map(({ worker_id }) => worker_id)
}

async function newEndpoints(clientId: string, count: number, url: string) {
  const made = await Promise.all(Array.from({ length: count }, () => newEndpoint(db, clientId, { url })))
  return made.map(({ id }) => id)
}

describe('nothing is lost and nothing sent twice', () => {
  test('5,000 deliveries to 20 endpoints arrive once each, and their attempts add up', async () => {
    const room = await startDelivering(database)
    const receiver = await startReceiver()
    const clientId = await newClient(db)
    const ids = await newDeliveries(db, clientId, await newEndpoints(clientId, 20, receiver.url), { count: 250 })
    room.wake(clientId)
    await untilSettled(db, ids, { timeoutMs: 60_000 })
    expect(idsOf(receiver.requests).toSorted()).toEqual(ids.toSorted())
    const { rows } = await db.query(
      `select d.state, d.attempts, count(a.number) as made, count(*) from deliveries d
         left join attempts a on a.client_id = d.client_id and a.event_id = d.event_id and a.delivery_id = d.id
        where d.client_id = $1 group by 1, 2`,
      [clientId],
    )
    expect(rows).toEqual([{ state: 'delivered', attempts: 1, made: 5000, count: 5000 }])
    await room.stop()
  })

  test('every wake is heard: deliveries that come one by one need no sweep', async () => {
    const room = await startDelivering(database)
    const receiver = await startReceiver()
    const clientId = await newClient(db)
    const endpoints = await newEndpoints(clientId, 3, receiver.url)
    const ids: string[] = []
    for (let at = 0; at < 150; at += 1) {
      const [endpoint] = endpoints.slice(at % 3)
      const chosen = endpoint ? [endpoint] : []
      ids.push(...(await newDeliveries(db, clientId, chosen)))
      room.wake(clientId, chosen)
      if (at % 10 === 0) await delay(at / 10)
    }
    await untilSettled(db, ids)
    expect(idsOf(receiver.requests).toSorted()).toEqual(ids.toSorted())
    await room.stop()
  })

  test('a wake is not forgotten when the look for work that follows it is cut off', async () => {
    const room = await startDelivering(database)
    const receiver = await startReceiver()
    const clientId = await newClient(db)
    const ids = await newDeliveries(db, clientId, await newEndpoints(clientId, 1, receiver.url))
    const tx = await db.connect()
    await tx.query('begin; lock table endpoints in access exclusive mode')
    room.wake(clientId)
    const looking = `select pg_terminate_backend(pid) from pg_stat_activity
                      where datname = current_database() and wait_event_type = 'Lock' and query like '%endpoints%'`
    await eventually(async () => (await db.query(looking)).rowCount === 1)
    await tx.query('rollback')
    tx.release()
    await untilSettled(db, ids)
    await room.stop()
  })

  test('a transaction that commits late, behind what was read already, is not passed over', async () => {
    const room = await startDelivering(database)
    const receiver = await startReceiver()
    const clientId = await newClient(db)
    const [endpoint = ''] = await newEndpoints(clientId, 1, receiver.url)
    const late = await inTransaction(db, async (tx) => {
      const ids = await newDeliveries(tx as never, clientId, [endpoint], { count: 5 })
      const early = await newDeliveries(db, clientId, [endpoint], { count: 50 })
      room.wake(clientId, [endpoint])
      await untilSettled(db, early)
      return ids
    })
    room.wake(clientId, [endpoint])
    await untilSettled(db, late)
    expect(receiver.requests).toHaveLength(55)
    await room.stop()
  })

  test('two processes on one database share the work and send nothing twice', async () => {
    const rooms = await Promise.all([startDelivering(database), startDelivering(database)])
    const receiver = await startReceiver({ delayMs: 2 })
    const clientId = await newClient(db)
    const endpoints = await newEndpoints(clientId, 10, receiver.url)
    const ids: string[] = []
    for (let round = 0; round < 10; round += 1) {
      ids.push(...(await newDeliveries(db, clientId, endpoints, { count: 10 })))
      rooms[0].wake(clientId, endpoints.slice(0, 6))
      rooms[1].wake(clientId, endpoints.slice(4))
      for (const room of rooms) room.wake(clientId)
    }
    await untilSettled(db, ids)
    expect(idsOf(receiver.requests).toSorted()).toEqual(ids.toSorted())
    expect(rooms.some(({ told }) => told.includes(clientId))).toBe(true)
    await Promise.all(rooms.map(({ stop }) => stop()))
  })

  test('a worker whose session is cut off goes on under a new name', async () => {
    const room = await startDelivering(database)
    const receiver = await startReceiver({ delayMs: 20 })
    const clientId = await newClient(db)
    const endpoints = await newEndpoints(clientId, 4, receiver.url)
    const ids = await newDeliveries(db, clientId, endpoints, { count: 100 })
    room.wake(clientId)
    await eventually(() => receiver.requests.length > 50)
    const { id } = room.worker
    await db.query(
      `select pg_terminate_backend(l.pid) from pg_locks l join workers w on w.id = $1
        where l.locktype = 'advisory' and (l.classid::bigint << 32 | l.objid::bigint) = w.lock_key`,
      [id],
    )
    await untilSettled(db, ids)
    expect(room.worker.id).not.toBe(id)
    expect(new Set(idsOf(receiver.requests))).toEqual(new Set(ids))
    // What was in flight at the cut is still ours to record: no process sends it again.
    expect(receiver.requests.length).toBe(ids.length)
    await room.stop()
  })
})

test('a database that cuts every connection under load, again and again, costs time and nothing else', async () => {
  const room = await startDelivering(database)
  const receiver = await startReceiver({ delayMs: 5 })
  const clientId = await newClient(db)
  const ids = await newDeliveries(db, clientId, await newEndpoints(clientId, 10, receiver.url), { count: 150 })
  room.wake(clientId)
  const server = await openPool(database.url, { max: 1 }).connect()
  for (let cut = 1; cut <= 3; cut += 1) {
    const before = receiver.requests.length
    await eventually(() => receiver.requests.length > before + 50)
    await server.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    )
  }
  server.release(true)
  await untilSettled(db, ids)
  expect(idsOf(receiver.requests).toSorted()).toEqual(ids.toSorted())
  await room.stop()
})

describe('stopping and starting', () => {
  test('stop() starts nothing more, records what is in flight, and gives the leases back; the next start goes on', async () => {
    const first = await startDelivering(database)
    const { promise: isStopping, resolve: answerAll } = Promise.withResolvers<void>()
    const receiver = await startReceiver(async () => {
      await isStopping
      return {}
    })
    const clientId = await newClient(db)
    const [endpoint = ''] = await newEndpoints(clientId, 1, receiver.url)
    const ids = await newDeliveries(db, clientId, [endpoint], { count: 30 })
    first.wake(clientId, [endpoint])
    // As many as the endpoint takes at once.
    await eventually(() => receiver.requests.length === 10)
    const stopped = first.stop()
    answerAll()
    await stopped
    const begun = receiver.requests.length
    expect(begun).toBe(10)
    const { rows } = await db.query(
      `select count(*) from deliveries where client_id = $1 and state = 'delivered' and attempts = 1`,
      [clientId],
    )
    expect(rows[0].count).toBe(begun)
    expect(await leases(clientId)).toEqual([])

    receiver.behave({})
    const second = await startDelivering(database)
    await second.sweep()
    await untilSettled(db, ids)
    expect(idsOf(receiver.requests).toSorted()).toEqual(ids.toSorted())
    await second.stop()
  })

  test('a retry that was planned before the start comes at its time', async () => {
    const receiver = await startReceiver()
    const clientId = await newClient(db)
    const [endpoint = ''] = await newEndpoints(clientId, 1, receiver.url)
    const [soon = '', later = ''] = await newDeliveries(db, clientId, [endpoint], { count: 2 })
    await db.query(`update deliveries set next_attempt_at = now() + '700 ms' where id = $1`, [soon])
    await db.query(`update deliveries set next_attempt_at = now() + '1400 ms' where id = $1`, [later])
    const { rows } = await db.query('select id, next_attempt_at from deliveries where client_id = $1', [clientId])
    const dueAt = new Map(rows.map(({ id, next_attempt_at }) => [id, next_attempt_at.getTime()]))
    const room = await startDelivering(database)
    await room.sweep()
    await untilSettled(db, [soon, later])
    expect(idsOf(receiver.requests).toSorted()).toEqual([soon, later].toSorted())
    for (const { headers, at } of receiver.requests)
      expect(at.getTime()).toBeGreaterThanOrEqual(dueAt.get(String(headers['webhook-id'])) ?? Number.POSITIVE_INFINITY)
    await room.stop()
  })

  test('an idle endpoint is given back, so that another process can have it', async () => {
    const rooms = await Promise.all([startDelivering(database), startDelivering(database)])
    const clientId = await newClient(db)
    let holders: string[] = []
    const receiver = await startReceiver(async () => {
      holders = await leases(clientId)
      return {}
    })
    const [endpoint = ''] = await newEndpoints(clientId, 1, receiver.url)
    for (const { wake, worker } of rooms) {
      const ids = await newDeliveries(db, clientId, [endpoint])
      wake(clientId, [endpoint])
      await untilSettled(db, ids)
      expect(holders).toEqual([worker.id])
      await eventually(async () => (await leases(clientId)).length === 0)
    }
    await Promise.all(rooms.map(({ stop }) => stop()))
  })
})

describe('recording', () => {
  test('while attempts cannot be written down they are not made again, and are written down in the end', async () => {
    const room = await startDelivering(database)
    const receiver = await startReceiver()
    const clientId = await newClient(db)
    const [endpoint = ''] = await newEndpoints(clientId, 1, receiver.url)
    const ids = await newDeliveries(db, clientId, [endpoint], { count: 20 })
    await db.query('alter table attempts rename to attempts_away')
    room.wake(clientId, [endpoint])
    await eventually(() => receiver.requests.length === 20)
    for (let at = 0; at < 5; at += 1) {
      room.wake(clientId)
      await delay(100)
    }
    await db.query('alter table attempts_away rename to attempts')
    await untilSettled(db, ids)
    expect(receiver.requests).toHaveLength(20)
    const [id = ''] = ids
    expect((await readDelivery(db, id)).made).toHaveLength(1)
    await room.stop()
  })

  test('an attempt that PostgreSQL refuses is kept without what came from outside, and its neighbours whole', async () => {
    const room = await startDelivering(database)
    const receiver = await startReceiver((request) => ({
      body: request.headers['webhook-id'] === ids[3] ? 'poison' : 'fine',
    }))
    const clientId = await newClient(db)
    const [endpoint = ''] = await newEndpoints(clientId, 1, receiver.url)
    const ids = await newDeliveries(db, clientId, [endpoint], { count: 8 })
    await db.query(`alter table attempts add constraint refuses check (response_body <> 'poison')`)
    room.wake(clientId, [endpoint])
    await untilSettled(db, ids)
    await db.query('alter table attempts drop constraint refuses')
    const bodies = await Promise.all(ids.map(async (id) => (await readDelivery(db, id)).made[0].response_body))
    expect(bodies).toEqual(ids.map((id) => (id === ids[3] ? null : 'fine')))
    await room.stop()
  })
})

test('an event whose body is gone ends its delivery instead of holding up the others', async () => {
  const room = await startDelivering(database)
  const receiver = await startReceiver()
  const clientId = await newClient(db)
  const [endpoint = ''] = await newEndpoints(clientId, 1, receiver.url)
  const [orphan = '', healthy = ''] = await newDeliveries(db, clientId, [endpoint], { count: 2 })
  await db.query('delete from event_bodies where event_id = (select event_id from deliveries where id = $1)', [orphan])
  room.wake(clientId, [endpoint])
  await untilSettled(db, [orphan, healthy])
  expect(await readDelivery(db, orphan)).toMatchObject({ state: 'cancelled', reason: 'event_missing' })
  await room.stop()
})

test('one endpoint that hangs takes its own places, not those of others', async () => {
  const room = await startDelivering(database, { slots: 8 })
  const [hanging, healthy] = await Promise.all([startReceiver({ hang: 'headers' }), startReceiver()])
  const clientId = await newClient(db)
  const { id: stuck } = await newEndpoint(db, clientId, { url: hanging.url, maxInFlight: 4 })
  const [other = ''] = await newEndpoints(clientId, 1, healthy.url)
  await newDeliveries(db, clientId, [stuck], { count: 100 })
  const ids = await newDeliveries(db, clientId, [other], { count: 100 })
  room.wake(clientId)
  await untilSettled(db, ids)
  expect(hanging.requests).toHaveLength(4)
  await hanging.stop()
  await room.stop()
})

test('a wake for a client or endpoint that is not there does no harm', async () => {
  const room = await startDelivering(database)
  room.wake(newId(), [newId()])
  room.wake(newId())
  await room.sweep()
  await room.stop()
})
