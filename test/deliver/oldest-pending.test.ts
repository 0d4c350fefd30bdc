import { expect, test } from 'vitest'
import { inTransaction } from '../../src/database/db.ts'
import { moveFloor } from '../../src/database/pending-floor.ts'
import { resendDelivery } from '../../src/deliver/resend.ts'
import { idFloor } from '../../src/domain/ids.ts'
import { WAKE_CHANNEL } from '../../src/workers/worker-session.ts'
import { daysAgo, pastDay, toldAt } from '../support/aged.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startReceiver } from '../support/receiver.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { layWay } from '../support/way.ts'

const gateway = await startTestGateway()
const { db, api } = gateway
const receiver = await startReceiver()
const way = await layWay(api, receiver.url)
for (const days of [5, 20]) await pastDay(db, daysAgo(days))

const floor = async (): Promise<string> => (await db.query('select event_id from pending_floor')).rows[0].event_id
const movedFloor = async () => {
  await eventually(() => moveFloor(db))
  return floor()
}
const end = (deliveryId: string) =>
  db.query(`update deliveries set state = 'failed', next_attempt_at = null, finished_at = now() where id = $1`, [
    deliveryId,
  ])
const isDelivered = async (id: string) => (await api('GET', `/v1/deliveries/${id}`)).body.data.state === 'delivered'
const aDayAgo = (id: string) => id > idFloor(daysAgo(2)) && id < idFloor(daysAgo(0.9))

test('pumps look through the days from the oldest delivery that waits on, and through the last day at least', async () => {
  expect(aDayAgo(await movedFloor())).toBe(true)
  const waiting = await toldAt(db, { ...way, at: daysAgo(5), state: 'pending' })
  expect(await movedFloor()).toBe(waiting.eventId)
  await end(waiting.deliveryId)
  expect(aDayAgo(await movedFloor())).toBe(true)
})

test('a delivery of an older event that is sent again is found at once', async () => {
  const old = await toldAt(db, { ...way, at: daysAgo(20), state: 'failed' })
  // The pump has a floor of its own by now, which is above the event.
  await way.post(gateway.url, subscriptionCreated())
  await eventually(() => receiver.requests.length === 1)
  expect(aDayAgo(await movedFloor())).toBe(true)

  const { status, body } = await api('POST', `/v1/deliveries/${old.deliveryId}/resend`)
  expect(status).toBe(201)
  // The sweep, which looks through everything, comes once a minute: mostly too late to help.
  await eventually(() => isDelivered(body.data.id))
  expect(await floor()).toBe(old.eventId)
  expect(aDayAgo(await movedFloor())).toBe(true)
})

test('so are those of a replay', async () => {
  const old = await toldAt(db, { ...way, at: daysAgo(20), state: 'failed' })
  expect(aDayAgo(await movedFloor())).toBe(true)
  const before = receiver.requests.length
  const { body } = await api('POST', '/v1/replays', {
    clientId: way.clientId,
    endpointId: way.endpointId,
    mode: 'failed',
    until: daysAgo(19).toISOString(),
  })
  await eventually(() => receiver.requests.length > before)
  await eventually(async () => (await api('GET', `/v1/replays/${body.data.id}`)).body.data.deliveries.delivered === 1)
  expect(await floor()).toBe(old.eventId)
})

test('the floor stays while a delivery of an older event has been made and cannot be seen yet', async () => {
  const old = await toldAt(db, { ...way, at: daysAgo(20), state: 'failed' })
  await movedFloor()
  const made = await inTransaction(db, async (tx) => {
    const made = await resendDelivery(tx, way.clientId, old.deliveryId)
    expect(await moveFloor(db)).toBe(false)
    return made
  })
  expect(await floor()).toBe(old.eventId)
  await end(made.id)
})

test('who makes a delivery while the floor moves waits for that, and lowers it again', async () => {
  const old = await toldAt(db, { ...way, at: daysAgo(20), state: 'failed' })
  await db.query('update pending_floor set event_id = $1', [old.eventId])
  // A process that was halted in the middle of moving the floor.
  const mover = await db.connect()
  await mover.query('begin')
  await moveFloor({ connect: async () => ({ query: passing(mover), release() {} }) } as never)
  const resent = inTransaction(db, (tx) => resendDelivery(tx, way.clientId, old.deliveryId))
  const isWaiting = `select from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and not granted`
  await eventually(async () => (await db.query(isWaiting)).rowCount === 1)
  await mover.query('commit')
  mover.release()
  await end((await resent).id)
  expect(await floor()).toBe(old.eventId)
})

/** The statements of a transaction, but for its beginning and its end. */
const passing = (tx: { query(...given: unknown[]): unknown }) => (text: string, values?: unknown[]) =>
  /^(begin|commit)$/.test(text) ? undefined : tx.query(text, values)

test('however many make deliveries, end them and move the floor at once, nobody ever sees the floor above what waits', async () => {
  const olds = await Promise.all(
    Array.from({ length: 12 }, (_, at) =>
      toldAt(db, { ...way, at: new Date(daysAgo(at % 2 ? 5 : 20).getTime() + at), state: 'failed' }),
    ),
  )
  // Nobody sends them: what is looked at is the floor alone.
  await api('PATCH', `/v1/endpoints/${way.endpointId}`, { rateLimit: { count: 1, seconds: 3600 } })
  let isOver = false
  let moves = 0
  const until = async (step: () => Promise<void>) => {
    while (!isOver) await step()
  }
  const HIDDEN = `select f.event_id as floor, d.event_id from pending_floor f join deliveries d on d.event_id < f.event_id
                   where d.state = 'pending'`
  const lives = olds.map(async ({ deliveryId }) => {
    for (let round = 0; round < 15; round += 1) {
      const made = await inTransaction(db, async (tx) => {
        const made = await resendDelivery(tx, way.clientId, deliveryId)
        // As long as the making of many by a replay.
        await tx.query('select pg_sleep(random() * 0.01)')
        return made
      })
      await end(made.id)
    }
  })
  const move = async () => {
    if (await moveFloor(db)) moves += 1
  }
  const others = [until(move), until(move), until(async () => expect((await db.query(HIDDEN)).rows).toEqual([]))]
  await Promise.all(lives).finally(() => {
    isOver = true
  })
  await Promise.all(others)
  expect(moves).toBeGreaterThan(0)
  await api('PATCH', `/v1/endpoints/${way.endpointId}`, { rateLimit: null })
})

test('a sweep lowers a floor that is above what is due, however that came', async () => {
  const old = await toldAt(db, { ...way, at: daysAgo(20), state: 'pending' })
  await db.query('update pending_floor set event_id = $1', [idFloor(daysAgo(1))])
  await db.query('update deliveries set next_attempt_at = now() where id = $1', [old.deliveryId])
  await db.query('select pg_notify($1, $2)', [WAKE_CHANNEL, 'sweep'])
  await eventually(() => isDelivered(old.deliveryId))
  expect(await floor()).toBe(old.eventId)
})
