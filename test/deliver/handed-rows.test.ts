import { expect, test } from 'vitest'
import { freshDatabase } from '../support/database.ts'
import {
  createdOf,
  newClient,
  newDeliveries,
  newEndpoint,
  readDelivery,
  startDelivering,
  untilSettled,
} from '../support/delivering.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import { watchPool } from '../support/watched-pool.ts'

// What the fan-out has made in this process is handed to the pump: a hint, which may be lost, late, or come twice.
const database = await freshDatabase()
const { db } = database
const asked: string[] = []
const room = await startDelivering({
  ...database,
  db: watchPool(db, ({ name }) => void asked.push(String(name).replace(/\.(one|many)$/, ''))),
})
const idsOf = (requests: { headers: Record<string, unknown> }[]) =>
  requests.map(({ headers }) => String(headers['webhook-id']))

/** An endpoint whose pump has sent one delivery, and waits. */
async function newPumped(fields: { maxInFlight?: number; ordering?: string } = {}) {
  const { ordering = 'none', ...settings } = fields
  const clientId = await newClient(db)
  const receiver = await startReceiver()
  const endpoint = await newEndpoint(db, clientId, { url: receiver.url, ...settings })
  await db.query('update endpoints set ordering = $2 where id = $1', [endpoint.id, ordering])
  const first = await newDeliveries(db, clientId, [endpoint.id])
  room.wake(clientId, [endpoint.id])
  await untilSettled(db, first)
  // A reading that was requested meanwhile would find what comes now.
  await eventually(() => idsOf(receiver.requests).length === 1)
  receiver.requests.length = 0
  return { clientId, receiver, endpointId: endpoint.id }
}

/** Makes so many deliveries, hands them over, and answers them. */
async function handOver({ clientId, endpointId }: { clientId: string; endpointId: string }, count: number) {
  const madeAt = performance.now()
  const ids = await newDeliveries(db, clientId, [endpointId], { count })
  const created = await createdOf(db, ids, madeAt)
  room.wake(clientId, [endpointId], { created })
  return { ids, created }
}

test('what is handed over is sent once, with nothing read', async () => {
  const pumped = await newPumped()
  // Until the pump rests: what is read then are the times to come.
  await eventually(() => asked.includes('deliver.next'))
  asked.length = 0
  const { ids } = await handOver(pumped, 20)
  await untilSettled(db, ids)
  expect(asked.filter((name) => ['deliver.due', 'deliver.bodies'].includes(name))).toEqual([])
  expect(idsOf(pumped.receiver.requests).toSorted()).toEqual(ids.toSorted())
  expect((await readDelivery(db, ids[0] ?? '')).made).toHaveLength(1)
})

test('what is handed over a second time, while it is under way or after, is sent once', async () => {
  const pumped = await newPumped()
  const { ids, created } = await handOver(pumped, 5)
  room.wake(pumped.clientId, [pumped.endpointId], { created })
  await untilSettled(db, ids)
  room.wake(pumped.clientId, [pumped.endpointId], { created })
  const { ids: later } = await handOver(pumped, 1)
  await untilSettled(db, later)
  expect(idsOf(pumped.receiver.requests).toSorted()).toEqual([...ids, ...later].toSorted())
})

test('what is handed over too late, or was sent since it was made, is not sent again', async () => {
  const pumped = await newPumped()
  const madeAt = performance.now()
  const ids = await newDeliveries(db, pumped.clientId, [pumped.endpointId], { count: 3 })
  const created = await createdOf(db, ids, madeAt)
  room.wake(pumped.clientId, [pumped.endpointId])
  await untilSettled(db, ids)
  room.wake(pumped.clientId, [pumped.endpointId], { created })
  room.wake(pumped.clientId, [pumped.endpointId], {
    created: created.map((one) => ({ ...one, madeAt: madeAt - 60_000 })),
  })
  const { ids: later } = await handOver(pumped, 1)
  await untilSettled(db, later)
  expect(pumped.receiver.requests).toHaveLength(4)
})

test('one that was cancelled before the hint came is not sent', async () => {
  const pumped = await newPumped()
  const madeAt = performance.now()
  const ids = await newDeliveries(db, pumped.clientId, [pumped.endpointId], { count: 2 })
  const [cancelled = '', kept = ''] = ids
  const created = await createdOf(db, ids, madeAt)
  await db.query(
    `update deliveries set state = 'cancelled', reason = 'cancelled_by_request', next_attempt_at = null, finished_at = now()
      where id = $1`,
    [cancelled],
  )
  room.wake(pumped.clientId, [pumped.endpointId], { reread: true })
  room.wake(pumped.clientId, [pumped.endpointId], { created })
  await untilSettled(db, [kept])
  expect(idsOf(pumped.receiver.requests)).toEqual([kept])
})

test('more than a pump may hold is read instead, and all of it is sent once', async () => {
  const pumped = await newPumped()
  const made: string[] = []
  for (const count of [700, 700, 30]) made.push(...(await handOver(pumped, count)).ids)
  await untilSettled(db, made)
  expect(idsOf(pumped.receiver.requests).toSorted()).toEqual(made.toSorted())
})

test('to an endpoint that keeps the order of users nothing goes out of turn', async () => {
  const pumped = await newPumped({ ordering: 'user', maxInFlight: 10 })
  const madeAt = performance.now()
  const ids = await newDeliveries(db, pumped.clientId, [pumped.endpointId], { count: 10 })
  await db.query('update deliveries set user_id = $2 where id = any($1)', [ids, pumped.clientId])
  room.wake(pumped.clientId, [pumped.endpointId], { created: (await createdOf(db, ids, madeAt)).toReversed() })
  await untilSettled(db, ids)
  expect(idsOf(pumped.receiver.requests)).toEqual(ids)
})

test('for an endpoint without a pump a hint is a wake', async () => {
  const clientId = await newClient(db)
  const receiver = await startReceiver()
  const endpoint = await newEndpoint(db, clientId, { url: receiver.url })
  const { ids } = await handOver({ clientId, endpointId: endpoint.id }, 3)
  await untilSettled(db, ids)
  expect(receiver.requests).toHaveLength(3)
})
