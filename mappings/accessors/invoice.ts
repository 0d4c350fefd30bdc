import type Stripe from 'stripe'
import type { Json } from '../../src/domain/json.ts'
import { idOf, minus, toNumber } from '../../src/language/converters.ts'
import { chooser } from '../../src/language/list-words.ts'
import { type Expr, unset } from '../../src/language/mapping.ts'
import {
  all,
  always,
  any,
  called,
  firstOf,
  given,
  is,
  kept,
  more,
  not,
  oneOf,
  type Reads,
  reading,
} from '../../src/language/words.ts'
import { BASIL, STATUS } from '../versions.ts'

// Where a fact stands in Stripe's invoices from 2014 to today, and in their lines.

type InvoiceEventType = Extract<Stripe.Event['type'], `invoice.${string}`>

/**
 * Every invoice event of Stripe's. `state`: it shows the invoice as it is from then on, so all of its lines count; `notice`: what
 * it says stands in another event, or is no news of the invoice's lines. A type that is missing here does not compile.
 */
const INVOICE_EVENTS: Readonly<Record<InvoiceEventType, 'state' | 'notice'>> = {
  'invoice.created': 'state',
  'invoice.updated': 'state',
  'invoice.deleted': 'notice',
  'invoice.finalized': 'state',
  'invoice.finalization_failed': 'state',
  'invoice.paid': 'state',
  'invoice.payment_succeeded': 'notice',
  'invoice.payment_failed': 'state',
  'invoice.payment_action_required': 'state',
  'invoice.payment_attempt_required': 'state',
  'invoice.voided': 'state',
  'invoice.marked_uncollectible': 'state',
  'invoice.overdue': 'state',
  'invoice.overpaid': 'state',
  'invoice.sent': 'notice',
  'invoice.will_be_due': 'notice',
  'invoice.upcoming': 'notice',
}

export const invoiceEventTypes = Object.keys(INVOICE_EVENTS) as InvoiceEventType[]
/** The events that show an invoice as it is from then on. */
export const invoiceStateTypes = invoiceEventTypes.filter((type) => INVOICE_EVENTS[type] === 'state')

/** Today's invoice; `legacy` reads the members that older API versions had. */
export const invoice = reading<Stripe.Invoice>()
/** A line of an invoice; `legacy` reads the members that older API versions had. */
export type Line = Stripe.InvoiceLineItem

/** The lines that the event shows: the first page of them. */
export const lines = invoice.from('lines.data')
const firstSubscribed = chooser(
  'first line of a subscription',
  'the first line that names one; a one-off line may stand before it',
  (list: Line[]) => {
    const named = (line: Line) => line.parent?.subscription_item_details?.subscription ?? line.subscription ?? null
    return list.find((line) => named(line) !== null) ?? null
  },
)
const subscriptionOfLine = (line: Reads<Line>) =>
  firstOf(idOf(line.from('parent.subscription_item_details.subscription')), idOf(line.from('subscription')))
/** The id of the subscription that an invoice bills, null for any other invoice. */
export const invoiceSubscription = called(
  "the invoice's subscription",
  firstOf(
    idOf(invoice.legacy<string | { id: string }>('subscription', BASIL)),
    idOf(invoice.from('parent.subscription_details.subscription')),
    firstSubscribed(lines, subscriptionOfLine),
  ),
)
/** Whose it is; an invoice without a customer stands for its own user. */
export const invoiceCustomer = called(
  "the invoice's customer",
  firstOf(idOf(invoice.from('customer')), invoice.from('customer_account'), invoice.from('id')),
)
/** Stripe's status; before invoices had one, there were three booleans. */
export const invoiceStatus = called(
  'its status',
  firstOf(
    oneOf(invoice.from('status'), {
      draft: 'draft',
      open: 'open',
      paid: 'paid',
      void: 'void',
      uncollectible: 'uncollectible',
    }),
    given(
      is(invoice.legacy<boolean>('paid', BASIL), true),
      always('paid'),
      given(
        is(invoice.legacy<boolean>('forgiven', STATUS), true),
        always('uncollectible'),
        given(is(invoice.legacy<boolean>('closed', STATUS), true), always('void'), always('open')),
      ),
    ),
  ),
)
/** Before 2019-03-14 there was no status but three booleans. */
export const invoicePaid = called(
  'paid',
  any(
    invoice.has('status', 'paid'),
    all(invoice.has('status', unset), is(invoice.legacy<boolean>('paid', BASIL), true)),
  ),
)

/** Open, with something left to pay. */
export const invoiceOwing = called(
  'owing',
  all(
    any(
      invoice.has('status', 'open'),
      all(
        invoice.has('status', unset),
        ...['paid', 'closed', 'forgiven'].map((end) => not(is(invoice.legacy<boolean>(end, STATUS), true))),
      ),
    ),
    more(
      firstOf(
        invoice.from('amount_remaining'),
        minus(invoice.from('amount_due'), firstOf(invoice.from('amount_paid'), always(0))),
        always(0),
      ),
      always(0),
    ),
  ),
)

/** A part of a period, charged or credited for a change in the middle of it. */
export const lineProration = (line: Reads<Line>): Expr<boolean> =>
  firstOf(
    line.from('parent.invoice_item_details.proration'),
    line.from('parent.subscription_item_details.proration'),
    line.legacy<boolean>('proration', BASIL),
    always(false),
  ) as Expr<boolean>
const fromInvoiceItem = (line: Reads<Line>) =>
  any(line.has('parent.type', 'invoice_item_details'), is(line.legacy<string>('type', BASIL), 'invoiceitem'))
const isProration = (line: Reads<Line>) => is(lineProration(line), true)
/** Bought once, as opposed to a period of a subscription or its proration. */
export const oneOff = (line: Reads<Line>) => called('one-off', all(fromInvoiceItem(line), not(isProration(line))))
/** What the contract calls a line; one that names neither a subscription nor an invoice item was bought once. */
export const lineType = (line: Reads<Line>) =>
  given(
    any(
      oneOff(line),
      all(line.has('parent', unset), is(line.legacy<string>('type', BASIL), unset), line.has('subscription', unset)),
    ),
    always('item'),
    always('subscription'),
  )
/** A period of a subscription: what a renewal bills. */
export const periodLine = (line: Reads<Line>) =>
  called('for a period', all(not(fromInvoiceItem(line)), not(isProration(line))))

type PriceRef = string | { id?: string | null; product?: string | { id: string } | null }
/** The id of the price or plan that a line charges. */
export const linePriceId = (line: Reads<Line>) =>
  firstOf(
    idOf(line.from('pricing.price_details.price')),
    idOf(line.legacy<PriceRef>('price', BASIL) as Expr<Json>),
    line.legacy<string>('plan.id', BASIL),
  ) as Expr<string | null>
/** The id of the product that a line charges. */
export const lineProductId = (line: Reads<Line>) =>
  firstOf(
    idOf(line.from('pricing.price_details.product') as Expr<Json>),
    idOf(line.legacy<string>('price.product', BASIL)),
    idOf(line.legacy<string>('plan.product', BASIL)),
  ) as Expr<string | null>
/** How many; Stripe's decimal where there is one. */
export const lineQuantity = (line: Reads<Line>) =>
  firstOf(toNumber(line.from('quantity_decimal') as unknown as Expr<string | null>), line.from('quantity'))
/** What one unit costs, in minor units: a number or a decimal string. */
export const lineUnitAmount = (line: Reads<Line>) =>
  firstOf(
    line.from('pricing.unit_amount_decimal') as unknown as Expr<string | null>,
    line.legacy<number>('price.unit_amount', BASIL),
    line.legacy<string>('price.unit_amount_decimal', BASIL),
    line.legacy<number>('plan.amount', BASIL),
    line.legacy<string>('plan.amount_decimal', BASIL),
  )

/** Invoices routinely arrive before the subscription they bill. */
export const waitForSubscription = {
  fact: 'subscription',
  key: invoiceSubscription,
  unless: any(is(invoiceSubscription, unset), kept('subscription', invoiceSubscription).known),
}

/** What stays of a line when its own id changes: the invoice item or subscription item behind it. */
export const lineKey = (line: Reads<Line>) =>
  called(
    'the item behind the line',
    firstOf(
      idOf(line.from('parent.invoice_item_details.invoice_item')),
      line.from('parent.subscription_item_details.subscription_item'),
      idOf(line.legacy<string>('invoice_item', BASIL)),
      line.legacy<string>('subscription_item', BASIL),
      line.from('id'),
    ),
  )
