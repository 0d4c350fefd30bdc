import { beforeEach, describe, expect, test } from 'vitest'
import { OPERATOR_CLIENT } from '../../src/domain/ids.ts'
import { freshDatabase } from '../support/database.ts'
import { newRoutedSource, newTarget, putRoute, readWhereabouts, routedEvent } from '../support/routed-source.ts'
import { makeAllDue, routingRoom } from '../support/routing-room.ts'

const { db } = await freshDatabase()
let sourceId: string
let room: ReturnType<typeof routingRoom>
let a: string
let b: string

beforeEach(async () => {
  sourceId = await newRoutedSource(db)
  room = routingRoom(db, { sourceId })
  a = await newTarget(db)
  b = await newTarget(db)
  await putRoute(db, sourceId, 'a', a)
  await putRoute(db, sourceId, 'b', b)
  await room.look()
})

const customer = (id: string, name?: string) =>
  routedEvent('customer.updated', { id, object: 'customer', metadata: name ? { flo_client: name } : {} })
const intent = (id: string, customerId: string) =>
  routedEvent('payment_intent.succeeded', { id, object: 'payment_intent', customer: customerId, metadata: {} })
const charge = (id: string, intentId: string) =>
  routedEvent('charge.succeeded', { id, object: 'charge', payment_intent: intentId })
const refund = (id: string, chargeId: string) =>
  routedEvent('refund.created', { id, object: 'refund', charge: chargeId })

const summary = async () =>
  (await readWhereabouts(db, sourceId)).map(({ clientId, state, routing, hasBody }) => ({
    clientId,
    state,
    routing,
    hasBody,
  }))
const routedTo = (clientId: string) => ({ clientId, state: 'received', routing: 'routed', hasBody: true })

const permutations = <Item>(items: readonly Item[]): Item[][] =>
  items.length <= 1
    ? [[...items]]
    : items.flatMap((item, at) => permutations(items.toSpliced(at, 1)).map((rest) => [item, ...rest]))

describe('events of one customer, of which one names the client and each other leads to the next', () => {
  const orders = permutations([0, 1, 2, 3])

  test.each(orders.map((order) => [order.join(' '), order] as const))(
    'are the client’s in the order %s',
    async (_, order) => {
      const story = [customer('cus_1', 'a'), intent('pi_1', 'cus_1'), charge('ch_1', 'pi_1'), refund('re_1', 'ch_1')]
      for (const at of order) {
        await room.arrive(story[at] ?? {})
        await room.look()
      }
      expect(await summary()).toEqual(story.map(() => routedTo(a)))
    },
  )

  test.each(orders.map((order) => [order.join(' '), order] as const))(
    'in one transaction, in the order %s',
    async (_, order) => {
      const story = [customer('cus_1', 'a'), intent('pi_1', 'cus_1'), charge('ch_1', 'pi_1'), refund('re_1', 'ch_1')]
      await room.arriveTogether(order.map((at) => story[at] ?? {}))
      expect(await summary()).toEqual(story.map(() => routedTo(a)))
    },
  )
})

describe('an event whose client is not known', () => {
  test('is held by the operator’s client, and says what it waits for', async () => {
    await room.arrive(intent('pi_1', 'cus_1'))
    const { rows } = await db.query(
      'select client_id, state, held_for, due_at::text, reason_code from source_events where source_id = $1',
      [sourceId],
    )
    expect(rows).toEqual([
      {
        ...{ client_id: OPERATOR_CLIENT, state: 'held', due_at: 'infinity', reason_code: 'route_missing' },
        held_for: ['@+test/pi_1', '@+test/cus_1'],
      },
    ])
  })

  test('keeps its id, its receipt and its bytes when it is moved, and leaves nothing behind', async () => {
    const event = intent('pi_1', 'cus_1')
    const stored = await room.arrive(event)
    await room.arrive(customer('cus_1', 'a'))
    await room.look()
    const { rows } = await db.query(
      `select e.client_id, e.id, e.received_at, convert_from(b.body, 'UTF8') as body
         from source_events e join source_event_bodies b on b.client_id = e.client_id and b.source_event_id = e.id
        where e.source_id = $1 and e.event_id = $2`,
      [sourceId, event.id],
    )
    expect(rows).toEqual([
      {
        ...{ client_id: a, body: JSON.stringify(event) },
        ...(stored.duplicate ? {} : { id: stored.id, received_at: stored.receivedAt }),
      },
    ])
    const left = await db.query('select 1 from source_events where client_id = $1 and source_id = $2', [
      OPERATOR_CLIENT,
      sourceId,
    ])
    const waits = await db.query('select 1 from routing_waits where source_id = $1', [sourceId])
    expect([left.rowCount, waits.rowCount]).toEqual([0, 0])
  })

  test('says of itself by what it was routed', async () => {
    await room.arrive(customer('cus_1', 'a'))
    await room.arrive(intent('pi_1', 'cus_1'))
    expect((await readWhereabouts(db, sourceId)).map(({ routedBy }) => routedBy)).toEqual([
      { by: 'metadata', name: 'a', of: 'customer cus_1' },
      { by: 'object', name: 'a', of: 'customer cus_1' },
    ])
  })

  test('is unrouted when its time is up, and routed by itself when the fact comes after that', async () => {
    await room.arrive(intent('pi_1', 'cus_1'))
    await room.look()
    expect(await summary()).toMatchObject([{ state: 'held', routing: 'waiting' }])
    await makeAllDue(db, sourceId)
    const reported = await room.look({ secondsOn: 3600 })
    expect(reported.filter((event) => event.sourceId === sourceId)).toMatchObject([
      { state: 'unrouted', code: 'route_missing', clientId: OPERATOR_CLIENT },
    ])
    const [unrouted] = await readWhereabouts(db, sourceId)
    expect(unrouted).toMatchObject({
      state: 'unrouted',
      code: 'route_missing',
      routing: 'unrouted',
      clientId: OPERATOR_CLIENT,
    })
    expect(unrouted?.message).toContain('cus_1')
    await room.arrive(customer('cus_1', 'a'))
    expect(await room.look()).toMatchObject([{ state: 'routed', clientId: a }])
    expect(await summary()).toEqual([routedTo(a), routedTo(a)])
  })

  test('is never due for the normaliser', async () => {
    await room.arrive(intent('pi_1', 'cus_1'))
    await makeAllDue(db, sourceId)
    await room.look({ secondsOn: 5 })
    const { rows } = await db.query(
      `select 1 from source_events where source_id = $1 and due_at < now() + interval '100 years'`,
      [sourceId],
    )
    expect(rows).toEqual([])
  })
})

describe('a name that means no client', () => {
  test('makes an event wait, and the route that is put lets it go', async () => {
    await room.arrive(customer('cus_1', 'late'))
    await room.look()
    expect(await summary()).toMatchObject([{ state: 'held', routing: 'waiting' }])
    await putRoute(db, sourceId, 'late', b)
    await room.look()
    expect(await summary()).toEqual([routedTo(b)])
  })

  test('is named in the reason when the time is up, and the route still routes it', async () => {
    await room.arrive(customer('cus_1', 'late'))
    await room.look({ secondsOn: 3600 })
    const [one] = await readWhereabouts(db, sourceId)
    expect(one).toMatchObject({ state: 'unrouted', code: 'route_unknown' })
    expect(one?.message).toContain('"late" in the metadata of customer cus_1')
    await putRoute(db, sourceId, 'late', b)
    await room.look()
    expect(await summary()).toEqual([routedTo(b)])
  })

  test('is not outvoted by what is known of the customer', async () => {
    await room.arrive(customer('cus_1', 'a'))
    await room.arrive(customer('cus_1', 'unheard-of'))
    await room.look()
    expect((await summary()).map(({ routing }) => routing)).toEqual(['routed', 'waiting'])
  })

  test('may be a client’s id or its external id', async () => {
    const c = await newTarget(db, 'tenant-7')
    await room.arrive(customer('cus_1', c))
    await room.arrive(customer('cus_2', 'tenant-7'))
    // Letter by letter, as every name.
    await room.arrive(customer('cus_3', c.toUpperCase()))
    expect(await summary()).toEqual([routedTo(c), routedTo(c), expect.objectContaining({ routing: 'waiting' })])
    await db.query('update clients set external_id = null where id = $1', [c])
  })

  test('of a client that is gone routes nothing to it', async () => {
    const gone = await newTarget(db)
    await putRoute(db, sourceId, 'gone', gone)
    await room.arrive(customer('cus_1', 'gone'))
    await db.query('delete from clients where id = $1', [gone])
    await room.arrive(customer('cus_1', 'gone'))
    await room.arrive(intent('pi_1', 'cus_1'))
    await room.look({ secondsOn: 3600 })
    expect((await summary()).map(({ routing }) => routing)).toEqual(['routed', 'unrouted', 'unrouted'])
  })
})

describe('two answers that differ', () => {
  test('in one event: it is unrouted, with both named', async () => {
    await room.arrive(
      routedEvent('invoice.paid', {
        ...{ id: 'in_1', object: 'invoice', metadata: { flo_client: 'a' } },
        parent: { subscription_details: { subscription: 'sub_1', metadata: { flo_client: 'b' } } },
      }),
    )
    const [one] = await readWhereabouts(db, sourceId)
    expect(one).toMatchObject({ state: 'unrouted', code: 'route_conflict', clientId: OPERATOR_CLIENT })
    for (const part of ['"a" in the metadata of invoice in_1', a, '"b" in the metadata of subscription sub_1', b])
      expect(one?.message).toContain(part)
  })

  test('of what is known of its objects: it is unrouted, with both named', async () => {
    await room.arriveTogether([customer('cus_1', 'a'), customer('cus_2', 'b')])
    await room.arrive(
      routedEvent('invoice.paid', {
        id: 'in_1',
        object: 'invoice',
        customer: 'cus_1',
        charge: { id: 'ch_1', customer: 'cus_2' },
      }),
    )
    const one = (await readWhereabouts(db, sourceId)).find(({ state }) => state === 'unrouted')
    expect(one).toMatchObject({ code: 'route_conflict' })
    for (const part of ['cus_1', a, 'cus_2', b]) expect(one?.message).toContain(part)
  })

  test('teach nothing: what it names stays what it was', async () => {
    await room.arrive(
      routedEvent('invoice.paid', {
        ...{ id: 'in_1', object: 'invoice', customer: 'cus_9', metadata: { flo_client: 'a' } },
        subscription_details: { metadata: { flo_client: 'b' } },
      }),
    )
    await room.arrive(intent('pi_9', 'cus_9'))
    await room.look()
    expect((await summary()).map(({ routing }) => routing)).toEqual(['unrouted', 'waiting'])
  })

  test('that are two names of one client are one answer', async () => {
    await putRoute(db, sourceId, 'a too', a)
    await room.arrive(
      routedEvent('invoice.paid', {
        ...{ id: 'in_1', object: 'invoice', metadata: { flo_client: 'a' } },
        subscription_details: { metadata: { flo_client: 'a too' } },
      }),
    )
    expect(await summary()).toEqual([routedTo(a)])
  })
})

describe('duplicates', () => {
  test('are duplicates before and after the move, and after the route was changed', async () => {
    const event = intent('pi_1', 'cus_1')
    expect(await room.arrive(event)).toMatchObject({ duplicate: false })
    expect(await room.arrive(event)).toEqual({ duplicate: true })
    await room.arrive(customer('cus_1', 'a'))
    expect(await room.arrive(event)).toEqual({ duplicate: true })
    await room.look()
    expect(await room.arrive(event)).toEqual({ duplicate: true })
    await putRoute(db, sourceId, 'a', b)
    await room.look()
    expect(await room.arrive(event)).toEqual({ duplicate: true })
    expect(await summary()).toEqual([routedTo(a), routedTo(a)])
  })

  test('in one transaction are stored once', async () => {
    const event = customer('cus_1', 'a')
    const results = await room.arriveTogether([event, event, event])
    expect(results.filter(({ duplicate }) => !duplicate)).toHaveLength(1)
    expect(await summary()).toEqual([routedTo(a)])
  })

  test('of one id in another account or mode are events of their own', async () => {
    const event = customer('cus_1', 'a')
    await room.arrive(event)
    expect(await room.arrive({ ...event, livemode: true })).toMatchObject({ duplicate: false })
  })
})

test('a route that is changed sends what comes from then on to the other client', async () => {
  await room.arrive(customer('cus_1', 'a'))
  await putRoute(db, sourceId, 'a', b)
  await room.look()
  await room.arrive(intent('pi_1', 'cus_1'))
  await room.arrive(customer('cus_1', 'a'))
  expect((await summary()).map(({ clientId }) => clientId)).toEqual([a, b, b])
})

test('what belongs to nobody is stored once, for the operator, and normalised there', async () => {
  await room.arrive(routedEvent('product.created', { id: 'prod_1', object: 'product', metadata: { flo_client: 'a' } }))
  expect(await summary()).toEqual([{ clientId: OPERATOR_CLIENT, state: 'received', routing: 'shared', hasBody: true }])
})

test('an object of one mode tells nothing of one in the other', async () => {
  await room.arrive(customer('cus_1', 'a'))
  await room.arrive({ ...intent('pi_1', 'cus_1'), livemode: true })
  await room.look()
  expect((await summary()).map(({ routing }) => routing)).toEqual(['routed', 'waiting'])
})

test.each([
  ['a NUL', 'a\0b'],
  ['half a character', 'a\ud800b'],
  ['no end', 'x'.repeat(100_000)],
])('what holds %s wherever it is named is stored all the same', async (_, text) => {
  const events = [
    routedEvent('customer.updated', { id: text, object: 'customer', metadata: { flo_client: text } }),
    routedEvent('customer.updated', { id: 'cus_odd', object: text, metadata: { flo_client: text }, customer: text }),
    routedEvent('customer.updated', { id: 'cus_odd', object: 'customer', metadata: { flo_client: 'a', [text]: text } }),
    routedEvent('customer.updated', { object: 'charge', customer: { id: text }, invoice: 'in_odd' }),
  ]
  for (const event of events) expect(await room.arrive(event)).toMatchObject({ duplicate: false })
  await room.look()
  await room.look({ secondsOn: 3600 })
  expect(await readWhereabouts(db, sourceId)).toHaveLength(events.length)
})

test('an event that names more than anybody would is stored, with a reason that can be read', async () => {
  const many = Array.from({ length: 2000 }, (_, at) => ({ charge: `ch_many_${at}` }))
  await room.arrive(routedEvent('some.list', { id: 'x_1', object: 'some_list', data: many }))
  await room.look({ secondsOn: 3600 })
  const [one] = await readWhereabouts(db, sourceId)
  expect(one?.routing).toBe('unrouted')
  expect(one?.message?.length).toBeLessThan(500)
})

describe('hostile metadata on a connected account', () => {
  test('routes nothing, is asked of nobody, and teaches nothing', async () => {
    const both = routingRoom(db, { sourceId, routing: { by: ['account', 'metadata'] } })
    await db.query('update sources set routing = $2 where id = $1', [sourceId, { by: ['account', 'metadata'] }])
    await putRoute(db, sourceId, 'acct_b', b)
    await both.arrive({ ...customer('cus_1', 'a'), account: 'acct_b' })
    await both.arrive({ ...customer('cus_1', 'a'), account: 'acct_nobody' })
    await both.arrive({ ...intent('pi_1', 'cus_1') })
    await both.look({ secondsOn: 3600 })
    const stored = await readWhereabouts(db, sourceId)
    expect(stored.map(({ clientId, routing }) => ({ clientId, routing }))).toEqual([
      { clientId: b, routing: 'routed' },
      { clientId: OPERATOR_CLIENT, routing: 'unrouted' },
      { clientId: OPERATOR_CLIENT, routing: 'unrouted' },
    ])
    expect(stored[0]?.routedBy).toEqual({ by: 'account', name: 'acct_b', of: 'account' })
    const told = await db.query('select 1 from routed_objects where source_id = $1 and name is not null', [sourceId])
    expect(told.rowCount).toBe(0)
  })
})
