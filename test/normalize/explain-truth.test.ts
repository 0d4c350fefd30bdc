import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { describe, expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import { Explanation as Schema } from '../../src/api/resources/explanation-schema.ts'
import { newId } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { majorUnits, multiplyAmount, sumAmounts } from '../../src/domain/money.ts'
import { fanOut } from '../../src/fanout/fanout.ts'
import { newLog } from '../../src/log.ts'
import { explainSourceEvent } from '../../src/normalize/explain/explain.ts'
import type { ExplainedField, Explanation, ReadValue } from '../../src/normalize/explain/explanation.ts'
import { judgeToday } from '../../src/normalize/explain/judge-today.ts'
import { sourceEventOf } from '../../src/normalize/source-events.ts'
import { keyIn } from '../../src/normalize/world/world.ts'
import { freshDatabase } from '../support/database.ts'
import { sessionObject, snapshotEvent } from '../support/events.ts'
import { cases } from '../support/fixtures.ts'
import { normalizeClient } from '../support/normalizing.ts'
import { present } from '../support/present.ts'
import { lanes, newSource } from '../support/storing.ts'

const { db } = await freshDatabase()
const deps = { db, log: newLog('silent'), mappings, fanOut, now: () => new Date(), holdSeconds: 0 }
type Source = Awaited<ReturnType<typeof newSource>>

test.each(cases)('%s is explained as it was, and every field is what its citations come to', async (_, events) => {
  const source = await newSource(db)
  for (const event of events) {
    const [id] = await source.store(event).catch(() => [])
    if (!id) continue
    while ((await normalizeClient(deps, source.clientId, lanes)).sourceEventCount > 0);
    const explanation = await explainSourceEvent(deps, source.clientId, id)
    const { error } = Schema.safeParse(JSON.parse(JSON.stringify(explanation)))
    expect(error?.issues ?? []).toEqual([])
    expect(explanation.differs, event.id).toBeNull()
    expect(await lies(source, explanation, event, events)).toEqual([])
  }
})

const corpus = process.env.FLO_CORPUS ?? ''
/** Every so manieth recorded event is explained. */
const SAMPLE = 12

test.skipIf(corpus === '')('what was recorded is explained by what stands there (FLO_CORPUS)', async () => {
  const source = await newSource(db)
  const lines = readFileSync(join(corpus, 'stripe-events.jsonl'), 'utf8').trim().split('\n')
  const events: Json[] = lines.map((line) => JSON.parse(line).event)
  for (const event of events.filter((_, at) => at % SAMPLE === 0)) {
    const [id] = await source.store(event).catch(() => [])
    if (!id) continue
    while ((await normalizeClient(deps, source.clientId, lanes)).sourceEventCount > 0);
    const explanation = await explainSourceEvent(deps, source.clientId, id)
    expect(await lies(source, explanation, event, events), event.id).toEqual([])
  }
})

describe('what is cited', () => {
  const lineItem = (at: number) => ({
    id: `li_${at}`,
    object: 'item',
    amount_subtotal: 2000 + at,
    amount_total: 1800 + at,
    currency: 'usd',
    description: `Book ${at}`,
    quantity: 2,
    price: { id: `price_${at}`, object: 'price', product: `prod_${at}`, unit_amount: 1000, currency: 'usd' },
  })
  const session = (fields: object = {}) =>
    JSON.parse(snapshotEvent('checkout.session.completed', sessionObject({ customer: 'cus_1', ...fields })))

  /** The citations of an event's fields, as `path` or `path of the kind id`, by field. */
  async function citedBy(source: Source, event: Json): Promise<Record<string, string[]>> {
    const [id] = await source.store(event)
    while ((await normalizeClient(deps, source.clientId, lanes)).sourceEventCount > 0);
    const explanation = await explainSourceEvent(deps, source.clientId, present(id))
    expect(await lies(source, explanation, event)).toEqual([])
    const { events } = explanation
    const placeOf = ({ path, object }: ReadValue) => (object ? `${path} of the ${object.kind} ${object.id}` : path)
    return Object.fromEntries(
      events
        .filter(({ contract }) => contract === 'flo.v1')
        .flatMap(({ fields }) => fields.map(({ field, reads }) => [field, reads.map(placeOf)])),
    )
  }

  test('the item of a whole Checkout session is what the session has paid', async () => {
    const cited = await citedBy(await newSource(db), session())
    expect(cited).toMatchObject({
      'item.amount': ['amount_total', 'currency'],
      'item.total': ['amount_total', 'currency'],
      'item.currency': ['currency'],
      'item.quantity': ['always'],
    })
  })

  test('the items of a Checkout session with its lines are those lines, each its own', async () => {
    const source = await newSource(db)
    const event = session({ line_items: { object: 'list', data: [lineItem(0), lineItem(1)], has_more: false } })
    expect(await citedBy(source, event)).toMatchObject({
      'item.id': ['line_items.data[1].price.id'],
      'item.name': ['line_items.data[1].description'],
      'item.quantity': ['line_items.data[1].quantity'],
      'item.currency': ['line_items.data[1].currency'],
      'item.amount': ['line_items.data[1].price.unit_amount', 'line_items.data[1].currency'],
      'item.total': ['line_items.data[1].amount_subtotal', 'line_items.data[1].currency'],
    })
  })

  test('the item of a registered checkout is what was registered', async () => {
    const source = await newSource(db)
    const event = session()
    const [id, uuid] = [newId(), newId()]
    await db.query(
      `insert into checkouts (client_id, id, stripe_session_id, client_user_id, items, subscriptions)
       values ($1, $2, $3, 'user_7', $4, '[]')`,
      [
        source.clientId,
        id,
        event.data.object.id,
        JSON.stringify([{ uuid, id: 'price_course', name: 'Course', quantity: 3 }]),
      ],
    )
    const place = `of the checkout ${event.data.object.id}`
    expect(await citedBy(source, event)).toMatchObject({
      'user.clientUserId': [`client_user_id ${place}`],
      'item.uuid': [`items[0].uuid ${place}`],
      'item.id': [`items[0].id ${place}`],
      'item.name': [`items[0].name ${place}`],
      'item.quantity': [`items[0].quantity ${place}`],
      'item.total': ['amount_subtotal', 'currency'],
    })
  })

  test("an email is the registered user's, the stored customer's or the event's own, and never an id", async () => {
    const source = await newSource(db)
    const own = await citedBy(source, session({ customer_details: { email: 'page@example.com' } }))
    expect(own['user.email']).toEqual(['customer_details.email'])
    const customer = { id: 'cus_1', object: 'customer', email: 'kim@example.com', metadata: {} }
    await source.store(JSON.parse(snapshotEvent('customer.created', customer)))
    const stored = await citedBy(source, session({ customer_details: { email: 'page@example.com' } }))
    expect(stored['user.email']).toEqual(['email of the customer cus_1'])
    const { rows } = await db.query(
      `update users set registered = true, client_user_id = 'user_1', email = 'told@example.com'
        where client_id = $1 returning id`,
      [source.clientId],
    )
    const registered = await citedBy(source, session({ metadata: { client_user_id: 'user_2' } }))
    expect(registered).toMatchObject({
      'user.email': [`email of the user ${rows[0].id}`],
      'user.clientUserId': [`client_user_id of the user ${rows[0].id}`],
    })
  })

  test("a refund of nothing known has the refund's own currency", async () => {
    const source = await newSource(db)
    const refund = { id: 're_1', object: 'refund', amount: 300, currency: 'eur', status: 'succeeded', metadata: {} }
    const charge = { id: 'ch_1', object: 'charge', amount: 700, currency: 'eur', customer: 'cus_1', metadata: {} }
    const captured = { ...charge, captured: true, amount_captured: 700, amount_refunded: 0, paid: true }
    await source.store(JSON.parse(snapshotEvent('charge.succeeded', captured)))
    const event = JSON.parse(snapshotEvent('refund.created', { ...refund, charge: 'ch_1', payment_intent: null }))
    const cited = await citedBy(source, event)
    expect(cited['item.currency']).toEqual(['currency'])
    expect(cited['item.refundedAmount']).toEqual(['what was refunded of the line so far', 'currency'])
  })
})

/** The explained fields of a source event whose citations do not stand where they say, or do not come to the value. */
async function lies(
  { clientId }: Source,
  explanation: Explanation,
  event: Json,
  events: Json[] = [event],
): Promise<object[]> {
  const world = await worldOf(clientId, present(explanation.sourceEvent.id))
  const found: object[] = []
  for (const { type, fields } of explanation.events)
    for (const field of fields) {
      const cited = [...field.reads, ...field.absent]
      const objects = await Promise.all(cited.map((read) => world.objectOf(read, event, events)))
      const wrong = cited.flatMap((read, at) => {
        // What the event itself has brought was not there before it.
        const isNewWithIt = read.value === null && read.object?.id === event.data.object.id
        const there = isNewWithIt || isOwnSaying(read) ? read.value : valueAt(objects[at], read.path)
        return isDeepStrictEqual(there, read.value) ? [] : [{ read, there }]
      })
      const comesTo = arrive(field, world)
      if (wrong.length > 0 || !isDeepStrictEqual(comesTo, field.value)) found.push({ type, ...field, comesTo, wrong })
    }
  return found
}

/** A constant stands nowhere, nor does what the gateway remembers; the citation says so. */
const isOwnSaying = ({ role, path }: ReadValue) =>
  role === 'memory' || (role === 'constant' && (path === 'always' || path === 'the type of the event that is sent'))

/** What can be cited of a source event: itself, its object, the state before, and the objects that are named. */
async function worldOf(clientId: string, id: string) {
  const { rows } = await db.query(
    `select e.*, b.body from source_events e join source_event_bodies b on b.client_id = $1 and b.source_event_id = e.id
      where e.client_id = $1 and e.id = $2`,
    [clientId, id],
  )
  const stored = await db.query(
    'select id, contract, type, key, null as body from events where client_id = $1 and source_event_id = $2',
    [clientId, id],
  )
  const due = sourceEventOf(rows[0])
  const { world, frames, completed } = await judgeToday({ ...deps, now: new Date() }, clientId, due, stored.rows)
  const users = await db.query('select * from users where client_id = $1', [clientId])
  const objectOf = ({ path, object, role }: ReadValue, event: Json, events: Json[]): Json => {
    if (path.startsWith('event.')) return { event: object ? events.find(({ id }) => id === object.id) : event }
    if (role.endsWith('before')) return frames[0]?.scope.prior
    if (object === null) return completed.body?.data.object
    if (object.kind === 'user') return users.rows.find((one) => one.id === object.id)
    if (object.kind === 'checkout')
      return world.checkouts.get(`checkout:${object.id}`) ?? world.checkouts.get(String(object.id))
    const key = keyIn(due, object.kind === 'link' ? `link:${object.id}` : String(object.id))
    const fetched = world.fetchStates.get(keyIn(due, `${object.kind}:${object.id}`))
    return world.objects.get(key)?.snapshot.object ?? fetched?.result
  }
  return { objectOf, facts: frames[0]?.scope.facts }
}

const valueAt = (object: Json, path: string): Json =>
  path === 'the object'
    ? (object ?? null)
    : (path
        .split(/[.[\]]+/)
        .filter(Boolean)
        .reduce<Json>((at, key) => at?.[key], object) ?? null)

type CitedWorld = Awaited<ReturnType<typeof worldOf>>

/** What the readings come to by the conversions that are named, in their order; of amounts, the currency is read last. */
function arrive({ reads, through, value }: ExplainedField, world: CitedWorld): Json {
  const made = inPacks(reads.filter(({ role }) => !role.startsWith('condition')))
  // What lacks a part of it is nothing.
  if (value === null) return null
  const currency = through.includes('major') ? made.pop() : null
  const values = through.reduce((values, step) => convertAll(values, step, { currency, value, world }), made)
  return values.length === 1 ? values[0] : values
}

/** What was read; of a quantity that is sold in packs, which are read behind it, the packs. */
function inPacks(reads: readonly ReadValue[]): Json[] {
  const values: Json[] = []
  for (const { path, value } of reads) {
    const isPack = /\.transform_(quantity|usage)\./.test(path)
    if (!isPack) values.push(value)
    else if (path.endsWith('.divide_by')) values.push(Number(values.pop()) / Number(value))
    else values.push(value === 'up' ? Math.ceil(values.pop()) : Math.floor(values.pop()))
  }
  return values
}

/** One conversion of what was read; a choice of one among several has been made by the reading. */
function convertAll(
  values: Json[],
  step: string,
  { currency, value, world }: { currency: Json; value: Json; world: CitedWorld },
): Json[] {
  const [first, second] = values
  const row = /^oneOf \((.*) → (.*)\)$/.exec(step)
  if (row) return values.map((one) => (one === row[1] ? row[2] : one))
  const kind = /^uuid of the (.*)$/.exec(step)?.[1]
  if (kind) return [present(world.facts).deriveUuid(kind, first)]
  switch (step) {
    case 'seconds':
      return values.map((text) => Date.parse(text) / 1000)
    case 'isoTime':
      return values.map((seconds) => new Date(seconds * 1000).toISOString())
    case 'upperCase':
      return currency === null ? values.map((text) => text.toUpperCase()) : values
    case 'number':
      return [Number(first), ...values.slice(1)]
    case 'uuid':
      return [first.toLowerCase()]
    case 'major':
      return [majorUnits(first, currency)]
    case 'sum':
      return [sumAmounts(values.flat())]
    case 'product':
      return values.flatMap((amount, at) => (at % 2 === 0 ? [multiplyAmount(amount, values[at + 1])] : []))
    case 'minus':
      return [first - second]
    case 'shared evenly':
      return [first / second]
    case 'owner and line':
      return [`${first}:${second ?? ''}`]
    case 'part or whole':
      return [first >= second ? 'refunded' : 'partially_refunded']
    // The mark that no line is named by.
    case 'metadata':
      return typeof values.at(-1) === 'string'
        ? [{ ...(values.length > 1 ? first : {}), attribution: values.at(-1) }]
        : values
    case "Flo's id of the user":
      // The customer, the client's own id, or both.
      return [
        [first, second],
        [null, first],
      ]
        .map(([customer, id]) => present(world.facts).findUser(customer ?? null, id ?? null, null, null).id)
        .filter((id, at, ids) => id === value && ids.indexOf(id) === at)
    default:
      expect(CHOICES).toContain(step)
      return values
  }
}

/** What picks the value out, and what leaves one as it is. */
const CHOICES = [
  'in packs, where it is sold in packs',
  // Of the charge or, where that is not known, of the payment.
  'captured',
  'oneOf',
  'idOf',
  'max',
  'min',
  'metadata',
  'primary item',
  'paid line',
  'first line of a subscription',
]
