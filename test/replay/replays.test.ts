import { describe, expect, test } from 'vitest'
import { inTransaction } from '../../src/database/db.ts'
import { GREATEST_ID, idTime, LEAST_ID, NO_SOURCE_EVENT, newId } from '../../src/domain/ids.ts'
import { selectEvents } from '../../src/replay/select-events.ts'
import { nextWindowSize, roomInWindow } from '../../src/replay/window.ts'
import { freshDatabase } from '../support/database.ts'
import { newClient, newEndpoint, readDelivery, startDelivering } from '../support/delivering.ts'
import { eventually } from '../support/eventually.ts'
import { type Behaviour, startReceiver } from '../support/receiver.ts'
import { newDeliveryIn, newEvents, replaying, replaysOf } from '../support/replaying.ts'

const database = await freshDatabase({ max: 20 })
const { db } = database
const room = await startDelivering(database)
const replayer = await replaying(database, room.wake)

const NOWHERE = 'http://127.0.0.1:9'

/** A client of its own with one endpoint, nowhere unless told otherwise, and what can be asked about it. */
async function oneEndpoint({ url = NOWHERE, ...fields }: Partial<Parameters<typeof newEndpoint>[2]> = {}) {
  const clientId = await newClient(db)
  // One at a time, so that the order of arrival is the order of the starts.
  const { id: endpointId } = await newEndpoint(db, clientId, { url, maxInFlight: 1, ...fields })
  const replays = replaysOf(db, clientId, replayer)
  /** An event with deliveries to the endpoint in these states, the later ones made by resends and ended later. */
  const event = async (...states: Parameters<typeof newDeliveryIn>[2][]) => {
    const [eventId = ''] = await newEvents(db, clientId)
    for (const [at, state] of states.entries())
      await newDeliveryIn(db, { clientId, eventId, endpointId }, state, {
        ...(at > 0 && { origin: newId() }),
        secondsAgo: 60 - at,
      })
    return eventId
  }
  return { clientId, endpointId, event, ...replays }
}

describe('what is replayed', () => {
  test('failed: events that failed or were skipped, and were not delivered afterwards', async () => {
    const { endpointId, event, done, replayed } = await oneEndpoint()
    const failed = await event('failed')
    await event('delivered')
    const skipped = await event('skipped')
    await event('failed', 'delivered')
    const failedAgain = await event('failed', 'cancelled', 'failed')
    const lostAgain = await event('delivered', 'failed')
    await event('pending')
    await event('cancelled')
    await event()
    const waiting = await event('failed', 'pending')
    const replay = await done({ endpointId, mode: 'failed' })
    expect(replay).toMatchObject({ state: 'done', found: 5, replayed: 5, skipped: 0 })
    expect(await replayed(replay.id)).toEqual([failed, skipped, failedAgain, lostAgain, waiting])
  })

  test('missing: events that the endpoint subscribes to and that were never tried', async () => {
    const { clientId, endpointId, event, done, replayed } = await oneEndpoint({ eventTypes: ['subscription.*'] })
    const before = await event()
    await event('delivered')
    await event('failed')
    await event('pending')
    const whileOff = await event('skipped')
    const givenUp = await event('cancelled')
    await newEvents(db, clientId, { eventType: 'invoice.paid' })
    await newEvents(db, clientId, { contract: 'another.v1' })
    await newEvents(db, clientId, { sourceEventId: NO_SOURCE_EVENT })
    const replay = await done({ endpointId, mode: 'missing' })
    expect(replay).toMatchObject({ state: 'done', found: 3, replayed: 3, skipped: 0 })
    expect(await replayed(replay.id)).toEqual([before, whileOff, givenUp])
  })

  test('all: events that the endpoint subscribes to, whatever became of them', async () => {
    const { clientId, endpointId, event, done, replayed } = await oneEndpoint({ eventTypes: ['subscription.*'] })
    const events = [await event('delivered'), await event('failed'), await event(), await event('cancelled')]
    await newEvents(db, clientId, { eventType: 'invoice.paid' })
    await newEvents(db, clientId, { sourceEventId: NO_SOURCE_EVENT })
    const replay = await done({ endpointId, mode: 'all' })
    expect(await replayed(replay.id)).toEqual(events)
  })

  test('never events of another endpoint or client', async () => {
    const { clientId, endpointId, event, done, replayed } = await oneEndpoint()
    const { id: neighbour } = await newEndpoint(db, clientId, { url: NOWHERE })
    const eventId = await event()
    await newDeliveryIn(db, { clientId, eventId, endpointId: neighbour }, 'failed')
    await (await oneEndpoint()).event('failed')
    expect((await done({ endpointId, mode: 'failed' })).found).toBe(0)
    expect(await replayed((await done({ endpointId, mode: 'missing' })).id)).toEqual([eventId])
  })

  test('only the requested types and times', async () => {
    const { clientId, endpointId, done, replayed } = await oneEndpoint()
    const [early = ''] = await newEvents(db, clientId)
    await eventually(() => newId().slice(0, 13) > early.slice(0, 13))
    const since = new Date()
    const types = ['invoice.paid', 'subscription.created', 'invoice.overdue', 'item.purchased']
    const made: string[] = []
    for (const eventType of types) made.push(...(await newEvents(db, clientId, { eventType })))
    await eventually(() => Date.now() > since.getTime() + 20)
    const until = new Date()
    await newEvents(db, clientId)
    const asked = { endpointId, mode: 'missing', since, until } as const
    const some = await done({ ...asked, eventTypes: ['invoice.*', 'item.purchased'] })
    expect(await replayed(some.id)).toEqual([made[0], made[2], made[3]])
    expect(await replayed((await done(asked)).id)).toEqual([made[1]])
  })

  test('an event whose body is past its retention is not found, and counted', async () => {
    const { clientId, endpointId, event, done } = await oneEndpoint()
    const eventId = await event('failed')
    await db.query('delete from event_bodies where client_id = $1 and event_id = $2', [clientId, eventId])
    expect(await done({ endpointId, mode: 'failed' })).toMatchObject({
      state: 'done',
      found: 0,
      replayed: 0,
      expired: 1,
    })
  })

  test('a fan-out in progress that did not see the endpoint is waited for', async () => {
    const { clientId, endpointId, start, ended, replayed, read } = await oneEndpoint()
    const late = await inTransaction(db, async (tx) => {
      const [eventId = ''] = await newEvents(tx as never, clientId)
      const id = await start({ endpointId, mode: 'missing' })
      await eventually(async () => {
        const { rows } = await db.query(
          `select from pg_stat_activity where datname = current_database() and query like '%pg_snapshot_xmin%' and pid <> pg_backend_pid()`,
        )
        return rows.length > 0
      })
      expect((await read(id)).state).toBe('running')
      return { id, eventId }
    })
    await ended(late.id)
    expect(await replayed(late.id)).toEqual([late.eventId])
  })
})

test('a page that is not full ends the replay: where events arrive all the time, there is never an empty one', async () => {
  const { clientId, endpointId, event } = await oneEndpoint()
  for (let at = 0; at < 3; at += 1) await event('failed', 'failed')
  for (const mode of ['failed', 'missing', 'all'] as const) {
    const selection = { clientId, endpointId, mode, eventTypes: null, upto: GREATEST_ID, asOf: null }
    const look = (scanLimit: number, limit = scanLimit) =>
      selectEvents(db, selection, { after: LEAST_ID, scanLimit, limit })
    expect((await look(100)).isComplete).toBe(true)
    expect((await look(2)).isComplete).toBe(false)
    expect((await look(100, 1)).isComplete).toBe(mode === 'missing')
  }
})

describe('a dry run', () => {
  test.each(['failed', 'missing', 'all'] as const)('of %s counts and shows what a replay then makes', async (mode) => {
    const { clientId, endpointId, event, preview, done, made } = await oneEndpoint(await startReceiver())
    for (let at = 0; at < 4; at += 1) {
      await event('failed')
      await event('delivered')
      await event('skipped')
      await event()
    }
    await newEvents(db, clientId, { eventType: 'invoice.paid', count: 3 })
    const before = await db.query('select count(*) from deliveries where client_id = $1', [clientId])
    const dry = await preview({ endpointId, mode })
    expect((await db.query('select count(*) from deliveries where client_id = $1', [clientId])).rows).toEqual(
      before.rows,
    )
    expect((await db.query('select from replays where client_id = $1', [clientId])).rows).toEqual([])
    const replay = await done({ endpointId, mode })
    const deliveries = await made(replay.id)
    expect(dry.count).toBe(deliveries.length)
    expect(replay.found).toBe(deliveries.length)
    expect(dry.sample.map(({ eventId }) => eventId)).toEqual(deliveries.slice(0, 10).map(({ eventId }) => eventId))
    expect(Object.values(dry.byType).reduce((sum, count) => sum + count, 0)).toBe(dry.count)
    expect(dry.countedUntil).toBeNull()
  })

  test('that takes too long says how far it has counted', async () => {
    const { clientId, endpointId, preview } = await oneEndpoint()
    const ids = await newEvents(db, clientId, { count: 5_010 })
    const dry = await preview({ endpointId, mode: 'all' }, -1)
    expect(dry.count).toBe(5_000)
    expect(dry.countedUntil).toEqual(idTime(ids[4_999] ?? ''))
  })
})

describe('a replayed delivery', () => {
  test('has an id of its own and the full schedule, and replaces a pending one', async () => {
    const receiver = await startReceiver({ status: 500 })
    const { clientId, endpointId, event, done, made } = await oneEndpoint({ ...receiver, retrySchedule: [0] })
    const eventId = await event()
    const waiting = await newDeliveryIn(db, { clientId, eventId, endpointId }, 'pending', { attempts: 1 })
    const { id } = await done({ endpointId, mode: 'all' })
    const delivery = await eventually(async () => (await made(id)).find(({ state }) => state !== 'pending'))
    expect(delivery).toMatchObject({ eventId, state: 'failed', attempts: 2 })
    expect(delivery.id).not.toBe(waiting)
    expect(await readDelivery(db, waiting)).toMatchObject({
      state: 'cancelled',
      reason: 'resent',
      next_attempt_at: null,
    })
    expect(receiver.requests.map(({ body }) => JSON.parse(body).eventId)).toEqual([delivery.id, delivery.id])
  })
})

test('events come in the order they were made, not in that of their commits', async () => {
  const receiver = await startReceiver()
  const { clientId, endpointId, done, made } = await oneEndpoint(receiver)
  const early = await inTransaction(db, async (tx) => {
    const ids = await newEvents(tx as never, clientId, { count: 30 })
    await newEvents(db, clientId, { count: 30 })
    return ids
  })
  const { id } = await done({ endpointId, mode: 'missing' })
  await eventually(() => receiver.requests.length === 60)
  const deliveries = await made(id)
  const events = deliveries.map(({ eventId }) => eventId)
  expect(events).toEqual(events.toSorted())
  expect(events.slice(0, 30)).toEqual(early)
  expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual(deliveries.map(({ id }) => id))
})

describe('at an endpoint that does not answer', () => {
  const hanging = async (fields: Partial<Parameters<typeof newEndpoint>[2]> = {}) => {
    const answer = Promise.withResolvers<Behaviour>()
    const receiver = await startReceiver(() => answer.promise)
    const one = await oneEndpoint({ url: receiver.url, timeoutSeconds: 2, retrySchedule: [3600], ...fields })
    /** Ends the attempts that it has not answered. */
    const release = () => answer.resolve({ reset: true })
    return { ...one, receiver, release }
  }

  test('only the smallest window of deliveries is made', async () => {
    const { clientId, endpointId, start, read, made, cancel, receiver } = await hanging()
    await newEvents(db, clientId, { count: 200 })
    const id = await start({ endpointId, mode: 'missing' })
    await eventually(() => receiver.requests.length >= 2)
    expect(await read(id)).toMatchObject({ state: 'running', found: 200 })
    expect((await made(id)).filter(({ attempts }) => attempts === 0).length).toBeLessThanOrEqual(5)
    await cancel(id)
    await receiver.stop()
  })

  test('a cancelled replay cancels its pending deliveries, except those that replaced a pending one', async () => {
    const { clientId, endpointId, event, start, read, made, cancel, ended, receiver, release, ...replays } =
      await hanging({ timeoutSeconds: 60 })
    const [first, waiting] = [await event('delivered'), await event('pending')]
    const others = await newEvents(db, clientId, { count: 40 })
    const id = await start({ endpointId, mode: 'all' })
    await eventually(async () => (await read(id)).replayed === 5 && receiver.requests.length === 1)
    await cancel(id)
    const stopped = await ended(id)
    expect(stopped).toMatchObject({ state: 'cancelled', found: 42, replayed: 5 })
    const deliveries = await made(id)
    expect(deliveries.map(({ eventId }) => eventId)).toEqual([first, waiting, ...others.slice(0, 3)])
    for (const { eventId, state, reason } of deliveries)
      expect([state, reason]).toEqual(eventId === waiting ? ['pending', null] : ['cancelled', 'replay_cancelled'])
    await cancel(id)
    expect(await read(id)).toEqual(stopped)

    // As the API does after a cancel: what the room has read before is read again.
    room.wake(clientId, [endpointId], { reread: true })
    receiver.behave({})
    release()
    await eventually(async () => (await made(id))[1]?.state === 'delivered')
    const again = await replays.done({ endpointId, mode: 'missing' })
    expect(await replays.replayed(again.id)).toEqual(others)
    await eventually(async () => (await made(again.id)).every(({ state }) => state === 'delivered'))
    // The one in flight when it was cancelled, the one that stayed, and those that were replayed once more.
    expect(receiver.requests).toHaveLength(1 + 1 + others.length)
  })

  test.each([
    ['disabled', `status = 'disabled', disabled_reason = 'manual'`],
    ['deleted', 'deleted_at = now()'],
  ])('a replay fails with the reason when the endpoint is %s', async (what, change) => {
    const { clientId, endpointId, start, ended, receiver } = await hanging()
    await newEvents(db, clientId, { count: 60 })
    const id = await start({ endpointId, mode: 'missing' })
    await eventually(() => receiver.requests.length > 0)
    await db.query(`update endpoints set ${change} where id = $1`, [endpointId])
    const { state, reason_code, replayed } = await ended(id)
    expect([state, reason_code]).toEqual(['failed', `endpoint_${what}`])
    expect(replayed).toBeLessThan(60)
    await receiver.stop()
  })

  test('an event that was delivered otherwise before its turn is skipped', async () => {
    const { clientId, endpointId, event, start, ended, read, replayed, receiver } = await hanging()
    const events: string[] = []
    for (let at = 0; at < 30; at += 1) events.push(await event('failed'))
    const id = await start({ endpointId, mode: 'failed' })
    await eventually(async () => (await read(id)).replayed >= 5)
    const [eventId = ''] = events.slice(-1)
    await newDeliveryIn(db, { clientId, eventId, endpointId }, 'delivered', { origin: newId(), secondsAgo: 0 })
    receiver.behave({})
    expect(await ended(id)).toMatchObject({ state: 'done', found: 30, replayed: 29, skipped: 1 })
    expect(await replayed(id)).toEqual(events.slice(0, -1))
  })
})

describe('the window of pending deliveries at the endpoint', () => {
  const waiting = (due: number, later = 0) => ({ due, later })

  test('doubles when it was filled and is nearly empty, up to 500, and halves when it stays full, down to 5', () => {
    const windows = (due: (window: number) => number) => {
      const seen: number[] = []
      for (let window = 5; seen.length < 10; window = nextWindowSize(window, waiting(due(window)), true))
        seen.push(window)
      return seen
    }
    expect(windows(() => 0)).toEqual([5, 10, 20, 40, 80, 160, 320, 500, 500, 500])
    expect(windows((window) => window / 2)).toEqual(Array(10).fill(5))
    expect(nextWindowSize(500, waiting(400), true)).toBe(250)
    expect(nextWindowSize(5, waiting(5), true)).toBe(5)
  })

  test('does not grow by what was never in it', () => {
    expect(nextWindowSize(80, waiting(0), false)).toBe(80)
  })

  test('does not count what waits for a retry, until that is too much', () => {
    expect(roomInWindow(80, waiting(30, 4_999))).toBe(50)
    expect(roomInWindow(80, waiting(90))).toBe(0)
    expect(roomInWindow(80, waiting(0, 5_000))).toBe(0)
  })
})

test('two processes do not make a delivery twice, and one goes on where the other stopped', async () => {
  const receiver = await startReceiver()
  const { clientId, endpointId } = await oneEndpoint(receiver)
  const events = await newEvents(db, clientId, { count: 400 })
  const [first, second, third] = [
    await replaying(database, room.wake),
    await replaying(database, room.wake),
    await replaying(database, room.wake),
  ]
  const { start, ended, read, replayed } = replaysOf(db, clientId, first)
  const id = await start({ endpointId, mode: 'missing' })
  second.wake(clientId)
  third.wake(clientId)
  await eventually(async () => (await read(id)).replayed > 0)
  await first.stop()
  second.wake(clientId)
  await eventually(async () => (await read(id)).replayed > 200)
  await second.stop()
  await third.sweep()
  expect(await ended(id)).toMatchObject({ state: 'done', found: 400, replayed: 400, skipped: 0 })
  expect(await replayed(id)).toEqual(events)
})
