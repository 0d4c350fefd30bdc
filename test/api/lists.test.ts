import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { contractNamed, wireSchemaOf } from '../../src/contracts/contract.ts'
import { resendDelivery } from '../../src/deliver/resend.ts'
import { newId } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { apiOn, newDelivery, twoClients } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'
import { present } from '../support/present.ts'

const { db } = await freshDatabase()
const api = apiOn(db, { resendDelivery: resendDelivery })
const { ours, theirs } = await twoClients(api)
const idsOf = ({ body }: { body: Json }): string[] => body.data.map(({ id }: { id: string }) => id)

async function newSourceEvent(fields: { type?: string; state?: string; reason?: string } = {}) {
  const id = newId()
  const { type = 'invoice.paid', state = 'received', reason = null } = fields
  const held = state === 'held'
  await db.query(
    `insert into source_events (client_id, id, source_id, livemode, event_id, type, api_version, lane, created_at, state,
                                reason_code, reason_message, held_until, held_for, due_at)
     values ($1, $2, $3, false, $4, $5, '2016-07-06', 0, '2012-01-01T00:00:00Z', $6, $7, 'because', $8, $9, $10)`,
    [
      ours.clientId,
      id,
      ours.sourceId,
      `evt_${id}`,
      type,
      state,
      reason,
      ...(held ? [new Date(), ['x'], new Date()] : [null, null, state === 'received' ? new Date() : null]),
    ],
  )
  await db.query('insert into source_event_bodies (client_id, source_event_id, body) values ($1, $2, $3)', [
    ours.clientId,
    id,
    Buffer.from('{"id": "evt_ü"}\n'),
  ])
  return id
}

describe('a list', async () => {
  const made: string[] = []
  for (let count = 0; count < 7; count++)
    made.unshift((await newDelivery(db, ours.clientId, ours.endpointId)).deliveryId)

  const walk = async (path: string, as = ours.full) => {
    const pages: string[][] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const reply: Json = await as.get(`${path}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`)
      pages.push(idsOf(reply))
      cursor = reply.body.meta.nextCursor
    }
    return pages
  }

  test('is newest first, and goes on where the page before ended', async () => {
    const pages = await walk('/v1/deliveries?limit=3')
    expect(pages.map(({ length }) => length)).toEqual([3, 3, 1])
    expect(pages.flat()).toEqual(made)
  })

  test('is oldest first when asked', async () => {
    await sleep(5)
    expect((await walk('/v1/deliveries?limit=4&order=asc')).flat()).toEqual(made.toReversed())
  })

  test('of an operator goes across clients', async () => {
    const { deliveryId } = await newDelivery(db, theirs.clientId, theirs.endpointId)
    expect((await walk('/v1/deliveries?limit=2', api.admin)).flat()).toEqual([deliveryId, ...made])
  })

  test('with a filter that fits few of many ends pages early, and goes on until all are found', async () => {
    const many = `insert into source_events (client_id, id, source_id, livemode, event_id, type, lane, created_at, state, due_at)
      select $1, (lpad(to_hex(n), 12, '0') || '70008000000000000000')::uuid, $2, true, 'many ' || n,
             case when n % 600 = 5 then 'rare.type' else 'common.type' end, 0, now(), 'normalized', null
        from generate_series(1, 2500) n`
    await db.query(many, [theirs.clientId, theirs.sourceId])
    for (const order of ['asc', 'desc']) {
      const pages = await walk(`/v1/source-events?type=rare.type&order=${order}`, theirs.full)
      expect(pages.map(({ length }) => length)).toEqual([2, 2, 1])
      expect(new Set(pages.flat()).size).toBe(5)
    }
    // Sorted by an index that finds it, or full of what it asks for, it is a page as any other.
    expect((await walk('/v1/source-events?type=common.type&limit=250', theirs.full))[0]).toHaveLength(250)
    expect(await walk(`/v1/source-events?eventId=many+5`, theirs.full)).toEqual([[expect.any(String)]])
    await db.query('delete from source_events where client_id = $1', [theirs.clientId])
  })

  test('of a window takes what was made in it', async () => {
    const middle = present(made[3])
    const at = new Date(Number.parseInt(middle.slice(0, 8) + middle.slice(9, 13), 16)).toISOString()
    const [since, until] = [
      (await walk(`/v1/deliveries?since=${at}`)).flat(),
      (await walk(`/v1/deliveries?until=${at}`)).flat(),
    ]
    expect(since).toContain(middle)
    expect(until).not.toContain(middle)
    expect([...since, ...until]).toEqual(made)
    expect((await ours.full.get('/v1/deliveries?since=yesterday')).status).toBe(422)
  })

  test('does not repeat or lose a row when new ones come in between', async () => {
    const first = await ours.full.get('/v1/deliveries?limit=3')
    await newDelivery(db, ours.clientId, ours.endpointId)
    const next = await ours.full.get(`/v1/deliveries?limit=3&cursor=${encodeURIComponent(first.body.meta.nextCursor)}`)
    expect([...idsOf(first), ...idsOf(next)]).toEqual(made.slice(0, 6))
    await db.query('delete from deliveries where client_id = $1 and id <> all($2)', [ours.clientId, made])
  })

  test('ends with a page that is just full', async () => {
    expect(await walk('/v1/deliveries?limit=7')).toEqual([made])
  })

  test('of users, whose ids tell no time, is in the order they were made', async () => {
    for (let at = 0; at < 5; at++) await ours.full.put(`/v1/users/u${at}`, {})
    // Made in one transaction: the same time to the microsecond.
    await db.query(
      `insert into users (client_id, id, client_user_id, registered) select $1, gen_random_uuid(), 'same' || n, true from generate_series(1, 5) n`,
      [ours.clientId],
    )
    // An ascending list ends before the millisecond in which they were made.
    await sleep(5)
    const pages = await walk('/v1/users?limit=2&order=asc')
    expect(pages.map(({ length }) => length)).toEqual([2, 2, 2, 2, 2])
    expect(new Set(pages.flat()).size).toBe(10)
    expect(pages.flat()).toEqual((await walk('/v1/users?limit=250')).flat().toReversed())
  })

  test('of every kind can be paged', async () => {
    for (const path of ['clients', 'api-keys'])
      expect(new Set((await walk(`/v1/${path}?limit=1`, api.admin)).flat()).size).toBeGreaterThan(1)
    await newSourceEvent()
    await newSourceEvent()
    for (const path of ['sources', 'endpoints', 'source-events', 'events'])
      expect((await walk(`/v1/${path}?limit=1`)).length).toBeGreaterThan(0)
  })

  test.each([
    'limit=0',
    'limit=251',
    'limit=x',
    'limit=1&limit=2',
    'limit=',
    'limit=1e2',
    'order=up',
    'cursor=',
    'colour=red',
    'state[]=x',
  ])('refuses ?%s', async (query) => {
    expect((await ours.full.get(`/v1/deliveries?${query}`)).status).toBe(422)
  })

  test('refuses a cursor that was changed, or is of another list or order', async () => {
    const { nextCursor } = (await ours.full.get('/v1/deliveries?limit=1')).body.meta
    const changed = [...nextCursor].map(
      (letter, at) => `${nextCursor.slice(0, at)}${letter === 'A' ? 'B' : 'A'}${nextCursor.slice(at + 1)}`,
    )
    const foreign = (await ours.full.get('/v1/endpoints?limit=1&order=asc')).body.meta.nextCursor
    for (const cursor of [...changed, `${nextCursor}A`, nextCursor.slice(0, -1), 'nonsense', '.', foreign].filter(
      Boolean,
    )) {
      const { status, body } = await ours.full.get(`/v1/deliveries?limit=1&cursor=${encodeURIComponent(cursor)}`)
      expect([status, body.error.code], cursor).toEqual([422, 'cursor_invalid'])
    }
    for (const path of ['/v1/events?', '/v1/deliveries?order=asc&'])
      expect((await ours.full.get(`${path}cursor=${encodeURIComponent(nextCursor)}`)).body.error.code).toBe(
        'cursor_invalid',
      )
  })
})

describe('source events', () => {
  test('show what became of them, by source, state and type', async () => {
    const held = await newSourceEvent({ state: 'held', reason: 'client_user_id_unknown' })
    const ignored = await newSourceEvent({ state: 'ignored', reason: 'no_rule', type: 'charge.succeeded' })
    const { body } = await ours.full.get(`/v1/source-events/${ignored}`)
    expect(body.data).toMatchObject({
      id: ignored,
      clientId: ours.clientId,
      sourceId: ours.sourceId,
      eventId: `evt_${ignored}`,
      type: 'charge.succeeded',
      apiVersion: '2016-07-06',
      account: null,
      createdAt: '2012-01-01T00:00:00.000Z',
      state: 'ignored',
      reason: { code: 'no_rule', message: 'because' },
      heldUntil: null,
      body: '{"id": "evt_ü"}\n',
    })
    const list = (query: string) => ours.full.get(`/v1/source-events?${query}`).then(idsOf)
    expect(await list('state=held')).toEqual([held])
    expect(await list(`type=charge.succeeded&sourceId=${ours.sourceId}`)).toEqual([ignored])
    expect(await list(`eventId=evt_${held}`)).toEqual([held])
    expect((await ours.full.get('/v1/source-events?state=lost')).status).toBe(422)
    expect((await theirs.full.get(`/v1/source-events/${held}`)).status).toBe(404)
  })
})

describe('events and deliveries', () => {
  let [eventId, deliveryId, sourceEventId] = ['', '', '']
  beforeAll(async () => {
    const made = await newDelivery(db, ours.clientId, ours.endpointId, 'subscription.renewed')
    ;({ eventId, deliveryId, sourceEventId } = made)
  })

  test('show what is sent, byte for byte', async () => {
    const { data } = (await ours.full.get(`/v1/deliveries/${deliveryId}`)).body
    expect(data).toMatchObject({
      eventId,
      endpointId: ours.endpointId,
      state: 'pending',
      attempts: 0,
      origin: 'fanout',
    })
    expect(data.body.startsWith(`{"eventId":"${deliveryId}","eventVersion":"v1",`)).toBe(true)
    const event = (await ours.full.get(`/v1/events/${eventId}`)).body.data
    expect(event).toMatchObject({ sourceEventId, eventType: 'subscription.renewed', deliveries: { pending: 1 } })
    expect(JSON.parse(event.body)).toMatchObject({ eventType: 'subscription.renewed' })
    expect(Math.abs(Date.parse(event.createdAt) - Date.now())).toBeLessThan(600_000)
  })

  test('are filtered', async () => {
    const list = (path: string) => ours.full.get(`/v1/${path}`).then(idsOf)
    expect(await list('deliveries?eventType=subscription.renewed')).toEqual([deliveryId])
    expect(await list(`deliveries?eventId=${eventId}&state=pending&endpointId=${ours.endpointId}`)).toEqual([
      deliveryId,
    ])
    expect(await list('deliveries?state=failed')).toEqual([])
    expect(await list('events?eventType=subscription.renewed')).toEqual([eventId])
  })

  test('a body past its retention is null, and its delivery still readable', async () => {
    const gone = await newDelivery(db, ours.clientId, ours.endpointId)
    await db.query('delete from event_bodies where client_id = $1 and event_id = $2', [ours.clientId, gone.eventId])
    const { body } = await ours.full.get(`/v1/deliveries/${gone.deliveryId}`)
    expect(body.data).toMatchObject({ id: gone.deliveryId, contract: 'flo.v1', body: null })
    expect((await ours.full.get(`/v1/events/${gone.eventId}`)).body.data.body).toBeNull()
  })

  test('attempts show what was answered', async () => {
    for (const number of [1, 2])
      await db.query(
        `insert into attempts (client_id, event_id, delivery_id, number, started_at, duration_ms, status, error, error_message,
                               signature, response_headers, response_body)
         values ($1, $2, $3, $4, now(), 12, $5, $6, $6, 't=1,v1=2', $7, 'no')`,
        [
          ours.clientId,
          eventId,
          deliveryId,
          number,
          ...(number === 1 ? [null, 'timeout', null] : [500, null, { 'retry-after': '3' }]),
        ],
      )
    const { data } = (await ours.full.get(`/v1/deliveries/${deliveryId}/attempts`)).body
    expect(data).toMatchObject([
      {
        number: 2,
        status: 500,
        error: null,
        responseHeaders: { 'retry-after': '3' },
        responseBody: 'no',
        durationMs: 12,
      },
      { number: 1, status: null, error: 'timeout', signature: 't=1,v1=2' },
    ])
    const first = (await ours.full.get(`/v1/deliveries/${deliveryId}/attempts?order=asc&limit=1`)).body
    expect(first.data).toMatchObject([{ number: 1 }])
    expect(first.meta.nextCursor).not.toBeNull()
  })

  test('a resend is a new delivery, and its endpoint is woken after the commit', async () => {
    const { status, body } = await ours.full.post(`/v1/deliveries/${deliveryId}/resend`)
    expect([status, body.data]).toMatchObject([201, { eventId, endpointId: ours.endpointId, origin: 'resend' }])
    expect(body.data.id).not.toBe(deliveryId)
    const before = (await ours.full.get(`/v1/deliveries/${deliveryId}`)).body.data
    expect(before).toMatchObject({ state: 'cancelled', reason: 'resent' })
    expect(api.woken).toContainEqual({ clientId: ours.clientId, endpointIds: [ours.endpointId] })
  })
})

test('the mappings are shown in words, by contract and by the event type that they read', async () => {
  const { data } = (await ours.reader.get('/v1/mappings')).body
  expect(new Set(data.map(({ contract }: Json) => contract))).toEqual(new Set(['flo.v1', 'florentin.v1']))
  const theirs = (await ours.reader.get('/v1/mappings?contract=florentin.v1')).body.data
  expect(theirs).toEqual(data.filter(({ contract }: Json) => contract === 'florentin.v1'))
  const paid = (await ours.reader.get('/v1/mappings?contract=flo.v1&type=invoice.paid')).body.data
  expect(paid.flatMap(({ rules }: Json) => rules.flatMap(({ emits }: Json) => emits))).toEqual(
    expect.arrayContaining(['invoice.paid', 'subscription.renewed', 'item.purchased']),
  )
  for (const { types, fields } of paid) {
    expect(types).toContain('invoice.paid')
    for (const { source } of fields) expect(source).not.toBe('')
  }
  expect((await ours.reader.get('/v1/mappings?type=no.such')).body.data).toEqual([])
  expect((await ours.reader.get('/v1/mappings?contract=none.v1')).status).toBe(422)
})

test('the catalog shows every event type with its schema and an example', async () => {
  const { data } = (await ours.reader.get('/v1/event-types')).body
  const { contracts } = api.deps
  expect(data.map(({ contract, eventType }: Json) => `${contract} ${eventType}`)).toEqual(
    Object.values(contracts).flatMap(({ name, eventTypes }) => eventTypes.map((type) => `${name} ${type}`)),
  )
  for (const { contract, eventType, schema, example } of data) {
    expect(JSON.stringify(schema)).toContain(`"${eventType}"`)
    expect(wireSchemaOf(contractNamed(contracts, contract), eventType).safeParse(example).error).toBeUndefined()
  }
  const { data: theirs } = (await ours.reader.get('/v1/event-types?contract=florentin.v1')).body
  expect(theirs.map((type: Json) => type.eventType)).toEqual(contractNamed(contracts, 'florentin.v1').eventTypes)
  expect((await ours.reader.get('/v1/event-types/invoice.created?contract=florentin.v1')).body.data.contract).toBe(
    'florentin.v1',
  )
  expect((await ours.reader.get('/v1/event-types/invoice.paid')).body.data.eventType).toBe('invoice.paid')
  expect((await ours.reader.get('/v1/event-types/invoice.stolen')).status).toBe(404)
})
