import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { inTransaction, type Queryable } from '../../src/database/db.ts'
import { idTime, newId } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { newLog } from '../../src/log.ts'
import { createGroupStore } from '../../src/receive/store.ts'
import { apiOn, newDelivery, twoClients } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'

const { db } = await freshDatabase()
const api = apiOn(db)
const { ours } = await twoClients(api)
const idsOf = ({ body }: { body: Json }): string[] => body.data.map(({ id }: { id: string }) => id)
const list = async (query: string): Promise<Json> => {
  for (;;) {
    const reply: Json = await ours.full.get(`/v1/${query}`)
    if (reply.status !== 429) return reply
    await sleep(100)
  }
}

const insertSourceEvent = (on: Queryable, id = newId()) =>
  on
    .query(
      `insert into source_events (client_id, id, source_id, livemode, event_id, type, lane, created_at)
       values ($1, $2, $3, false, $4, 'invoice.paid', 0, now())`,
      [ours.clientId, id, ours.sourceId, `evt_${id}`],
    )
    .then(() => id)
const insertUser = (on: Queryable, id = newId()) =>
  on
    .query('insert into users (client_id, id, client_user_id, registered) values ($1, $2, $3, true)', [
      ours.clientId,
      id,
      id,
    ])
    .then(() => id)
const inserters = { 'source-events': insertSourceEvent, users: insertUser }

describe('an ascending page', () => {
  test.each(Object.entries(inserters))('of %s ends before what may still come in front of it', async (path, insert) => {
    const before = await insert(db)
    // A page ends before the millisecond in which the oldest transaction began.
    await sleep(5)
    const slow = await db.connect()
    await slow.query('begin')
    const hanging = await insert(slow)
    await sleep(5)
    const later = await insert(db)
    await sleep(5)

    const held = await list(`${path}?order=asc&limit=250`)
    expect(idsOf(held).slice(-1)).toEqual([before])
    const first = Date.parse(held.body.meta.completeUntil)
    expect(Date.parse((await list(`${path}?order=asc`)).body.meta.completeUntil)).toBe(first)
    // Newest first shows all there is, as before.
    const newest = await list(`${path}?limit=1`)
    expect(idsOf(newest)).toEqual([later])
    expect(newest.body.meta).not.toHaveProperty('completeUntil')

    await slow.query('commit')
    slow.release()
    await eventually(async () => idsOf(await list(`${path}?order=asc&limit=250`)).at(-1) === later)
    expect(idsOf(await list(`${path}?order=asc&limit=250`)).slice(-3)).toEqual([before, hanging, later])
  })

  test('goes on when what hung is rolled back, and is not held back by what only reads', async () => {
    const slow = await db.connect()
    await slow.query('begin')
    await insertSourceEvent(slow)
    await sleep(5)
    const later = await insertSourceEvent(db)
    expect(idsOf(await list('source-events?order=asc&limit=250'))).not.toContain(later)
    await slow.query('rollback')
    slow.release()
    await eventually(async () => idsOf(await list('source-events?order=asc&limit=250')).at(-1) === later)
  })

  test('tells with completeUntil where to go on: since it, nothing is missing and nothing comes twice', async () => {
    const seen: string[] = []
    let since = new Date(0).toISOString()
    const made: string[] = []
    for (let turn = 0; turn < 3; turn++) {
      made.push(await insertSourceEvent(db), await insertSourceEvent(db))
      await sleep(3)
      const { body } = await list(`source-events?order=asc&limit=250&since=${since}`)
      seen.push(...body.data.map(({ id }: { id: string }) => id))
      since = body.meta.completeUntil
    }
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.filter((id) => made.includes(id))).toEqual(made)
  })
})

test('an ascending page never leads back before its since, so that nothing comes twice', async () => {
  const since = new Date(Date.now() + 60_000).toISOString()
  const { body } = await list(`source-events?order=asc&since=${since}`)
  expect(body).toEqual({ data: [], meta: { nextCursor: null, prevCursor: null, completeUntil: since } })
})

test('whoever follows misses nothing of what several write at once, in bulk or slowly', async () => {
  const storeGroups = [0, 1].map(() => createGroupStore({ db, log: newLog('silent'), onStored: () => {} }))
  let isWriting = true
  const incoming = (name: string) => ({
    clientId: ours.clientId,
    sourceId: ours.sourceId,
    bytes: Buffer.from('{}'),
    eventId: `evt_${name}`,
    account: '',
    livemode: true,
    type: 'invoice.paid',
    apiVersion: null,
    createdAt: new Date(),
    lane: 0,
  })
  const stored: string[] = []
  const write = async (writer: number) => {
    for (let turn = 0; turn < 40; turn++) {
      const events = Array.from({ length: 1 + ((turn * 7) % 30) }, (_, at) => incoming(`${writer} ${turn} ${at}`))
      const results = (await storeGroups[writer]?.(events)) ?? []
      stored.push(...results.flatMap((result) => (result.duplicate ? [] : [result.id])))
    }
  }
  const writeSlowly = async () => {
    for (let turn = 0; turn < 10; turn++)
      await inTransaction(db, async (tx) => {
        stored.push(await insertSourceEvent(tx))
        await tx.query('select pg_sleep(0.05)')
        stored.push(await insertSourceEvent(tx))
      })
  }
  const followed: string[] = []
  const follow = async () => {
    let cursor = ''
    let since = idTime(newId()).toISOString()
    for (let isLast = false; !isLast; ) {
      isLast = !isWriting && cursor === ''
      const { body } = await list(`source-events?order=asc&limit=20&since=${since}${cursor && `&cursor=${cursor}`}`)
      followed.push(...body.data.map(({ id }: { id: string }) => id))
      cursor = body.meta.nextCursor ?? ''
      if (cursor === '') since = body.meta.completeUntil
      else isLast = false
      await sleep(10)
    }
  }
  const following = follow()
  await Promise.all([write(0), write(1), writeSlowly()])
  await sleep(10)
  isWriting = false
  await following
  expect(followed).toEqual(stored.toSorted())
})

describe('prevCursor', () => {
  test.each([
    ['deliveries', 'asc'],
    ['deliveries', 'desc'],
    ['users', 'asc'],
    ['users', 'desc'],
    ['source-events', 'asc'],
    ['source-events?state=received&type=invoice.paid', 'desc'],
  ])('of %s (%s): forward and then back gives the same pages', async (path, order) => {
    const since = new Date().toISOString()
    for (let at = 0; at < 8; at++) {
      await newDelivery(db, ours.clientId, ours.endpointId)
      await insertUser(db)
      await insertSourceEvent(db)
    }
    await sleep(5)
    const span = path === 'users' ? '' : `&since=${since}&until=${new Date().toISOString()}`
    const pageAt = (cursor: string) =>
      list(`${path}${path.includes('?') ? '&' : '?'}limit=3&order=${order}${span}${cursor && `&cursor=${cursor}`}`)
    const forward: Json[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: Json = await pageAt(cursor)
      forward.push(page)
      cursor = page.body.meta.nextCursor
    }
    expect(forward.length).toBeGreaterThan(2)
    expect(forward.map(({ body }) => body.meta.prevCursor === null)).toEqual(forward.map((_, at) => at === 0))
    const back: Json[] = []
    for (let cursor = forward.at(-1)?.body.meta.prevCursor; cursor !== null; ) {
      const page: Json = await pageAt(cursor)
      back.unshift(page)
      cursor = page.body.meta.prevCursor
    }
    expect(back.map(idsOf)).toEqual(forward.slice(0, -1).map(idsOf))
    // And forward again from the first.
    expect(idsOf(await pageAt(back[0]?.body.meta.nextCursor))).toEqual(idsOf(forward[1]))
    // What the page says does not change with rows that come in after it.
    await newDelivery(db, ours.clientId, ours.endpointId)
    expect(idsOf(await pageAt(forward[1]?.body.meta.prevCursor))).toEqual(idsOf(forward[0]))
  })

  test('of attempts, which are in the order of their numbers', async () => {
    const { deliveryId, eventId } = await newDelivery(db, ours.clientId, ours.endpointId)
    for (let number = 1; number <= 5; number++)
      await db.query(
        `insert into attempts (client_id, event_id, delivery_id, number, started_at, duration_ms, status)
         values ($1, $2, $3, $4, now(), 1, 500)`,
        [ours.clientId, eventId, deliveryId, number],
      )
    await db.query('update deliveries set attempts = 5 where client_id = $1 and id = $2', [ours.clientId, deliveryId])
    const pageAt = (cursor: string) =>
      list(`deliveries/${deliveryId}/attempts?order=asc&limit=2${cursor && `&cursor=${cursor}`}`)
    const numbersOf = ({ body }: Json): number[] => body.data.map(({ number }: { number: number }) => number)
    const first = await pageAt('')
    const second = await pageAt(first.body.meta.nextCursor)
    expect([first, second].map(numbersOf)).toEqual([
      [1, 2],
      [3, 4],
    ])
    expect(numbersOf(await pageAt(second.body.meta.prevCursor))).toEqual([1, 2])
  })
})

test.each(['source-events', 'events', 'deliveries'])(
  'a window of %s that ends before it begins is refused, naming the field',
  async (path) => {
    const { status, body } = await list(`${path}?since=2026-02-02T00:00:00Z&until=2026-02-01T00:00:00Z`)
    expect(status).toBe(422)
    expect(body.error.details).toMatchObject([{ path: 'since' }])
    const empty = await list(`${path}?since=2026-02-01T00:00:00Z&until=2026-02-01T00:00:00Z`)
    expect([empty.status, idsOf(empty)]).toEqual([200, []])
  },
)

test.each([
  ['source-events/renormalize', { state: 'failed' }],
  ['replays', { mode: 'all' }],
  ['replays', { mode: 'all', dryRun: true }],
  ['backfills', {}],
])('a body of %s (%o) whose window ends before it begins is refused, naming the field', async (path, fields) => {
  // A client of its own: the followers above have used up the requests of theirs.
  const { ours } = await twoClients(api)
  const [early, late] = [-86_400_000, -3_600_000].map((ago) => new Date(Date.now() + ago).toISOString())
  const ids =
    path === 'replays' ? { endpointId: ours.endpointId } : path === 'backfills' ? { sourceId: ours.sourceId } : {}
  if (path === 'backfills') await ours.full.patch(`/v1/sources/${ours.sourceId}`, { apiKey: 'rk_test_1' })
  const { status, body } = await ours.full.post(`/v1/${path}`, { ...ids, ...fields, since: late, until: early })
  expect([status, body.error?.details?.[0]?.path]).toEqual([422, 'since'])
})
