import { describe, expect, test } from 'vitest'
import { type AppEventType, appEvents } from '../../src/domain/app-events.ts'
import type { Json } from '../../src/domain/json.ts'
import { newLog } from '../../src/log.ts'
import { createAppEventStore } from '../../src/receive/app-events.ts'
import { LANES } from '../../src/receive/lane.ts'
import { apiOn, newKey, twoClients } from '../support/api.ts'
import { appEvent, BATCH, publishing, SINGLE } from '../support/app-events.ts'
import { runCommand } from '../support/command.ts'
import { freshDatabase } from '../support/database.ts'
import { environment, temporaryFolder } from '../support/gateway.ts'

const { db, url } = await freshDatabase()
const api = apiOn(db)
const { ours, theirs } = await twoClients(api)
const { publish, refuses, bodyOf, stored } = publishing(db, ours)

const types = Object.keys(appEvents) as AppEventType[]

describe('a batch', () => {
  test('of a thousand is kept in its order by one commit, and counted', async () => {
    const events = Array.from({ length: 1000 }, (_, n) => appEvent(types[n % 5], { clientUserId: `user_${n}` }))
    const { status, body } = await ours.full.post(BATCH, { events })
    expect([status, body.data.accepted]).toEqual([202, 1000])
    const ids = body.data.sourceEvents.map(({ id }: { id: string }) => id)
    expect(body.data.sourceEvents.map(({ type }: { type: string }) => type)).toEqual(events.map(({ type }) => type))
    const { rows } = await db.query(
      `select e.id, convert_from(b.body, 'UTF8')::json #>> '{data,object,user,client_user_id}' as user, e.xmin
         from source_events e join source_event_bodies b on b.client_id = e.client_id and b.source_event_id = e.id
        where e.client_id = $1 and e.id = any($2) order by e.id`,
      [ours.clientId, ids],
    )
    expect(rows.map(({ id }) => id)).toEqual(ids)
    expect(rows.map(({ user }) => user)).toEqual(events.map(({ clientUserId }) => clientUserId))
    expect(new Set(rows.map(({ xmin }) => xmin)).size).toBe(1)
  })

  test('with one that is wrong is refused whole, and says which', async () => {
    const events = [appEvent(), appEvent('tos.accepted'), appEvent(), appEvent('user.login', { data: { ip: null } })]
    expect((await refuses(() => ours.full.post(BATCH, { events }))).map(({ path }) => path)).toEqual([
      'events.3.data.at',
      'events.3.data.user_agent',
    ])
  })

  test.each([0, 1001])('of %i is refused', async (count) => {
    const events = Array.from({ length: count }, () => appEvent())
    expect((await refuses(() => ours.full.post(BATCH, { events }))).map(({ path }) => path)).toEqual(['events'])
  })

  test('names whose it is for all, not for each', async () => {
    const events = [{ ...appEvent(), clientId: ours.clientId }]
    expect(await refuses(() => ours.full.post(BATCH, { events }))).toMatchObject([{ path: 'events.0.clientId' }])
  })

  test('of millions of wrong ones is refused without reading them', async () => {
    const details = await refuses(() => ours.full.post(BATCH, `{"events":[${'{},'.repeat(2_000_000)}{}]}`))
    expect(details).toMatchObject([{ path: 'events', code: 'too_big' }])
  })

  test('may be as large as 8 MiB, and a single event as 1 MiB', async () => {
    const padded = (text: string, mib: number) => text.padEnd(mib * 1024 * 1024)
    const single = JSON.stringify(appEvent())
    const batch = JSON.stringify({ events: [appEvent()] })
    expect((await ours.full.post(SINGLE, padded(single, 1))).status).toBe(202)
    expect((await ours.full.post(BATCH, padded(batch, 8))).status).toBe(202)
    await refuses(() => ours.full.post(SINGLE, `${padded(single, 1)} `), 413)
    await refuses(() => ours.full.post(BATCH, `${padded(batch, 8)} `), 413)
  })
})

describe('whose it is', async () => {
  const named = (await ours.full.put('/v1/users/ada', {})).body.data.id as string
  const foreign = (await theirs.full.put('/v1/users/eve', {})).body.data.id as string
  const { rows } = await db.query(
    'insert into users (client_id, id, registered) values ($1, gen_random_uuid(), false) returning id',
    [ours.clientId],
  )
  const nameless = rows[0].id as string
  const about = (user: object) => appEvent('user.login', { clientUserId: undefined, ...user })

  test('may be told by the id of a Flo user, and the client’s own id is added', async () => {
    const userOf = async (userId: string) =>
      (await bodyOf((await publish(about({ userId }))).body.data.id)).data.object.user
    expect(await userOf(named.toUpperCase())).toEqual({ id: named, client_user_id: 'ada' })
    expect(await userOf(nameless)).toEqual({ id: nameless, client_user_id: null })
  })

  test.each([foreign, '01980d3c-5f1a-7c3e-9d52-6b1f0c7a1e11', 'ada'])('is not told by %s', async (userId) => {
    expect(await refuses(() => publish(about({ userId })))).toEqual([
      { path: 'userId', code: 'not_found', message: expect.any(String) },
    ])
    const events = [appEvent(), about({ userId: named }), about({ userId })]
    expect((await refuses(() => ours.full.post(BATCH, { events }))).map(({ path }) => path)).toEqual([
      'events.2.userId',
    ])
  })

  test('is looked up in one statement for a whole batch', async () => {
    let statements = 0
    const counted = new Proxy(db, {
      get(pool, name) {
        if (name !== 'query') return Reflect.get(pool, name)
        return (text: string, values: unknown[]) => {
          if (/from users/.test(text)) statements += 1
          return pool.query(text, values)
        }
      },
    })
    const events = Array.from({ length: 1000 }, (_, n) => about(n % 2 ? { userId: named } : { userId: nameless }))
    const { status } = await apiOn(counted, {
      storeAppEvents: createAppEventStore({ db, log: newLog('silent'), onStored() {} }),
    })
      .as(await newKey(api, ours.clientId))
      .post(BATCH, { events })
    expect([status, statements]).toEqual([202, 1])
  })

  test('decides the lane: one for each user, by whatever id', async () => {
    const users = Array.from({ length: 20 }, (_, n) => `user_${n}`)
    const ids = await Promise.all(
      users.map(async (user) => (await ours.full.put(`/v1/users/${user}`, {})).body.data.id),
    )
    const events = [
      ...users.map((clientUserId) => appEvent('user.login', { clientUserId })),
      ...ids.map((userId) => about({ userId })),
    ]
    const { sourceEvents } = (await ours.full.post(BATCH, { events })).body.data
    const { rows } = await db.query(
      'select lane from source_events where client_id = $1 and id = any($2) order by id',
      [ours.clientId, sourceEvents.map(({ id }: { id: string }) => id)],
    )
    const lanes = rows.map(({ lane }) => lane)
    expect(lanes.slice(20)).toEqual(lanes.slice(0, 20))
    expect(new Set(lanes)).toEqual(new Set(Array.from({ length: LANES }, (_, lane) => lane)))
  })

  test('stays within the client, and asks for scopes', async () => {
    const event = appEvent()
    expect((await api.admin.post(SINGLE, { ...event, clientId: ours.clientId })).body.data.clientId).toBe(ours.clientId)
    expect((await refuses(() => api.admin.post(SINGLE, event)))[0]).toMatchObject({
      path: 'clientId',
      code: 'required',
    })
    expect(
      (await api.admin.post(BATCH, { clientId: ours.clientId, events: [event] })).body.data.sourceEvents[0].clientId,
    ).toBe(ours.clientId)
    await refuses(() => ours.full.post(SINGLE, { ...event, clientId: theirs.clientId }), 404)
    await refuses(() => ours.full.post(BATCH, { clientId: theirs.clientId, events: [event] }), 404)
    for (const path of [SINGLE, BATCH]) await refuses(() => ours.reader.post(path, event), 403)
    expect((await ours.writer.post(SINGLE, { ...event, clientId: ours.clientId })).status).toBe(202)
  })
})

test('no rate limit costs an event', async () => {
  const now = new Date()
  const still = apiOn(db, { now: () => now }).as(await newKey(api, ours.clientId))
  for (let round = 0; round < 12; round++) {
    const replies = await Promise.all(Array.from({ length: 50 }, () => still.post(SINGLE, appEvent())))
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([202]))
  }
  expect((await still.get('/v1/endpoints')).status).toBe(200)
})

describe('what is told of it elsewhere', () => {
  test('source events are listed by the client as their source, each with its origin', async () => {
    const { id } = (await publish(appEvent())).body.data
    await db.query(
      `insert into source_events (client_id, id, source_id, livemode, event_id, type, lane, created_at)
       values ($1, gen_random_uuid(), $2, false, 'overdue:in_1', 'invoice.overdue', 0, now()),
              ($1, gen_random_uuid(), $2, false, 'evt_1', 'invoice.paid', 0, now())`,
      [ours.clientId, ours.sourceId],
    )
    const list = async (query: string, as = ours.full) => (await as.get(`/v1/source-events?limit=250&${query}`)).body
    const own = (await list(`sourceId=${ours.clientId}`)).data
    expect(own[0]).toMatchObject({ id, origin: 'app' })
    expect(new Set(own.map(({ origin }: Json) => origin))).toEqual(new Set(['app']))
    const stripes = (await list(`sourceId=${ours.sourceId}`)).data
    expect(stripes.map(({ eventId, origin }: Json) => [eventId, origin]).sort()).toEqual([
      ['evt_1', 'stripe'],
      ['overdue:in_1', 'timer'],
    ])
    expect((await list(`sourceId=${ours.clientId}`, theirs.full)).error.code).toBe('not_found')
    expect((await list(`sourceId=${ours.clientId}`, api.admin)).data[0].id).toBe(id)
    await db.query('delete from source_events where client_id = $1 and source_id = $2', [ours.clientId, ours.sourceId])
  })

  test('one can be explained, and tried without storing it', async () => {
    const { id } = (await publish(appEvent())).body.data
    const explained = (await ours.full.get(`/v1/source-events/${id}/explain`)).body.data
    expect(explained.sourceEvent).toMatchObject({ id, origin: 'app', sourceId: ours.clientId })
    expect(explained.about).toBe(null)
    const event = await bodyOf(id)
    const { code, stdout } = await runCommand(['explain', event.id], await temporaryFolder(), environment(url))
    expect([code, stdout]).toEqual([0, expect.stringContaining('published by the application')])
    expect(stdout).toContain(id)
    const before = await stored()
    const tried = await ours.full.post('/v1/mappings/dry-run', { sourceId: ours.clientId, event })
    expect(tried.body.data.sourceEvent).toMatchObject({
      origin: 'app',
      createdAt: explained.sourceEvent.createdAt,
      type: 'user.login',
    })
    expect(await stored()).toBe(before)
  })

  test('failed ones go through once more, by the client as their source', async () => {
    const { id } = (await publish(appEvent('tos.accepted'))).body.data
    await db.query(
      `update source_events set state = 'failed', reason_code = 'made_up', due_at = null where client_id = $1 and id = $2`,
      [ours.clientId, id],
    )
    const which = { state: 'failed', code: 'made_up', sourceId: ours.clientId }
    expect((await ours.full.post('/v1/source-events/renormalize', which)).body.data).toEqual({ count: 1 })
  })
})
