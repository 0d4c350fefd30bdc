import { describe, expect, test } from 'vitest'
import { type AppEvent, type AppEventType, appEvents } from '../../src/domain/app-events.ts'
import { newId } from '../../src/domain/ids.ts'
import { Refusal } from '../../src/errors.ts'
import { newLog } from '../../src/log.ts'
import { createAppEventStore } from '../../src/receive/app-events.ts'
import { apiOn, newKey, twoClients } from '../support/api.ts'
import { appData, appEvent, BATCH, publishing } from '../support/app-events.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'

const { db } = await freshDatabase()
const api = apiOn(db)
const { ours } = await twoClients(api)
const { publish, refuses, stored } = publishing(db, ours)

const types = Object.keys(appEvents) as AppEventType[]

/** A worker as `registerWorker` registers one: it lives while its session holds its lock. */
async function livingWorker() {
  const id = newId()
  const session = await db.connect()
  await session.query('select pg_advisory_lock(hashtextextended($1, 7))', [id])
  await db.query(
    `insert into workers (id, lock_key, host, pid, roles) values ($1, hashtextextended($2, 7), 'here', 1, '{}')`,
    [id, id],
  )
  let isAlive = true
  return {
    id,
    async [Symbol.asyncDispose]() {
      if (isAlive) session.release(true)
      isAlive = false
      await eventually(async () => {
        const { rowCount } = await db.query(
          'select from workers where id = $1 and pg_try_advisory_xact_lock(lock_key)',
          [id],
        )
        return rowCount === 1
      })
    },
  }
}

describe('an Idempotency-Key', () => {
  const once = (key: string) => ({ 'idempotency-key': key })
  const events = types.map((type) => appEvent(type))
  const rows = async (key: string, as = ours.full) => {
    const reply = await as.post(BATCH, { events }, once(key))
    return { ...reply, status: reply.status, text: reply.text, replayed: reply.headers['idempotency-replayed'] }
  }

  test('gives the same answer to the same request, and stores once', async () => {
    const before = await stored()
    const [first, again] = [await rows('k1'), await rows('k1')]
    expect([first.status, first.replayed, again.status, again.replayed]).toEqual([202, undefined, 202, 'true'])
    expect(again.text).toBe(first.text)
    expect(await stored()).toBe(before + 5)
    const single = [await publish(appEvent(), once('k1s')), await publish(appEvent(), once('k1s'))]
    expect(single[1]?.text).toBe(single[0]?.text)
    expect(await stored()).toBe(before + 6)
  })

  test('used for another request is 422, on any route', async () => {
    await publish(appEvent(), once('k2'))
    const other = () => publish(appEvent('tos.accepted'), once('k2'))
    await refuses(other)
    expect((await other()).body.error.code).toBe('idempotency_mismatch')
    expect((await rows('k2')).status).toBe(422)
    const endpoint = await ours.full.post('/v1/endpoints', { url: 'https://example.com/' }, once('k2'))
    expect(endpoint.body.error.code).toBe('idempotency_mismatch')
    await ours.full.post('/v1/endpoints', { url: 'https://example.com/' }, once('k2e'))
    expect((await publish(appEvent(), once('k2e'))).body.error.code).toBe('idempotency_mismatch')
  })

  test('belongs to one API key', async () => {
    const [mine, others] = [await rows('k3'), await rows('k3', ours.writer)]
    expect(others.replayed).toBe(undefined)
    expect(others.text).not.toBe(mine.text)
  })

  test('of a refused request stays free', async () => {
    const userId = '01980d3c-5f1a-7c3e-9d52-6b1f0c7a1e11'
    await refuses(() => publish({ type: 'user.login', data: appData['user.login'], userId }, once('k4')))
    expect((await publish(appEvent(), once('k4'))).status).toBe(202)
  })

  test('of a request that still runs is 409, in this process and in another one, until it has ended', async () => {
    const before = await stored()
    const { promise, resolve: letGo } = Promise.withResolvers<void>()
    const { promise: isRunning, resolve: onRunning } = Promise.withResolvers<void>()
    const slow = async (clientId: string, kept: readonly AppEvent[]) => {
      onRunning()
      await promise
      return real(clientId, kept)
    }
    await using worker = await livingWorker()
    const here = apiOn(db, { storeAppEvents: slow, workerId: () => worker.id })
    const elsewhere = apiOn(db, { workerId: () => newId() })
    const key = await newKey(api, ours.clientId)
    const send = (on: ReturnType<typeof apiOn>, given = events) => on.as(key).post(BATCH, { events: given }, once('k5'))
    const first = send(here)
    await isRunning
    for (const on of [here, elsewhere]) {
      const again = await send(on)
      expect([again.status, again.body.error.code]).toEqual([409, 'idempotency_running'])
      expect(again.headers['retry-after']).toBe('1')
      expect((await send(on, [appEvent()])).body.error.code).toBe('idempotency_mismatch')
    }
    letGo()
    const answer = await first
    expect(answer.status).toBe(202)
    for (const on of [here, elsewhere]) expect((await send(on)).text).toBe(answer.text)
    expect(await stored()).toBe(before + 5)
  })

  test('of a process that died in the middle is free for the same request at once', async () => {
    const { promise: isRunning, resolve: onRunning } = Promise.withResolvers<void>()
    const { promise, resolve: letGo } = Promise.withResolvers<void>()
    const worker = await livingWorker()
    const stuck = apiOn(db, {
      storeAppEvents: () => {
        onRunning()
        return promise.then(gone)
      },
      workerId: () => worker.id,
    })
    const key = await newKey(api, ours.clientId)
    const send = (on: ReturnType<typeof apiOn>) => on.as(key).post(BATCH, { events }, once('k5d'))
    const left = send(stuck).catch(() => {})
    await isRunning
    const elsewhere = apiOn(db, { workerId: () => newId() })
    expect((await send(elsewhere)).status).toBe(409)
    await worker[Symbol.asyncDispose]()
    expect((await send(elsewhere)).status).toBe(202)
    letGo()
    await left
  })

  test('of many requests at once stores once: one is answered, the others are told that it runs', async () => {
    const before = await stored()
    const replies = await Promise.all(Array.from({ length: 12 }, () => rows('k5m')))
    expect(replies.map(({ status }) => status).filter((status) => status !== 409)).toContain(202)
    const taken = replies.filter(({ status }) => status === 202)
    expect(new Set(taken.map(({ text }) => text)).size).toBe(1)
    expect((await rows('k5m')).text).toBe(taken[0]?.text)
    expect(await stored()).toBe(before + 5)
  })

  test('of two different requests at once lets one through', async () => {
    const replies = await Promise.all(types.map((type) => publish(appEvent(type), once('k6'))))
    expect(replies.map(({ status }) => status).sort()).toEqual([202, 422, 422, 422, 422])
  })

  test('is free after 24 hours: the same request is another event then', async () => {
    const before = await stored()
    const first = await rows('k7')
    await db.query(`update idempotency_keys set created_at = now() - interval '24 hours 1 second' where key = 'k7'`)
    const later = await rows('k7')
    expect(later.replayed).toBe(undefined)
    expect(later.text).not.toBe(first.text)
    expect(await stored()).toBe(before + 10)
  })

  test.each(['x'.repeat(256), 'a b'])('"%s" is refused', async (key) => {
    expect((await refuses(() => publish(appEvent(), once(key))))[0]).toMatchObject({ path: 'Idempotency-Key' })
  })

  const real = createAppEventStore({ db, log: newLog('silent'), onStored() {} })
  const dying = (keepAppEvents: typeof real) => apiOn(db, { storeAppEvents: keepAppEvents })
  const gone = () => {
    throw new Refusal('unavailable')
  }

  test.each([
    ['after', (clientId: string, kept: readonly AppEvent[]) => real(clientId, kept).then(gone)],
    ['before', async () => gone()],
  ])('of a request that died %s it was stored stores once when it comes again', async (when, keepAppEvents) => {
    const before = await stored()
    const key = await newKey(api, ours.clientId)
    const send = (on: ReturnType<typeof apiOn>, given = events) =>
      on.as(key).post(BATCH, { events: given }, once(`k8-${when}`))
    // 503 is what no schema allows: the process might as well have died.
    await expect(send(dying(keepAppEvents))).rejects.toThrow('503')
    if (when === 'after') {
      // It is known to be stored: the key is used.
      const other = await send(api, [appEvent('user.login', { clientUserId: 'somebody else' })])
      expect(other.body.error.code).toBe('idempotency_mismatch')
    }
    const again = await send(api)
    expect([again.status, again.headers['idempotency-replayed']]).toEqual([202, when === 'after' ? 'true' : undefined])
    expect((await send(api)).text).toBe(again.text)
    expect(await stored()).toBe(before + 5)
  })

  test('of a request that we failed, and of which nothing was stored, is free for another one', async () => {
    const before = await stored()
    const key = await newKey(api, ours.clientId)
    const send = (on: ReturnType<typeof apiOn>, given = events) => on.as(key).post(BATCH, { events: given }, once('k9'))
    await expect(send(dying(async () => gone()))).rejects.toThrow('503')
    const other = [appEvent('user.login', { clientUserId: 'somebody else' })]
    const taken = await send(api, other)
    expect([taken.status, taken.headers['idempotency-replayed']]).toEqual([202, undefined])
    expect((await send(api, other)).text).toBe(taken.text)
    expect((await send(api)).body.error.code).toBe('idempotency_mismatch')
    expect(await stored()).toBe(before + 1)
  })

  test('is not asked for: without one the same request is another event', async () => {
    const before = await stored()
    const ids = [await publish(appEvent()), await publish(appEvent())].map(({ body }) => body.data.eventId)
    expect(new Set(ids).size).toBe(2)
    expect(await stored()).toBe(before + 2)
  })
})
