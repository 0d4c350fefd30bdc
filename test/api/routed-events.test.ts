import { describe, expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import { explanationText } from '../../src/cli/explain-text.ts'
import { newId, OPERATOR_CLIENT } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { explainSourceEvent } from '../../src/normalize/explain/explain.ts'
import { apiOn, ring, twoClients } from '../support/api.ts'
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

  test('is found by its source, as that of every other client and what is nobody’s', async () => {
    const sent = [
      await send(snapshotEvent('customer.updated', customer('tenant-ours'))),
      await send(snapshotEvent('customer.updated', customer('tenant-theirs'))),
      await send(snapshotEvent('customer.updated', customer('tenant-nobody'))),
    ]
    const found = await api.admin.get(`/v1/source-events?limit=250&sourceId=${source}`)
    expect(idsOf(found)).toEqual(expect.arrayContaining(sent.map(({ id }) => id)))
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
    for (const name of ['Tenant-ours', ' tenant-ours', 'tenant-ours ', ours.clientId.toUpperCase()])
      expect((await send(snapshotEvent('customer.updated', customer(name)))).clientId).toBeNull()
  })

  test('that no client can have is not that of a client by what is left of it in the database', async () => {
    for (const [left, name] of [
      ['x'.repeat(500), 'x'.repeat(501)],
      ['half \uFFFD', 'half \ud800'],
      ['none \uFFFD', 'none \0'],
    ] as const) {
      await put(encodeURIComponent(left), ours.clientId)
      expect((await send(snapshotEvent('customer.updated', customer(name)))).clientId).toBeNull()
      expect((await send(snapshotEvent('customer.updated', customer(left)))).clientId).toBe(ours.clientId)
    }
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

describe('an explanation', () => {
  const explain = async (as: typeof api.admin, id: string) =>
    (await as.get(`/v1/source-events/${id}/explain`)).body.data as Json

  test('tells a client by what its event was routed, and by which of its own events that was known', async () => {
    const paid = fresh('cus')
    const told = await send(snapshotEvent('customer.updated', customer('tenant-ours', paid)))
    const charged = await send(
      snapshotEvent('charge.succeeded', { id: fresh('ch'), object: 'charge', customer: paid, metadata: {} }),
    )
    const of = `customer ${paid}`
    for (const as of [ours.full, api.admin]) {
      const [first, second] = [await explain(as, told.id), await explain(as, charged.id)]
      expect(first.routing).toEqual({
        ...{ state: 'routed', answers: [], unknown: [] },
        routedBy: { by: 'metadata', value: 'tenant-ours', of, toldBy: null },
      })
      expect(second.routing.routedBy).toEqual({ by: 'object', value: 'tenant-ours', of, toldBy: told.eventId })
    }
  })

  test('of an event that went to another client before tells nothing of that client', async () => {
    const paid = fresh('cus')
    await put('tenant-leaving', ours.clientId)
    const told = await send(snapshotEvent('customer.updated', customer('tenant-leaving', paid)))
    await put('tenant-leaving', theirs.clientId)
    const charged = await send(
      snapshotEvent('charge.succeeded', { id: fresh('ch'), object: 'charge', customer: paid, metadata: {} }),
    )
    expect(charged.clientId).toBe(theirs.clientId)
    const { routing } = await explain(theirs.full, charged.id)
    expect(routing.routedBy).toMatchObject({ by: 'object', toldBy: null })
    expect(JSON.stringify(routing)).not.toContain(told.eventId)
  })

  test('of one that is not routed tells all that was looked at, what it means, and what to do', async () => {
    const [known, stranger, invoice] = [fresh('cus'), fresh('sub'), fresh('in')]
    await send(snapshotEvent('customer.updated', customer('tenant-theirs', known)))
    const object = { id: invoice, object: 'invoice', customer: known, subscription: stranger }
    const sent = await send(snapshotEvent('invoice.paid', { ...object, metadata: { flo_client: 'tenant-ours' } }))
    const { summary, hints, routing, mappings, sourceEvent } = await explain(api.admin, sent.id)
    expect(sourceEvent.state).toBe('unrouted')
    expect(routing).toMatchObject({ state: 'unrouted', routedBy: null })
    expect(routing.answers).toEqual(
      expect.arrayContaining([
        { by: 'metadata', value: 'tenant-ours', of: `invoice ${invoice}`, toldBy: null, clientId: ours.clientId },
        {
          ...{ by: 'object', value: 'tenant-theirs', of: `customer ${known}`, clientId: theirs.clientId },
          toldBy: expect.stringMatching(/^evt_/),
        },
      ]),
    )
    expect(routing.unknown).toContainEqual({ kind: 'subscription', id: stranger })
    expect(summary).toContain('Two answers differ')
    expect(hints.join()).toContain('PUT /v1/sources/{id}/routes/{value}')
    expect(mappings).toEqual([])
  })

  test('says the same at a terminal', async () => {
    const [known, stranger] = [fresh('cus'), fresh('sub')]
    const textOf = async (clientId: string, { id }: Json) =>
      explanationText(await explainSourceEvent({ db, mappings, keyRing: ring, now: () => new Date() }, clientId, id))
    const told = await send(snapshotEvent('customer.updated', customer('tenant-theirs', known)))
    expect(await textOf(theirs.clientId, told)).toContain(
      `routed by "tenant-theirs" in the metadata of customer ${known}`,
    )
    const object = { id: fresh('in'), object: 'invoice', customer: known, subscription: stranger }
    const torn = await send(snapshotEvent('invoice.paid', { ...object, metadata: { flo_client: 'tenant-ours' } }))
    const text = await textOf(OPERATOR_CLIENT, torn)
    for (const words of [
      'UNROUTED',
      'What tells of its client',
      `"tenant-ours" in the metadata of invoice ${object.id}`,
      `client ${ours.clientId}`,
      `customer ${known}, which ${told.eventId} told is "tenant-theirs"`,
      `client ${theirs.clientId}`,
      `subscription ${stranger}`,
    ])
      expect(text).toContain(words)
    const shared = await send(snapshotEvent('price.created', { id: fresh('price'), object: 'price', metadata: {} }))
    expect(await textOf(OPERATOR_CLIENT, shared)).toContain('all clients of its source know it')
  })

  test('of one that waits tells for what, until when, and what would tell it', async () => {
    const sent = await send(snapshotEvent('customer.updated', customer('tenant-late')))
    const { summary, hints, routing } = await explain(api.admin, sent.id)
    expect(routing.state).toBe('waiting')
    expect(routing.answers).toEqual([expect.objectContaining({ value: 'tenant-late', clientId: null })])
    expect(summary).toContain(sent.heldUntil)
    expect(summary).toContain('tenant-late')
    expect(hints.join()).toContain('externalId')
    const lonely = await send(snapshotEvent('charge.succeeded', { id: fresh('ch'), object: 'charge', metadata: {} }))
    expect((await explain(api.admin, lonely.id)).hints.join()).toContain('API key')
  })

  test('of what all clients share says so', async () => {
    const sent = await send(snapshotEvent('price.created', { id: fresh('price'), object: 'price', metadata: {} }))
    expect((await explain(api.admin, sent.id)).routing).toMatchObject({ state: 'shared', routedBy: null, answers: [] })
  })

  test('of a source that routes nothing has none', async () => {
    expect((await post(ours.sourceId, snapshotEvent('customer.updated', customer(null)))).status).toBe(400)
    const own = await ours.full.post('/v1/sources', { signingSecrets: [SECRET] })
    const body = snapshotEvent('customer.updated', customer('tenant-theirs'))
    await post(own.body.data.id, body)
    const { data } = (await ours.full.get(`/v1/source-events?eventId=${JSON.parse(body).id}`)).body
    expect(data[0]).toMatchObject({ clientId: ours.clientId, routedBy: null })
    expect((await explain(ours.full, data[0].id)).routing).toBeNull()
  })
})

describe('a dry run', () => {
  const dryRun = (event: string, as = api.admin, more: object = {}) =>
    as.post('/v1/mappings/dry-run', { sourceId: source, event: JSON.parse(event), ...more })
  const invoice = (floClient: string) =>
    snapshotEvent('invoice.created', {
      ...{ id: fresh('in'), object: 'invoice', status: 'open', currency: 'usd', customer: fresh('cus') },
      metadata: { flo_client: floClient },
    })

  test('at a source that routes tells whose the event would be, and what it would become there', async () => {
    const { status, body } = await dryRun(invoice('tenant-ours'))
    expect(status).toBe(200)
    expect(body.data.routing.routedBy).toMatchObject({ by: 'metadata', value: 'tenant-ours' })
    expect(body.data.mappings).not.toEqual([])
    const nobody = (await dryRun(invoice('tenant-nobody'))).body.data
    expect(nobody).toMatchObject({ routing: { state: 'waiting' }, sourceEvent: { state: 'unrouted', id: null } })
    expect(nobody.routing.answers).toEqual([expect.objectContaining({ value: 'tenant-nobody', clientId: null })])
  })

  test('of a client judges in its world alone', async () => {
    const { status, body } = await dryRun(invoice('tenant-theirs'), ours.full)
    expect(status).toBe(200)
    expect(body.data.routing).toBeNull()
    expect((await dryRun(invoice('tenant-ours'), api.admin, { clientId: ours.clientId })).status).toBe(200)
    const { id } = (await api.admin.post('/v1/clients', { name: 'Stranger' })).body.data
    expect((await dryRun(invoice('tenant-ours'), api.admin, { clientId: id })).status).toBe(404)
  })
})
