import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import { openClientGroups } from '../../src/database/client-groups.ts'
import type { Tx } from '../../src/database/db.ts'
import { idOfWords, idTime, newId } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { fanOut } from '../../src/fanout/fanout.ts'
import { newLog } from '../../src/log.ts'
import { normalizeBatch } from '../../src/normalize/batch.ts'
import { createNormalizer, type Normalizer } from '../../src/normalize/lanes.ts'
import { releaseHeldFor } from '../../src/normalize/missing/holds.ts'
import { LANES, laneOf } from '../../src/receive/lane.ts'
import { registerWorker } from '../../src/workers/worker.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { normalizeClient } from '../support/normalizing.ts'
import { newSource } from '../support/storing.ts'

const { url, db } = await freshDatabase({ max: 20 })
const groups = await openClientGroups(db)
const log = newLog('silent')
let clientId: string
let sourceId: string

beforeEach(async () => {
  clientId = newId()
  sourceId = newId()
  await db.query('insert into clients (id, name) values ($1, $2)', [clientId, 'Acme'])
})

/** Stores raw events as the receiver does. */
async function store(...events: Json[]) {
  for (const event of events) {
    const id = newId()
    await db.query(
      `insert into source_events (client_id, id, source_id, livemode, event_id, type, lane, created_at)
       values ($1, $2, $3, false, $4, $5, $6, to_timestamp($7))`,
      [clientId, id, sourceId, event.id, event.type, laneOf(sourceId, event, event.id), event.created],
    )
    await db.query('insert into source_event_bodies (client_id, source_event_id, body) values ($1, $2, $3)', [
      clientId,
      id,
      Buffer.from(JSON.stringify(event)),
    ])
  }
}

let serial = 0
const subscriptionCreated = (customer: string, metadata: Record<string, string> = {}) => {
  serial += 1
  return {
    id: `evt_${serial}`,
    object: 'event',
    type: 'customer.subscription.created',
    created: 1_760_000_000 + serial,
    data: {
      object: {
        id: `sub_${serial}`,
        object: 'subscription',
        customer,
        status: 'active',
        currency: 'usd',
        metadata,
        items: {
          object: 'list',
          data: [
            {
              id: `si_${serial}`,
              object: 'subscription_item',
              quantity: 1,
              price: { id: 'price_1', unit_amount: 2900, currency: 'usd' },
            },
          ],
        },
      },
    },
  }
}
const knownUser = { client_user_id: 'user_1' }

const endpoint = async (eventTypes: string[] | null, status = 'enabled') => {
  const id = newId()
  await db.query(
    `insert into endpoints (id, client_id, url, contract, event_types, secrets, status, disabled_reason)
     values ($1, $2, 'https://example.com', 'flo.v1', $3, '[]', $4, $5)`,
    [id, clientId, eventTypes, status, status === 'disabled' ? 'manual' : null],
  )
  return id
}
const states = async () =>
  (
    await db.query(
      'select event_id, state, reason_code, reason_message, held_for from source_events where client_id = $1 order by id',
      [clientId],
    )
  ).rows
const events = async () =>
  (
    await db.query(
      `select e.id, e.type, e.key, b.body::json as body from events e
         join event_bodies b on b.client_id = $1 and b.event_id = e.id
        where e.client_id = $1 and e.contract = 'flo.v1' order by e.id`,
      [clientId],
    )
  ).rows
const deliveries = async () =>
  (
    await db.query('select endpoint_id, event_type, state, reason from deliveries where client_id = $1 order by id', [
      clientId,
    ])
  ).rows

const lanes = Array.from({ length: LANES }, (_, lane) => lane)
const deps = { db, log, mappings, fanOut, now: () => new Date(), holdSeconds: 10 }
const batch = () => normalizeClient(deps, clientId, lanes)

describe('one batch', () => {
  test('stores the event, its deliveries and the state of the source event together', async () => {
    const all = await endpoint(null)
    const subscriptions = await endpoint(['subscription.*'])
    await endpoint(['invoice.paid'])
    const off = await endpoint(null, 'disabled')
    await store(subscriptionCreated('cus_1', knownUser))
    const { endpointIds } = await batch()
    expect(endpointIds.sort()).toEqual([all, subscriptions].sort())
    expect(await states()).toMatchObject([{ state: 'normalized' }])
    const [event] = await events()
    expect(event.body.user).toMatchObject({ id: idOfWords('user', clientId, 'user_1'), clientUserId: 'user_1' })
    expect((await deliveries()).map(({ endpoint_id, state, reason }) => [endpoint_id, state, reason]).sort()).toEqual(
      [
        [all, 'pending', null],
        [subscriptions, 'pending', null],
        [off, 'skipped', 'endpoint_disabled'],
      ].sort(),
    )
  })

  test('says a fact once, also when another event says it again later', async () => {
    const first = subscriptionCreated('cus_1', knownUser)
    await store(first, { ...first, id: 'evt_again' })
    await batch()
    await store({ ...first, id: 'evt_once_more' })
    await batch()
    expect(await events()).toHaveLength(1)
    expect((await states()).map(({ state, reason_code }) => [state, reason_code])).toEqual([
      ['normalized', null],
      ['ignored', 'already_emitted'],
      ['ignored', 'already_emitted'],
    ])
  })

  test('an event that cannot be written fails alone', async () => {
    const poisoned = subscriptionCreated('cus_p')
    poisoned.data.object.id = 'sub_with_nul_\u0000'
    await store(subscriptionCreated('cus_1', knownUser), {
      ...poisoned,
      data: { object: { ...poisoned.data.object, metadata: knownUser } },
    })
    await store(subscriptionCreated('cus_2', knownUser))
    for (let turn = 0; turn < 5; turn += 1) await batch()
    expect((await states()).map(({ state, reason_code }) => [state, reason_code])).toEqual([
      ['normalized', null],
      ['failed', 'unreadable_value'],
      ['normalized', null],
    ])
  })

  test.each([
    ['the database refuses', Object.assign(new Error('value too long'), { code: '22001' }), 'not_storable'],
    ['a constraint refuses', Object.assign(new Error('violates'), { code: '23514', table: 'events' }), 'not_storable'],
    ['our own code trips over', new Error('no class that we know'), 'internal'],
  ])(
    'an event that %s fails alone and says at which step, and its neighbours of the same customer go on',
    async (_, error, code) => {
      const failing: typeof fanOut = async (tx, made) => {
        const { rows } = await tx.query(
          `select from source_events s join events e on e.client_id = s.client_id and e.source_event_id = s.id
          where s.client_id = $1 and e.id = any($2) and s.event_id = 'evt_poison'`,
          [clientId, made.map((one) => one.id)],
        )
        if (rows.length > 0) throw error
        return fanOut(tx, made)
      }
      const first = subscriptionCreated('cus_1', knownUser)
      const after = subscriptionCreated('cus_1', knownUser)
      await store({ ...first, id: 'evt_poison' }, after)
      for (let turn = 0; turn < 4; turn += 1) await normalizeClient({ ...deps, fanOut: failing }, clientId, lanes)
      const [poison, next] = await states()
      expect(poison).toMatchObject({ state: 'failed', reason_code: code })
      expect(poison?.reason_message).toContain('make deliveries')
      expect(next).toMatchObject({ state: 'normalized' })
    },
  )

  test('what concerns the database fails no event', async () => {
    const lost = Object.assign(new Error('no space left'), { code: '53100' })
    await store(subscriptionCreated('cus_1', knownUser))
    await expect(normalizeClient({ ...deps, fanOut: () => Promise.reject(lost) }, clientId, lanes)).rejects.toBe(lost)
    expect(await states()).toMatchObject([{ state: 'received' }])
    await batch()
    expect(await states()).toMatchObject([{ state: 'normalized' }])
  })

  test('a status that no mapping knows stops the event, visibly', async () => {
    const odd = subscriptionCreated('cus_1', knownUser)
    odd.data.object.status = 'trial'
    await store(odd)
    await batch()
    expect(await states()).toMatchObject([{ state: 'failed', reason_code: 'unmapped_value' }])
  })

  test('an event that misses the clientUserId waits, and goes on when a user is registered', async () => {
    const before = Date.now()
    await store(subscriptionCreated('cus_1'))
    const { heldUntil } = await batch()
    expect(heldUntil?.getTime()).toBeGreaterThan(before + 8000)
    expect(await states()).toMatchObject([{ state: 'held', held_for: ['client_user_id:cus_1'] }])
    await db.query(
      `with u as (insert into users (client_id, id, client_user_id, email, registered) values ($1, $2, 'user_9', 'a@example.com', true) returning id)
       insert into user_customers (client_id, customer_id, user_id) select $1, 'cus_1', id from u`,
      [clientId, newId()],
    )
    expect(await releaseHeldFor(db, clientId, ['client_user_id:cus_1'])).toBe(1)
    await batch()
    expect((await events()).map(({ body }) => body.user)).toMatchObject([
      { clientUserId: 'user_9', email: 'a@example.com' },
    ])
  })

  test('a fact that arrives while a batch has looked and not committed yet releases what the batch holds', async () => {
    await store(subscriptionCreated('cus_1', knownUser), subscriptionCreated('cus_2'))
    const registered = Promise.withResolvers<Promise<number>>()
    const slowFanOut: typeof fanOut = async (tx, ...events) => {
      const arrived = releaseHeldFor(db, clientId, ['client_user_id:cus_2'])
      registered.resolve(arrived)
      const waits = `select from pg_locks where locktype = 'advisory' and not granted
                       and database = (select oid from pg_database where datname = current_database())`
      await eventually(async () => (await db.query(waits)).rowCount === 1)
      return fanOut(tx, ...events)
    }
    await normalizeClient({ ...deps, fanOut: slowFanOut }, clientId, lanes)
    expect(await await registered.promise).toBe(1)
  })

  test('the customer that carries its clientUserId releases what waits for it', async () => {
    await store(subscriptionCreated('cus_1'))
    await batch()
    await store({
      id: 'evt_customer',
      type: 'customer.created',
      created: 1_760_000_000,
      data: {
        object: { id: 'cus_1', object: 'customer', email: 'b@example.com', metadata: { client_user_id: 'user_7' } },
      },
    })
    expect((await batch()).hasReleasedHeld).toBe(true)
    await batch()
    expect((await events()).map(({ body }) => body.user)).toMatchObject([
      { clientUserId: 'user_7', email: 'b@example.com' },
    ])
  })

  test('no event waits for the same fact again after its deadline', async () => {
    await store(subscriptionCreated('cus_1'))
    const later = { ...deps, now: () => new Date(Date.now() + 60_000) }
    await batch()
    await db.query(`update source_events set due_at = now() where client_id = $1`, [clientId])
    await normalizeClient(later, clientId, lanes)
    await store(subscriptionCreated('cus_1'))
    await normalizeClient(later, clientId, lanes)
    expect((await states()).map(({ state }) => state)).toEqual(['normalized', 'normalized'])
    expect((await events()).map(({ body }) => body.user.clientUserId)).toEqual([null, null])
  })
})

test('what a batch of several clients has committed is told, also when the transaction of another of them fails', async () => {
  const [first, other] = [await newSource(db), await newSource(db)]
  for (const source of [first, other]) await source.store(subscriptionCreated('cus_1', knownUser))
  const told: string[] = []
  const failing = {
    ...deps,
    onCommitted: (results: ReadonlyMap<string, unknown>) => void told.push(...results.keys()),
    async fanOut(tx: Tx, events: Parameters<typeof fanOut>[1]) {
      const clients = new Set(events.map((event) => event.clientId))
      if (clients.size > 1) throw new Error('not together')
      if (clients.has(other.clientId)) throw Object.assign(new Error('not now'), { code: '55P03' })
      return fanOut(tx, events)
    },
  }
  const both = new Map([first, other].map((source) => [source.clientId, lanes]))
  await expect(normalizeBatch(failing, both)).rejects.toThrow('not now')
  expect(told).toEqual([first.clientId])
})

describe('normalizers of two processes', () => {
  const running: { stop(): Promise<void> }[] = []
  let both: Normalizer[]
  beforeAll(async () => {
    both = []
    for (const _ of [1, 2]) {
      const worker = await registerWorker({ url, db, log, roles: ['work'] })
      const room = createNormalizer({
        ...deps,
        worker,
        groups,
        laneCount: LANES,
        onDeliveriesCreated: () => {},
        onLeasedElsewhere: () => {},
      })
      both.push(room)
      running.push(room, worker)
    }
  })
  afterAll(async () => {
    for (const one of running) await one.stop()
  })

  test('share the work and say everything once', async () => {
    await endpoint(null)
    await store(
      ...Array.from({ length: 120 }, (_, at) =>
        subscriptionCreated(`cus_${at % 10}`, { client_user_id: `user_${at % 10}` }),
      ),
    )
    for (const room of both) room.wake(clientId)
    await eventually(async () => (await states()).every(({ state }) => state === 'normalized'))
    expect(await events()).toHaveLength(120)
    expect(await deliveries()).toHaveLength(120)
  })

  test('wake by themselves for what is held', async () => {
    const short = { ...deps, holdSeconds: 0.3 }
    const worker = await registerWorker({ url, db, log, roles: ['work'] })
    const room = createNormalizer({
      ...short,
      worker,
      groups,
      laneCount: LANES,
      onDeliveriesCreated: () => {},
      onLeasedElsewhere: () => {},
    })
    running.push(room, worker)
    const before = Date.now()
    await store(subscriptionCreated('cus_alone'))
    room.wake(clientId)
    await eventually(async () => (await states())[0]?.state === 'normalized')
    // It was held: its event was made no sooner than the hold lasts.
    expect(idTime((await events())[0]?.id).getTime()).toBeGreaterThanOrEqual(before + 300)

    await store({
      id: 'evt_refunded',
      object: 'event',
      type: 'charge.refunded',
      created: 1_760_000_000,
      data: {
        object: {
          id: 'ch_1',
          object: 'charge',
          payment_intent: 'pi_1',
          amount: 5000,
          amount_refunded: 5000,
          currency: 'eur',
          payment_method_details: { type: 'sepa_debit' },
          metadata: knownUser,
        },
        previous_attributes: { amount_refunded: 0 },
      },
    })
    room.wake(clientId)
    await eventually(async () => (await states())[1]?.state === 'held')
    expect((await states())[1].held_for).toEqual(['purchase:pi_1', 'refund:ch_1:5000', 'refund:any'])
    await eventually(async () => (await states())[1]?.state === 'normalized')
  })
})
