import { beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import { apiOn } from '../support/api.ts'
import { layOut } from '../support/erasing.ts'
import { startTestGateway } from '../support/gateway.ts'
import { present } from '../support/present.ts'

// Between the reply and the purge the rows are all there: no process runs that would delete them.
const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '0' })
const { db } = gateway
const laid = {
  client: await layOut(gateway, ['hiddenclient']),
  source: await layOut(gateway, ['hiddensource']),
  user: await layOut(gateway, ['hiddenuser', 'visibleuser']),
}
for (const { clientId, stories } of Object.values(laid))
  await gateway.api('POST', '/v1/checkouts', { clientId, clientUserId: present(stories[0]).clientUserId, items: [] })
await gateway.stop()

// Without the rate of a key: a request that is refused for its number would hide what it shows.
const api = apiOn(db, { countRequest: async () => 0 })
const idsOf = async (sql: string, values: unknown[]): Promise<string[]> =>
  (await db.query(sql, values)).rows.map(({ id }) => id)

/** Everything that was deleted of a client, by the kinds of ids that routes are asked with. */
async function doomedIds(kind: keyof typeof laid): Promise<string[]> {
  const { clientId, sourceId, stories } = laid[kind]
  const { clientUserId } = present(stories[0])
  const users = await idsOf('select id from users where client_id = $1 and client_user_id = $2', [
    clientId,
    clientUserId,
  ])
  const events = await idsOf(`select id from events where client_id = $1 and ($2 or user_id = any($3))`, [
    clientId,
    kind !== 'user',
    users,
  ])
  const deliveries = await idsOf('select id from deliveries where client_id = $1 and event_id = any($2)', [
    clientId,
    events,
  ])
  const sourceEvents =
    kind === 'user' ? [] : await idsOf('select id from source_events where client_id = $1', [clientId])
  const checkouts = kind === 'source' ? [] : await idsOf('select id from checkouts where client_id = $1', [clientId])
  const whole = kind === 'client' ? [clientId] : []
  const own = kind === 'user' ? [...users, clientUserId] : [sourceId]
  return [...own, ...whole, ...sourceEvents, ...events, ...deliveries, ...checkouts]
}

/** What a reply may never hold: what was deleted, by its ids and by its content. */
const contentOf = (kind: keyof typeof laid): string[] => {
  const { customer, email } = present(laid[kind].stories[0])
  // Users are the client's, whichever source has told of them.
  return kind === 'source' ? ['in_hiddensource', 'evt_hiddensource'] : [customer, email]
}

/** Some of each kind: asking each of a hundred alike tells no more. */
const sampleOf = (ids: readonly string[]) => [...ids.slice(0, 12), ...ids.slice(-12)]

const listRoutes = api.declared.filter(({ method, path, isList }) => method === 'get' && isList && !path.includes('{'))
const oneRoutes = api.declared.filter(({ method, path }) => method === 'get' && path.includes('{'))

describe.each(['client', 'source', 'user'] as const)('of a %s that was deleted, and is not purged yet,', (kind) => {
  let ids: string[] = []
  beforeAll(async () => {
    ids = await doomedIds(kind)
    expect(ids.length).toBeGreaterThan(4)
    const { clientId, sourceId, stories } = laid[kind]
    const path = {
      client: `/v1/clients/${clientId}`,
      source: `/v1/sources/${sourceId}`,
      user: `/v1/users/${present(stories[0]).clientUserId}?clientId=${clientId}`,
    }[kind]
    const { status, body } = await api.admin.delete(path)
    expect(status, JSON.stringify(body)).toBe(202)
  })

  const expectHidden = (text: string, asked: string, but: string[] = []) => {
    for (const secret of [...ids, ...contentOf(kind)])
      if (!but.includes(secret))
        expect(text.includes(secret), `${asked} shows ${secret}: ${text.slice(0, 400)}`).toBe(false)
  }

  test.each(listRoutes.filter(({ path }) => path !== '/v1/deletions').map(({ path }) => path))(
    'no list of %s shows anything, whatever it is filtered by',
    async (path) => {
      const route = present(listRoutes.find((one) => one.path === path))
      const named = Object.keys(route.query.shape).filter((name) => /Id$|^stripe/.test(name) && name !== 'clientId')
      const { customer } = present(laid[kind].stories[0])
      const queries = [
        'limit=250',
        'limit=250&order=asc',
        ...(kind === 'client' || !('clientId' in route.query.shape)
          ? []
          : [`clientId=${laid[kind].clientId}&limit=250`]),
        ...named.flatMap((name) => [...sampleOf(ids), customer].map((id) => `${name}=${id}&limit=250`)),
      ]
      for (const query of queries) {
        const { status, text } = await api.admin.get(`${path}?${query}`)
        expect(status).not.toBe(429)
        expectHidden(text, `${path}?${query}`)
      }
    },
  )

  test.each(oneRoutes.map(({ path }) => path))('%s answers 404 for it, or shows nothing of it', async (path) => {
    for (const id of sampleOf(ids)) {
      const asked = path.replace(/\{\w+\}/, encodeURIComponent(id))
      const query = kind === 'client' && !path.includes('users') ? '' : `?clientId=${laid[kind].clientId}`
      const { status, text } = await api.admin.get(
        `${asked}${path.includes('clients') || path.includes('api-keys') ? '' : query}`,
      )
      expect(status, `${asked}: ${text.slice(0, 300)}`).toBe(404)
      expectHidden(text, asked)
    }
  })

  test('no endpoint counts it in its statistics', async () => {
    if (kind === 'client') return
    const { data } = (await api.admin.get(`/v1/endpoints/${laid[kind].endpointId}/stats`)).body
    const kept = await api.admin.get(`/v1/deliveries?clientId=${laid[kind].clientId}&limit=250`)
    expect(data.deliveries.total).toBe(kept.body.data.length)
  })

  test('the source events that stay show no content of it, neither raw nor explained', async () => {
    const { body: listed } = await api.admin.get(`/v1/source-events?limit=250`)
    const own = laid[kind].clientId
    // Of others some: what is another client's never named it.
    const asked = (listed.data as Json[]).filter(({ clientId }, at) => clientId === own || at % 6 === 0)
    for (const { id } of asked)
      for (const path of [`/v1/source-events/${id}`, `/v1/source-events/${id}/explain`]) {
        const { status, text } = await api.admin.get(path)
        expect(status).toBe(200)
        expectHidden(text, path)
      }
  })
})

test('a key of the client deletes its sources and users and expunges, and no key of another one does, nor one that only reads', async () => {
  const { clientId, sourceId, stories } = laid.user
  const stranger = (await api.admin.post('/v1/clients', { name: 'Stranger' })).body.data.id
  const keyOf = async (owner: string, scope: string) =>
    api.as((await api.admin.post('/v1/api-keys', { clientId: owner, scopes: [scope] })).body.data.key)
  const [theirs, reader, writer] = [
    await keyOf(stranger, 'write'),
    await keyOf(clientId, 'read'),
    await keyOf(clientId, 'write'),
  ]
  const [event] = (await api.admin.get(`/v1/source-events?clientId=${clientId}`)).body.data
  const user = present(stories[1]).clientUserId
  const asked = [
    (key: typeof writer) => key.delete(`/v1/sources/${sourceId}?dryRun=true`),
    (key: typeof writer) => key.delete(`/v1/users/${user}?dryRun=true`),
    (key: typeof writer) => key.post(`/v1/source-events/${event.id}/expunge?dryRun=true`, {}),
  ]
  for (const ask of asked) {
    expect((await ask(theirs)).status).toBe(404)
    expect((await ask(reader)).status).toBe(403)
    expect((await ask(writer)).status).toBe(200)
  }
  expect((await writer.delete(`/v1/clients/${clientId}`)).status).toBe(403)
  const mine = (await reader.get('/v1/deletions')).body.data
  expect(new Set(mine.map((one: Json) => one.clientId))).toEqual(new Set([clientId]))
  expect((await theirs.get('/v1/deletions')).status).toBe(403)
})
