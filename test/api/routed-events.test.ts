import { describe, expect, test } from 'vitest'
import { newId, OPERATOR_CLIENT } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { apiOn, twoClients } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'
import { fresh, snapshotEvent } from '../support/events.ts'
import { receiving, SECRET } from '../support/receiving.ts'

// What the receiving room does with the events of a source that routes, as operators and clients see it.

const { db } = await freshDatabase()
const api = apiOn(db)
const { ours, theirs } = await twoClients(api)
const { post } = await receiving(db)
const source: string = (
  await api.admin.post('/v1/sources', { signingSecrets: [SECRET], routing: { by: ['account', 'metadata'] } })
).body.data.id
const put = (value: string, clientId: string) => api.admin.put(`/v1/sources/${source}/routes/${value}`, { clientId })
await put('acct_ours', ours.clientId)
await put('tenant-ours', ours.clientId)
await put('tenant-theirs', theirs.clientId)

/** Sends an event and answers the source event that operators see of it. */
async function send(body: string): Promise<Json> {
  expect((await post(source, body)).body).toEqual({ received: true, duplicate: false })
  const { id } = JSON.parse(body)
  const { data } = (await api.admin.get(`/v1/source-events?eventId=${id}`)).body
  expect(data).toHaveLength(1)
  return data[0]
}
const customer = (floClient: string | null, id = fresh('cus')) => ({
  id,
  object: 'customer',
  metadata: floClient === null ? {} : { flo_client: floClient },
})
const idsOf = ({ body }: { body: Json }): string[] => body.data.map(({ id }: Json) => id)

describe('an event that was routed', () => {
  test('says by what, to its client and to operators, and is nobody else’s', async () => {
    const paid = fresh('cus')
    const routed = [
      [
        snapshotEvent('customer.updated', customer(null), { account: 'acct_ours' }),
        { by: 'account', value: 'acct_ours', of: 'account' },
      ],
      [
        snapshotEvent('customer.updated', customer('tenant-ours', paid)),
        { by: 'metadata', value: 'tenant-ours', of: `customer ${paid}` },
      ],
      [
        snapshotEvent('charge.succeeded', { id: fresh('ch'), object: 'charge', customer: paid, metadata: {} }),
        { by: 'object', value: 'tenant-ours', of: `customer ${paid}` },
      ],
    ] as const
    for (const [body, routedBy] of routed) {
      const sent = await send(body)
      expect(sent).toMatchObject({ clientId: ours.clientId, sourceId: source, state: 'received', routedBy })
      const { data } = (await ours.full.get(`/v1/source-events/${sent.id}`)).body
      expect(data).toEqual({ ...sent, body })
      expect(idsOf(await ours.full.get(`/v1/source-events?sourceId=${source}`))).toContain(sent.id)
      for (const path of ['', '/explain'])
        expect((await theirs.full.get(`/v1/source-events/${sent.id}${path}`)).status).toBe(404)
      expect((await theirs.full.post(`/v1/source-events/${sent.id}/renormalize`)).status).toBe(404)
      expect((await theirs.full.get(`/v1/source-events?sourceId=${source}`)).status).toBe(404)
    }
  })

  test('is a duplicate when it comes again', async () => {
    const body = snapshotEvent('customer.updated', customer('tenant-ours'))
    await send(body)
    expect((await post(source, body)).body).toEqual({ received: true, duplicate: true })
  })

  test('stays with its client when its route leads elsewhere, or is deleted', async () => {
    await put('tenant-moving', ours.clientId)
    const first = await send(snapshotEvent('customer.updated', customer('tenant-moving')))
    await put('tenant-moving', theirs.clientId)
    const second = await send(snapshotEvent('customer.updated', customer('tenant-moving')))
    await api.admin.delete(`/v1/sources/${source}/routes/tenant-moving`)
    const third = await send(snapshotEvent('customer.updated', customer('tenant-moving')))
    expect([first, second, third].map(({ clientId }) => clientId)).toEqual([ours.clientId, theirs.clientId, null])
    expect((await api.admin.get(`/v1/source-events/${first.id}`)).body.data.clientId).toBe(ours.clientId)
  })
})

describe('a name', () => {
  test('is that of a route first, then the id of a client, then an external id', async () => {
    const { id: named } = (await api.admin.post('/v1/clients', { name: 'Named', externalId: 'tenant-named' })).body.data
    const clientOf = async (name: string) => (await send(snapshotEvent('customer.updated', customer(name)))).clientId
    expect(await clientOf('tenant-named')).toBe(named)
    expect(await clientOf(named)).toBe(named)
    await put('tenant-named', ours.clientId)
    await put(named, theirs.clientId)
    expect(await clientOf('tenant-named')).toBe(ours.clientId)
    expect(await clientOf(named)).toBe(theirs.clientId)
  })

  test('is compared letter by letter', async () => {
    for (const name of ['Tenant-ours', ' tenant-ours', 'tenant-ours '])
      expect((await send(snapshotEvent('customer.updated', customer(name)))).clientId).toBeNull()
  })

  test('of the operator’s own client names nobody', async () => {
    expect((await send(snapshotEvent('customer.updated', customer(OPERATOR_CLIENT)))).state).toBe('held')
  })
})

describe('an event whose client is not known', async () => {
  const waiting = await send(snapshotEvent('customer.updated', customer('tenant-unknown')))
  const both = await send(
    snapshotEvent('invoice.paid', {
      ...{ id: fresh('in'), object: 'invoice', metadata: { flo_client: 'tenant-ours' } },
      customer: customer('tenant-theirs'),
    }),
  )
  const shared = await send(snapshotEvent('product.updated', { id: fresh('prod'), object: 'product', metadata: {} }))

  test('waits, or is unrouted, and says why', async () => {
    expect(waiting).toMatchObject({ clientId: null, state: 'held', routedBy: null })
    expect(waiting.reason).toEqual({ code: 'route_unknown', message: expect.stringContaining('tenant-unknown') })
    expect(Date.parse(waiting.heldUntil)).toBeGreaterThan(Date.parse(waiting.receivedAt))
    expect(both).toMatchObject({ clientId: null, state: 'unrouted', routedBy: null, heldUntil: null })
    expect(both.reason.code).toBe('route_conflict')
    for (const words of ['tenant-ours', 'tenant-theirs', ours.clientId, theirs.clientId])
      expect(both.reason.message).toContain(words)
    expect(shared).toMatchObject({ clientId: null, state: 'received', reason: null, routedBy: null })
  })

  test('is listed for operators, by state and by the operator’s own client', async () => {
    const list = (query: string) => api.admin.get(`/v1/source-events?limit=250&${query}`)
    expect(idsOf(await list('state=unrouted'))).toEqual([both.id])
    expect(idsOf(await list('state=held'))).toContain(waiting.id)
    const own = await list(`clientId=${OPERATOR_CLIENT}`)
    expect(idsOf(own)).toEqual(expect.arrayContaining([waiting.id, both.id, shared.id]))
    expect(new Set(own.body.data.map(({ clientId }: Json) => clientId))).toEqual(new Set([null]))
    expect(idsOf(await list(`sourceId=${source}&state=unrouted&clientId=${OPERATOR_CLIENT}`))).toEqual([both.id])
  })

  test('is not there for a client, by whatever way it is asked for', async () => {
    for (const as of [ours.full, theirs.full]) {
      const seen = [
        ...idsOf(await as.get('/v1/source-events?limit=250')),
        ...idsOf(await as.get('/v1/source-events?limit=250&state=unrouted')),
        ...idsOf(await as.get('/v1/source-events?limit=250&state=held')),
        ...idsOf(await as.get(`/v1/source-events?eventId=${both.eventId}`)),
      ]
      for (const { id } of [waiting, both, shared]) {
        expect(seen).not.toContain(id)
        const asked = [
          as.get(`/v1/source-events/${id}`),
          as.get(`/v1/source-events/${id}/explain`),
          as.get(`/v1/source-events/${id}?clientId=${OPERATOR_CLIENT}`),
          as.post(`/v1/source-events/${id}/renormalize`),
          as.post(`/v1/source-events/${id}/expunge`),
          as.get(`/v1/source-events/${newId()}`),
        ]
        const replies = await Promise.all(asked)
        expect(new Set(replies.map(({ status, body }) => `${status} ${body.error.message}`)).size).toBe(1)
        expect(replies[0]?.status).toBe(404)
      }
    }
  })
})
