import type Stripe from 'stripe'
import type { Json } from '../../src/domain/json.ts'
import { major, metadataOf, toNumber, upperCase } from '../../src/language/converters.ts'
import { type Expr, set } from '../../src/language/mapping.ts'
import {
  always,
  called,
  calledAfter,
  combiner,
  computed,
  element,
  firstOf,
  given,
  is,
  kept,
  member,
  objectOf,
  uuidOf,
} from '../../src/language/words.ts'
import { checkoutBehind, productDescription, productName } from '../accessors/facts.ts'
import { type Line, lineKey, linePriceId, lineProductId, lineQuantity, lineUnitAmount } from '../accessors/invoice.ts'
import { BASIL } from '../versions.ts'
import { subscriptionShape } from './subscription.ts'

// A bought thing, whichever way it was bought: a line of an invoice, of a Checkout session, or a payment of its own.

/** One thing that was bought, and of a refund how much of it is given back (minor units). */
export interface Bought {
  /** The invoice, session or payment that it was bought with. */
  owner: string
  line: Line | null
  /** The uuid of the checkout record that the client registered. */
  uuid: string | null
  refunded: number | null
  /** What was paid for it, of what is given back (minor units). */
  paid: number | null
  /** How a refund found its item when nothing names it: by the invoice as a whole, or by the charge alone. */
  attribution: 'invoice' | 'charge' | null
}

const bought = element<Bought>()
const line = member<Line>('line')

export const itemKey: Expr<Json>[] = [bought.from('owner'), lineKey(line)]
const productId = lineProductId(line)
const currencyCode = line.from('currency')
const nickname = line.legacy<string>('price.nickname', BASIL)

/** Old lines have no unit amount: the line's is that of each, where it divides evenly. */
const sharedEvenly = combiner('shared evenly', (amount: number, quantity: number): number | null =>
  quantity > 0 && amount % quantity === 0 ? amount / quantity : null,
)

/** What every item event shows of the thing itself; null where the purchase is not known. */
export const boughtShape = calledAfter('item', {
  uuid: uuidOf(
    'item',
    computed('owner and line', (owner, key) => `${owner}:${key ?? ''}`, bought.from('owner'), lineKey(line)),
    bought.from('uuid'),
  ),
  id: firstOf(linePriceId(line), productId),
  name: firstOf(productName(productId), nickname, line.from('description')),
  description: firstOf(productDescription(productId), line.from('description')),
  quantity: lineQuantity(line),
  currency: upperCase(currencyCode),
  amount: major(firstOf(lineUnitAmount(line), sharedEvenly(line.from('amount'), lineQuantity(line))), currencyCode),
  total: major(line.from('amount'), currencyCode),
  metadata: metadataOf(line.from('metadata')),
})

/** The item of a purchase, whichever way it was made; `details` are those of its invoice. */
export const purchasedItem = <D>(at: Expr<string | null>, details: Expr<D>) => ({
  uuid: boughtShape.uuid,
  id: boughtShape.id,
  name: boughtShape.name,
  description: boughtShape.description,
  state: always('purchased'),
  quantity: boughtShape.quantity,
  currency: boughtShape.currency,
  amount: boughtShape.amount,
  total: boughtShape.total,
  refundedAmount: always(0),
  purchasedAt: at,
  refundedAt: always(null),
  metadata: boughtShape.metadata,
  invoiceDetails: details,
})

/** The lines of a Checkout session: those fetched, else those the client registered, else one for the whole. */
export const sessionItems = (session: Expr<Stripe.Checkout.Session>, id: Expr<string | null>) =>
  computed(
    'session lines',
    (session, registered): Bought[] => {
      if (!session) return []
      const owner = session.id
      const items = (registered as { items?: RegisteredItem[] } | null)?.items ?? []
      const fetched = session.line_items?.data ?? []
      if (fetched.length > 0)
        return fetched.map((one, at) => ({
          ...boughtThing(owner, { ...one, amount: one.amount_subtotal } as unknown as Line),
          uuid:
            (itemOf(items, one.price?.id) ?? (items.length === fetched.length ? items[at] : undefined))?.uuid ?? null,
        }))
      const whole = {
        id: owner,
        amount: session.amount_total,
        currency: session.currency,
        metadata: session.metadata,
        price: { unit_amount: session.amount_total },
      }
      if (items.length === 0)
        return [boughtThing(owner, { ...whole, quantity: 1, description: null } as unknown as Line)]
      return items.map((item) => ({
        ...boughtThing(owner, {
          id: item.uuid,
          description: item.description ?? item.name ?? null,
          quantity: item.quantity ?? 1,
          currency: session.currency,
          amount: items.length === 1 ? session.amount_subtotal : null,
          metadata: item.metadata ?? null,
          price: { id: item.id, nickname: item.name ?? null },
        } as unknown as Line),
        uuid: item.uuid,
      }))
    },
    session,
    checkoutBehind(id),
  )

export const boughtThing = (owner: string, line: Line | null): Bought => ({
  owner,
  line,
  uuid: null,
  refunded: null,
  paid: null,
  attribution: null,
})

/** What was bought with a payment that says so itself: one thing, for all of it. */
export const paidItems = (intent: Expr<Stripe.PaymentIntent>) =>
  computed(
    'the payment',
    (payment): Bought[] => {
      if (!payment) return []
      const amount = payment.amount_received ?? payment.amount
      return [
        boughtThing(payment.id, {
          id: payment.id,
          amount,
          currency: payment.currency,
          description: payment.description,
          quantity: 1,
          metadata: payment.metadata,
          price: { id: payment.metadata?.flo_product ?? null, unit_amount: amount },
        } as unknown as Line),
      ]
    },
    intent,
  )

/** The lines of an invoice; those of a registered checkout's items have their uuids. */
export const invoiceLines = (invoice: Stripe.Invoice | null, checkout: Json): Bought[] => {
  if (!invoice) return []
  const items: RegisteredItem[] = checkout?.items ?? []
  const lines = (invoice.lines?.data ?? []) as OldLine[]
  return lines.map((line) => {
    const price = line.pricing?.price_details?.price ?? line.price ?? line.plan
    const item = itemOf(items, typeof price === 'string' ? price : price?.id)
    return {
      ...boughtThing(String(invoice.id), line),
      uuid: (item ?? (items.length === 1 && lines.length === 1 ? items[0] : undefined))?.uuid ?? null,
    }
  })
}
type OldLine = Line & { price?: { id: string } | null; plan?: { id: string } | null }

const itemOf = (items: readonly RegisteredItem[], priceId: string | null | undefined) =>
  items.find(({ id }) => id === priceId)

/** An item as the client registered it with its checkout. */
interface RegisteredItem {
  uuid: string
  id: string
  name?: string | null
  description?: string | null
  quantity?: number | null
  metadata?: Record<string, string> | null
}

const omitted = always(undefined)

/** The subscription beside an item or invoice, when we hold it: the same record as that of its own events. */
export const relatedSubscription = (id: Expr<string | null>) => {
  const held = kept('subscription', id)
  const { uuid, id: plan, name, description, quantity, currency, amount, total, metadata } = subscriptionShape
  return given(
    held.known,
    called(
      'the subscription as its own events show it',
      objectOf({
        uuid: held(uuid) as Expr<string>,
        id: held(plan),
        name: held(name),
        description: held(description),
        quantity: held(quantity),
        currency: held(currency),
        amount: held(amount),
        total: held(total),
        metadata: held(metadata),
      }),
    ),
    omitted,
  )
}

/** The item beside an invoice, when the checkout that led to the invoice was registered with one. */
export const relatedItem = (checkout: Expr<Json>) => {
  const item = computed('first registered item', (found: Json) => found?.items?.[0] ?? null, checkout)
  const of = <T>(field: string): Expr<T | null> =>
    computed(`item.${field}`, (found: Json) => found?.[field] ?? null, item)
  return given(
    is(item as Expr<object | null>, set),
    called(
      'the first item of the registered checkout',
      objectOf({
        uuid: of<string>('uuid') as Expr<string>,
        id: of<string>('id'),
        name: of<string>('name'),
        description: of<string>('description'),
        quantity: toNumber(of<number>('quantity')),
        currency: upperCase(of<string>('currency')),
        amount: of<number>('amount'),
        total: of<number>('total'),
        metadata: metadataOf(of<Record<string, string>>('metadata')),
      }),
    ),
    omitted,
  )
}
