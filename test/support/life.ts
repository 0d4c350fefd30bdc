import fc from 'fast-check'
import type { Json } from '../../src/domain/json.ts'
import { present } from './present.ts'

const DAY = 86_400
const START = 1_760_000_000

/** A life: how it begins and what happens, each act so many seconds after the last. */
export interface Life {
  begin: string
  /** By name, or by a number that chooses among what is possible then. */
  acts: { act: string | number; after: number }[]
}
/** Any life. */
export const lives: fc.Arbitrary<Life> = fc.record({
  begin: fc.constantFrom('incomplete', 'trialing', 'active'),
  acts: fc.array(fc.record({ act: fc.nat(60), after: fc.constantFrom(0, 0, 0, 1, 60, 9 * DAY) }), {
    minLength: 1,
    maxLength: 9,
    size: 'max',
  }),
})

const reversing = ['reactivate', 'resume collection', 'resume']

/** The Stripe events of a life in the order they happened: every update with the `previous_attributes` that belong to it. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: every act reads and changes the same subscription, clock and list.
export function eventsOf({ begin, acts }: Life): Json[] {
  const events: Json[] = []
  let now = START
  let sub: Json = subscription(begin, now)
  let invoices = 0
  let unpaid: Json = null

  const tell = (type: string, object: Json, previous?: Json) => {
    // Ids do not tell the order either.
    const id = `evt_${((events.length * 7919 + 13) % 10_007).toString(36)}_${events.length}`
    const data = { object, ...(previous ? { previous_attributes: previous } : {}) }
    events.push({ id, object: 'event', api_version: '2025-10-29.clover', created: now, type, data })
  }
  const update = (change: Json) => {
    const next = { ...sub, ...change }
    tell('customer.subscription.updated', next, previousOf(sub, next))
    sub = next
  }
  const end = (change: Json) => {
    sub = { ...sub, status: 'canceled', ended_at: now, ...change }
    tell('customer.subscription.deleted', sub)
  }
  const rolled = () => {
    const [item] = sub.items.data
    const start = item.current_period_end
    return { ...sub.items, data: [{ ...item, current_period_start: start, current_period_end: start + 30 * DAY }] }
  }
  const moveInvoice = (invoice: Json, type: string, change: Json) => {
    const next = { ...invoice, ...change }
    tell(type, next)
    tell('invoice.updated', next, previousOf(invoice, next))
    return next
  }
  const bill = (reason: string) => {
    invoices += 1
    const draft = invoice(`in_${invoices}`, sub, reason, now)
    tell('invoice.created', draft)
    return moveInvoice(draft, 'invoice.finalized', { status: 'open', number: `N-${invoices}` })
  }
  const settle = (open: Json) => {
    const paid = { status: 'paid', amount_paid: open.amount_due, amount_remaining: 0, attempt_count: 1 }
    tell('invoice.payment_succeeded', { ...open, ...paid })
    moveInvoice(open, 'invoice.paid', paid)
  }

  const all: Record<string, [can: () => boolean, happens: () => void]> = {
    pay: [
      () => sub.status === 'incomplete',
      () => {
        settle(bill('subscription_create'))
        update({ status: 'active' })
      },
    ],
    'expire unpaid': [
      () => sub.status === 'incomplete',
      () => update({ status: 'incomplete_expired', ended_at: now, canceled_at: now }),
    ],
    quantity: [live, () => update({ items: withItem(sub, { quantity: sub.items.data[0].quantity + 1 }) })],
    metadata: [live, () => update({ metadata: { ...sub.metadata, note: `${events.length}` } })],
    plan: [live, () => update({ items: withItem(sub, { price: price(sub.items.data[0].price.unit_amount + 500) }) })],
    coupon: [live, () => update({ discounts: [...sub.discounts, `di_${events.length}`] })],
    'cancel at period end': [
      () => live() && !pending(),
      () => update({ cancel_at_period_end: true, cancel_at: periodEnd(sub), canceled_at: now, ...asked }),
    ],
    'cancel by date': [
      () => live() && !pending(),
      () => update({ cancel_at: periodEnd(sub), canceled_at: now, ...asked }),
    ],
    reactivate: [
      () => live() && pending(),
      () => update({ cancel_at_period_end: false, cancel_at: null, canceled_at: null, ...reason(null) }),
    ],
    'cancel now': [() => live() && !pending(), () => end({ canceled_at: now, ...asked })],
    'run out': [
      () => live() && pending(),
      () => {
        now = Math.max(now, sub.cancel_at)
        end({})
      },
    ],
    renew: [
      () => sub.status === 'active' && !pending(),
      () => {
        const open = bill('subscription_cycle')
        update({ items: rolled(), latest_invoice: open.id })
        settle(open)
      },
    ],
    'fail to renew': [
      () => sub.status === 'active' && !pending(),
      () => {
        const open = bill('subscription_cycle')
        unpaid = moveInvoice(open, 'invoice.payment_failed', { attempt_count: 1, next_payment_attempt: now + DAY })
        update({ items: rolled(), latest_invoice: open.id, status: 'past_due' })
      },
    ],
    recover: [
      () => sub.status === 'past_due',
      () => {
        settle(unpaid)
        update({ status: 'active' })
      },
    ],
    'give up': [
      () => sub.status === 'past_due',
      () => {
        moveInvoice(unpaid, 'invoice.voided', { status: 'void' })
        end({ canceled_at: now, ...reason('payment_failed') })
      },
    ],
    'pause collection': [
      () => sub.status === 'active' && !sub.pause_collection,
      () => update({ pause_collection: { behavior: 'void', resumes_at: now + 20 * DAY } }),
    ],
    'resume collection': [() => live() && sub.pause_collection, () => update({ pause_collection: null })],
    pause: [
      () => sub.status === 'active' && !sub.pause_collection,
      () => {
        update({ status: 'paused' })
        tell('customer.subscription.paused', sub)
      },
    ],
    resume: [
      () => sub.status === 'paused',
      () => {
        // A resumption is billed, so that one pause never leads back to quite the state of another.
        update({ status: 'active', latest_invoice: `in_resumed_${events.length}` })
        tell('customer.subscription.resumed', sub)
      },
    ],
  }
  function live() {
    return ['trialing', 'active', 'past_due'].includes(sub.status)
  }
  function pending() {
    return sub.cancel_at !== null
  }

  tell('customer.subscription.created', sub)
  for (const { act, after } of acts) {
    const possible = Object.entries(all).filter(([name, [can]]) => can() && (typeof act === 'number' || name === act))
    if (possible.length === 0) break
    const [name, [, happens]] = present(possible[typeof act === 'number' ? act % possible.length : 0])
    // There and back within a second leaves no trace of where it began, once more has happened.
    now += reversing.includes(name) ? Math.max(after, 1) : after
    happens()
  }
  return events
}

const reason = (why: string | null) => ({ cancellation_details: { comment: null, feedback: null, reason: why } })
const asked = reason('cancellation_requested')
const periodEnd = (sub: Json) => sub.items.data[0].current_period_end
const withItem = (sub: Json, change: Json) => ({ ...sub.items, data: [{ ...sub.items.data[0], ...change }] })
const price = (amount: number) => ({
  id: `price_${amount}`,
  object: 'price',
  currency: 'usd',
  product: 'prod_1',
  recurring: { interval: 'month', interval_count: 1, usage_type: 'licensed' },
  unit_amount: amount,
  unit_amount_decimal: String(amount),
})

const subscription = (status: string, now: number): Json => ({
  id: 'sub_1',
  object: 'subscription',
  cancel_at: null,
  cancel_at_period_end: false,
  canceled_at: null,
  ...reason(null),
  created: now,
  currency: 'usd',
  customer: 'cus_1',
  discounts: [],
  ended_at: null,
  items: {
    object: 'list',
    data: [
      {
        id: 'si_1',
        object: 'subscription_item',
        current_period_start: now,
        current_period_end: now + 30 * DAY,
        price: price(2900),
        quantity: 1,
      },
    ],
  },
  latest_invoice: null,
  metadata: { client_user_id: 'user_1' },
  pause_collection: null,
  start_date: now,
  status,
  trial_end: status === 'trialing' ? now + 14 * DAY : null,
})

const invoice = (id: string, sub: Json, billingReason: string, now: number): Json => ({
  id,
  object: 'invoice',
  amount_due: 2900,
  amount_paid: 0,
  amount_remaining: 2900,
  attempt_count: 0,
  billing_reason: billingReason,
  created: now,
  currency: 'usd',
  customer: 'cus_1',
  lines: {
    object: 'list',
    data: [
      {
        id: `il_${id}`,
        object: 'line_item',
        amount: 2900,
        currency: 'usd',
        parent: { type: 'subscription_item_details', subscription_item_details: { subscription: sub.id } },
        period: { start: periodEnd(sub), end: periodEnd(sub) + 30 * DAY },
        quantity: 1,
      },
    ],
  },
  metadata: {},
  next_payment_attempt: null,
  number: null,
  parent: { type: 'subscription_details', subscription_details: { subscription: sub.id, metadata: sub.metadata } },
  status: 'draft',
  status_transitions: { paid_at: null },
  total: 2900,
  total_taxes: [],
})

/** As Stripe writes it: prior values of changed keys only, nested objects partial, arrays whole, an added key as null. */
export function previousOf(before: Json, after: Json): Json {
  const previous: Json = {}
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [was, is] = [before[key], after[key]]
    if (JSON.stringify(was) === JSON.stringify(is)) continue
    const both = [was, is].every((value) => typeof value === 'object' && value !== null && !Array.isArray(value))
    previous[key] = both ? previousOf(was, is) : (was ?? null)
  }
  return previous
}
