import { describe, expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import { newId } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { idInRealm, splitRealm } from '../../src/domain/realm.ts'
import { fanOut } from '../../src/fanout/fanout.ts'
import { newLog } from '../../src/log.ts'
import { diffClient } from '../../src/normalize/diff/diff.ts'
import { explainSourceEvent } from '../../src/normalize/explain/explain.ts'
import { keyWithoutOwner } from '../../src/normalize/new-events.ts'
import { freshDatabase } from '../support/database.ts'
import { invoiceObject, subscriptionObject } from '../support/events.ts'
import { cases, fixture } from '../support/fixtures.ts'
import { fireTimersOf, normalizeClient } from '../support/normalizing.ts'
import { present } from '../support/present.ts'
import { lanes, newSource } from '../support/storing.ts'
import { story } from '../support/story.ts'

// One id may name one object in each account, and in each account one in live mode and another one in test mode.

const REALMS = [
  { account: '', livemode: true },
  { account: '', livemode: false },
  { account: 'acct_1', livemode: true },
  { account: 'acct_2', livemode: true },
  { account: 'acct_1', livemode: false },
] as const
type Realm = (typeof REALMS)[number]
const nameOf = ({ account, livemode }: Realm) => `${account || 'own'} ${livemode ? 'live' : 'test'}`

const { db } = await freshDatabase()
const log = newLog('silent')
let clock = new Date()
const deps = { db, log, mappings, fanOut, now: () => clock, holdSeconds: 0 }
type Source = Awaited<ReturnType<typeof newSource>>

let serial = 0
/** An event about an object, in a realm. */
const eventIn = ({ account, livemode }: Realm, type: string, object: object, previous?: object): Json => {
  serial += 1
  return {
    id: `evt_${serial}`,
    object: 'event',
    type,
    created: 1_780_000_000 + serial,
    livemode,
    ...(account === '' ? {} : { account }),
    data: { object: { livemode, ...object }, ...(previous ? { previous_attributes: previous } : {}) },
  }
}
/** The same event in another realm. */
const moveTo = (event: Json, realm: Realm): Json => ({ ...event, account: realm.account, livemode: realm.livemode })

async function normalize(source: Source, events: readonly Json[], holdSeconds = 0): Promise<string[]> {
  const ids = await source.store(...events)
  while ((await normalizeClient({ ...deps, holdSeconds }, source.clientId, lanes)).sourceEventCount > 0);
  return ids
}
/** What was told of each realm, of one type. */
async function toldBy(source: Source, type: string) {
  const { rows } = await db.query('select id, account, livemode from source_events where client_id = $1', [
    source.clientId,
  ])
  const events = (await source.events()).filter((event) => event.type === type)
  return (realm: Realm) =>
    events.filter(({ source_event_id }) =>
      rows.some(
        ({ id, account, livemode }) =>
          id === source_event_id && account === realm.account && livemode === realm.livemode,
      ),
    )
}
const explain = (source: Source, id: string) =>
  explainSourceEvent({ db, mappings, now: () => new Date() }, source.clientId, id)

test('the key of an id names account and mode, and is the id itself in the own account and live mode', () => {
  expect(REALMS.map((realm) => idInRealm(realm, 'prod_1'))).toEqual([
    'prod_1',
    '@+test/prod_1',
    '@acct_1/prod_1',
    '@acct_2/prod_1',
    '@acct_1+test/prod_1',
  ])
  for (const account of ['', 'acct_1', 'org_1/acct_2', '+test', 'a/+test', '@'])
    for (const livemode of [true, false])
      for (const id of ['prod_1', 'gold/monthly', '@acct_1/prod_1', '@', '', 'tally:ch_1'])
        expect(splitRealm(idInRealm({ account, livemode }, id))).toEqual({ account, livemode, id })
  const keys = REALMS.map((realm) => idInRealm(realm, '@acct_1/prod_1'))
  expect(new Set([...keys, idInRealm({ account: 'acct_1' }, 'prod_1')]).size).toBe(6)
})

describe('in one world', () => {
  const uuids = /[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g
  // An account of Florentin's is the client's own user, whom several sources and accounts may know: it is told once.
  const outline = (events: readonly { type: string; key: string; body: string; contract: string }[]) =>
    events
      .filter(({ type }) => type !== 'account.created')
      .map(({ key, body, contract }) => [
        contract,
        keyWithoutOwner(key).replace(uuids, 'uuid'),
        body.replace(uuids, 'uuid'),
      ])

  test.each(cases)('%s: what one account and mode is told, every other is told too, and of itself', (_, events) => {
    // An app event belongs to no account of Stripe's.
    const stripes = events.filter(({ object }) => object !== 'flo.app')
    const alone = (realm: Realm) => story(stripes.map((event) => moveTo(event, realm)))
    // An event at a time of all, so that each realm's objects are met between those of the others.
    const together = story(
      stripes.flatMap((event) =>
        REALMS.map((realm) => ({ ...moveTo(event, realm), id: `${event.id} ${nameOf(realm)}` })),
      ),
    )
    for (const realm of REALMS) {
      const mine = together.outcomes
        .filter(({ eventId }) => eventId.endsWith(nameOf(realm)))
        .flatMap(({ events: e }) => e)
      const named = JSON.parse(JSON.stringify(outline(mine)).replaceAll(` ${nameOf(realm)}`, ''))
      expect(named, nameOf(realm)).toEqual(outline(alone(realm).events))
    }
  })
})

describe('a catalogue', () => {
  const names = ['Own Pro', 'Own Pro (test)', 'Alpha Pro', 'Beta Pro', 'Alpha Pro (test)']
  const product = (name: string) => ({ id: 'prod_pro', object: 'product', active: true, name })

  test('a plan has the name of its own account and mode, though all have one product id', async () => {
    const source = await newSource(db)
    await normalize(
      source,
      REALMS.map((realm, at) => eventIn(realm, 'product.created', product(present(names[at])))),
    )
    const subscription = subscriptionObject({ id: 'sub_1', customer: 'cus_1' })
    const ids = await normalize(
      source,
      REALMS.map((realm) => eventIn(realm, 'customer.subscription.created', subscription)),
    )
    const told = await toldBy(source, 'subscription.created')
    expect(REALMS.map((realm) => told(realm).map(({ body }) => body.subscription.name))).toEqual(
      names.map((name) => [name]),
    )
    // The same id, and no two of them are one subscription.
    const uuids = REALMS.map((realm) => present(told(realm)[0]).body.subscription.uuid)
    expect(new Set(uuids).size).toBe(REALMS.length)
    for (const [at, id] of ids.entries()) {
      const explanation = await explain(source, id)
      expect(explanation.differs).toBeNull()
      expect(JSON.stringify(explanation.events)).toContain(`"${names[at]}"`)
    }
  })

  test('an update in test mode renames no live plan, and one of an account none of another', async () => {
    const [live, testMode, first, second] = REALMS
    const source = await newSource(db)
    await normalize(source, [eventIn(live, 'product.created', product('Pro'))])
    await normalize(source, [eventIn(first, 'product.created', product('Alpha Pro'))])
    await normalize(source, [eventIn(testMode, 'product.updated', product('Broken'), { name: 'Pro' })])
    await normalize(source, [eventIn(second, 'product.updated', product('Beta Pro'), { name: 'Pro' })])
    const subscription = subscriptionObject({ id: 'sub_1', customer: 'cus_1' })
    await normalize(
      source,
      [live, first].map((realm) => eventIn(realm, 'customer.subscription.created', subscription)),
    )
    const told = await toldBy(source, 'subscription.created')
    expect([live, first].map((realm) => present(told(realm)[0]).body.subscription.name)).toEqual(['Pro', 'Alpha Pro'])
  })
})

describe('a customer', () => {
  test('is whom its own account and mode says: by its metadata, or as a user of its own', async () => {
    const source = await newSource(db)
    const named = REALMS.slice(0, 4)
    const customer = (realm: Realm) => ({
      id: 'cus_1',
      object: 'customer',
      email: `${realm.account || 'own'}@example.com`,
      metadata: { client_user_id: nameOf(realm) },
    })
    await normalize(
      source,
      named.map((realm) => eventIn(realm, 'customer.created', customer(realm))),
    )
    await normalize(
      source,
      REALMS.map((realm) =>
        eventIn(realm, 'customer.subscription.created', subscriptionObject({ id: 'sub_1', customer: 'cus_1' })),
      ),
    )
    const told = await toldBy(source, 'subscription.created')
    const users = REALMS.map((realm) => present(told(realm)[0]).body.user)
    expect(users.map(({ clientUserId }) => clientUserId)).toEqual([...named.map(nameOf), null])
    expect(users.map(({ email }) => email).slice(2, 4)).toEqual(['acct_1@example.com', 'acct_2@example.com'])
    expect(new Set(users.map(({ id }) => id)).size).toBe(REALMS.length)
  })
})

describe('a hold', () => {
  test('ends with the fact of its own account and mode, not with that of another', async () => {
    const source = await newSource(db)
    const [own, testMode, first, second] = REALMS
    const waiting = [own, testMode, first, second]
    const invoice = invoiceObject([], {
      id: 'in_1',
      customer: 'cus_1',
      metadata: { client_user_id: 'user_1' },
      parent: { type: 'subscription_details', subscription_details: { subscription: 'sub_1' } },
    })
    await normalize(
      source,
      waiting.map((realm) => eventIn(realm, 'invoice.paid', invoice)),
      600,
    )
    const heldIn = async () =>
      (
        await db.query(
          `select account, livemode from source_events where client_id = $1 and state = 'held' order by account, livemode desc`,
          [source.clientId],
        )
      ).rows
    expect(await heldIn()).toEqual(waiting)
    const subscription = subscriptionObject({
      id: 'sub_1',
      customer: 'cus_1',
      metadata: { client_user_id: 'user_1' },
    })
    await normalize(source, [eventIn(first, 'customer.subscription.created', subscription)], 600)
    expect(await heldIn()).toEqual([own, testMode, second])
    await normalize(source, [eventIn(testMode, 'customer.subscription.created', subscription)], 600)
    expect(await heldIn()).toEqual([own, second])
  })
})

describe('a refund', () => {
  const events = () => fixture('refund-of-checkout-purchase-clover')
  test('finds the purchase of its own account and mode, and is counted there alone', async () => {
    const source = await newSource(db)
    for (const event of events())
      await normalize(
        source,
        REALMS.map((realm) => moveTo({ ...event, id: `${event.id}_${nameOf(realm)}` }, realm)),
      )
    const [purchased, refunded] = [await toldBy(source, 'item.purchased'), await toldBy(source, 'item.refunded')]
    const alone = story(events()).events.filter(({ contract }) => contract === 'flo.v1')
    for (const realm of REALMS) {
      expect([...purchased(realm), ...refunded(realm)].map(({ type }) => type)).toEqual(
        alone.map(({ type }) => type).filter((type) => type.startsWith('item.')),
      )
      const items = [...purchased(realm), ...refunded(realm)].map(({ body }) => body.item.uuid)
      expect(new Set(items).size).toBe(1)
    }
  })
})

test('each account and mode has a timer of its own for an invoice of one id', async () => {
  const source = await newSource(db)
  const due = Math.floor(Date.now() / 1000) + 86_400
  const invoice = invoiceObject([], {
    id: 'in_1',
    status: 'open',
    amount_paid: 0,
    amount_remaining: 5000,
    due_date: due,
    customer: 'cus_1',
    status_transitions: {},
  })
  await normalize(
    source,
    REALMS.map((realm) => eventIn(realm, 'invoice.finalized', invoice)),
  )
  const [paid, ...open] = REALMS
  await normalize(source, [eventIn(paid, 'invoice.paid', { ...invoice, status: 'paid', amount_remaining: 0 })])
  clock = new Date((due + 1) * 1000)
  await fireTimersOf(deps, source.clientId, lanes)
  clock = new Date()
  while ((await normalizeClient(deps, source.clientId, lanes)).sourceEventCount > 0);
  const told = await toldBy(source, 'invoice.overdue')
  expect(told(paid)).toEqual([])
  for (const realm of open) expect(told(realm).map(({ body }) => body.invoice.state)).toEqual(['overdue'])
})

test('mappings that change nothing show no difference where ids are shared', async () => {
  const source = await newSource(db)
  for (const name of ['renewal-of-known-subscription-clover', 'refund-of-checkout-purchase-clover'])
    for (const event of fixture(name))
      await normalize(
        source,
        REALMS.map((realm) => moveTo({ ...event, id: `${event.id}_${nameOf(realm)}` }, realm)),
      )
  const found: unknown[] = []
  await diffClient(
    { db, mappings, holdSeconds: 0 },
    source.clientId,
    { since: new Date(0) },
    { onDifference: (difference) => found.push(difference) },
  )
  expect(found).toEqual([])
})

describe('an installation of 0.1.0', () => {
  /** Stores what is there as 0.1.0 did: by bare ids, whatever the account and mode. */
  async function asBefore({ clientId, sourceId }: Source) {
    await db.query('update sources set ids_by_realm = false where id = $1', [sourceId])
    await db.query(
      `update objects set object_id = regexp_replace(object_id, '^@[^/]*/', ''), realm = null where client_id = $1`,
      [clientId],
    )
    await db.query(
      `update user_customers set customer_id = regexp_replace(customer_id, '^@[^/]*/', ''), realm = null where client_id = $1`,
      [clientId],
    )
    for (const table of ['emissions', 'events'])
      await db.query(
        `update ${table} set key = regexp_replace(key, '^([0-9a-f-]{36})@[^:]*:', '\\1:') where client_id = $1`,
        [clientId],
      )
  }
  /** As 0.1.0 normalised: it knew neither accounts nor modes, so its UUIDs name neither. */
  async function newSourceOfBefore() {
    const source = await newSource(db)
    await db.query('update sources set ids_by_realm = false where id = $1', [source.sourceId])
    return source
  }

  test.each(REALMS)(
    'with events of account "$account", live $livemode: keeps its uuids and users, and tells nothing twice',
    async (realm) => {
      const source = await newSourceOfBefore()
      const customer = { id: 'cus_1', object: 'customer', metadata: {} }
      const product = { id: 'prod_pro', object: 'product', active: true, name: 'Pro' }
      const subscription = subscriptionObject({ id: 'sub_1', customer: 'cus_1' })
      const created = eventIn(realm, 'customer.subscription.created', subscription)
      await normalize(source, [
        eventIn(realm, 'product.created', product),
        eventIn(realm, 'customer.created', customer),
        created,
      ])
      await asBefore(source)
      const cancelled = { ...subscription, cancel_at_period_end: true, canceled_at: 1_780_000_100 }
      await normalize(source, [
        { ...created, id: 'evt_told_again' },
        eventIn(realm, 'customer.subscription.updated', cancelled, { cancel_at_period_end: false, canceled_at: null }),
      ])
      const events = await source.events()
      expect(events.map(({ type }) => type)).toEqual(['subscription.created', 'subscription.cancelled'])
      const [before, after] = events.map(({ body }) => body)
      expect(after.subscription.uuid).toBe(before.subscription.uuid)
      expect(after.subscription.name).toBe('Pro')
      expect(after.user).toEqual(before.user)
    },
  )

  test.each(REALMS)(
    'with events of account "$account", live $livemode: a refund finds the item that was bought',
    async (realm) => {
      const events = fixture('refund-of-checkout-purchase-clover').map((event) => moveTo(event, realm))
      const alone = story(events).events.filter(({ contract }) => contract === 'flo.v1')
      for (const at of events.keys()) {
        const source = await newSourceOfBefore()
        await normalize(source, events.slice(0, at))
        await asBefore(source)
        await normalize(source, events.slice(at))
        await normalize(
          source,
          events.map((event) => ({ ...event, id: `${event.id}_again` })),
        )
        const told = await source.events()
        expect(told.map(({ type }) => type)).toEqual(alone.map(({ type }) => type))
        const items = told.flatMap(({ type, body }) => (type.startsWith('item.') ? [body.item.uuid] : []))
        expect(new Set(items).size).toBe(1)
      }
    },
  )

  test('what it knew is that of the account whose event it saw last, and of no other', async () => {
    const [own, testMode, first, second] = REALMS
    const source = await newSourceOfBefore()
    const product = (name: string) => ({ id: 'prod_pro', object: 'product', active: true, name })
    const customer = (user: string) => ({ id: 'cus_1', object: 'customer', metadata: { client_user_id: user } })
    await normalize(source, [
      eventIn(first, 'product.created', product('Alpha Pro')),
      eventIn(first, 'customer.created', customer('ada')),
    ])
    await asBefore(source)
    await normalize(
      source,
      [own, testMode, first, second].map((realm) =>
        eventIn(realm, 'customer.subscription.created', subscriptionObject({ id: 'sub_1', customer: 'cus_1' })),
      ),
    )
    const told = await toldBy(source, 'subscription.created')
    const shown = (realm: Realm) => {
      const { subscription, user } = present(told(realm)[0]).body
      return [subscription.name, user.clientUserId]
    }
    expect([own, testMode, first, second].map(shown)).toEqual([
      [null, null],
      [null, null],
      ['Alpha Pro', 'ada'],
      [null, null],
    ])
  })

  test('a user that was registered for a customer stays so, whatever the account of the customer', async () => {
    const source = await newSourceOfBefore()
    const userId = newId()
    await db.query(`insert into users (client_id, id, client_user_id, registered) values ($1, $2, 'ada', true)`, [
      source.clientId,
      userId,
    ])
    await db.query(`insert into user_customers (client_id, customer_id, user_id) values ($1, 'cus_9', $2)`, [
      source.clientId,
      userId,
    ])
    await normalize(
      source,
      REALMS.map((realm) =>
        eventIn(realm, 'customer.subscription.created', subscriptionObject({ id: 'sub_9', customer: 'cus_9' })),
      ),
    )
    expect((await source.events()).map(({ body }) => body.user.clientUserId)).toEqual(REALMS.map(() => 'ada'))
  })
})
