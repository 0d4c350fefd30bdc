import type Stripe from 'stripe'
import { idOf, minus, product, toNumber } from '../src/normalize/converters.ts'
import { type Expr, set, unset } from '../src/normalize/mapping.ts'
import {
  all,
  always,
  any,
  called,
  chooser,
  computed,
  converter,
  firstOf,
  given,
  kept,
  max,
  min,
  more,
  not,
  type Reads,
  reading,
  same,
  self,
  some,
  sum,
  is as valueIs,
} from '../src/normalize/words.ts'

// Where a fact stands in Stripe's shapes from 2014 to today. Order of reading: stripe.md 1.3. Ids may be strings or expanded objects.

/** Today's objects with the members that older API versions had. */
export const subscription = reading<Stripe.Subscription>()
export const invoice = reading<Stripe.Invoice>()

type Item = Stripe.SubscriptionItem & { quantity_decimal?: string; deleted?: true }
type Plan = {
  id: string
  amount?: number | null
  amount_decimal?: string | null
  nickname?: string | null
  name?: string | null
  product?: string | null
}

const BASIL = { until: '2025-03-31.basil' }
const BOOLEANS = { until: '2019-03-14' }
const Y2020 = { until: '2020-08-27' }

// ---- subscriptions ----

const { from, is, legacy } = subscription

/** A subscription's items; a shape without them has one plan and quantity at the top. */
const topLevelItem = converter('one item of the plan', (plan: Plan): Item[] => [
  { plan, quantity: null } as unknown as Item,
])
export const items = called(
  'the items',
  firstOf(from('items.data') as Expr<Item[] | null>, topLevelItem(legacy<Plan>('plan', Y2020))),
)

const isMetered = (item: Item) => ((item.price?.recurring ?? item.plan)?.usage_type ?? 'licensed') === 'metered'
const unitAmount = (item: Item) =>
  Number(
    item.price?.unit_amount ?? item.price?.unit_amount_decimal ?? item.plan?.amount ?? item.plan?.amount_decimal ?? -1,
  )

function primaryOf(list: readonly Item[]): Item | null {
  const present = list.filter(({ deleted }) => !deleted)
  const licensed = present.filter((item) => !isMetered(item))
  const among = licensed.length > 0 ? licensed : present
  return among.reduce<Item | null>(
    (best, item) => (best === null || unitAmount(item) > unitAmount(best) ? item : best),
    null,
  )
}
/** The item that stands for a subscription of several. */
export const primary = chooser(
  'primary item',
  'a licensed item before a metered one, then the one with the highest unit amount, then the first',
  primaryOf,
)

export const itemPlanId = (item: Reads<Item>) => firstOf(item.from('price.id'), item.legacy<string>('plan.id', Y2020))
export const itemUnitAmount = (item: Reads<Item>) =>
  called(
    'the unit amount of an item',
    firstOf(
      item.from('price.unit_amount'),
      item.from('price.unit_amount_decimal') as unknown as Expr<string | null>,
      item.legacy<number>('plan.amount', Y2020),
      item.legacy<string>('plan.amount_decimal', Y2020),
    ),
  )
export const itemCurrency = (item: Reads<Item>) =>
  called('the currency of an item', firstOf(item.from('price.currency'), item.legacy<string>('plan.currency', Y2020)))
const metered = (item: Reads<Item>) =>
  called(
    'metered',
    any(
      item.is('price.recurring.usage_type', 'metered'),
      valueIs(item.legacy<string>('plan.usage_type', Y2020), 'metered'),
    ),
  )
/** A metered item has no quantity; a licensed one without is one. */
export const itemQuantity = (item: Reads<Item>) =>
  called(
    'the quantity of an item',
    firstOf(
      toNumber(item.from('quantity_decimal') as Expr<string | null>),
      item.from('quantity'),
      given(not(metered(item)), always(1)),
    ),
  )

export const subscriptionCurrency = firstOf(from('currency'), primary(items, itemCurrency))
/** A price that is sold in several currencies shows its amount in its first one, which need not be the subscription's. */
export const billedAsPriced = called(
  'billed in the currency of its price',
  any(
    valueIs(from('currency') as Expr<string | null>, unset),
    valueIs(primary(items, itemCurrency), unset),
    same(from('currency') as Expr<string | null>, primary(items, itemCurrency)),
  ),
)
const topQuantity = legacy<number>('quantity', Y2020)
const hasItems = called('made of items', valueIs(from('items.data.0') as Expr<object | null>, set))
export const quantity = firstOf(given(not(hasItems), topQuantity), primary(items, itemQuantity))

/** Sum over the licensed items that are priced in the primary item's currency; null where one has no fixed price. */
const inPrimaryCurrency = converter("licensed items in the primary item's currency", (list: Item[]): Item[] => {
  const currency = (item: Item | null) => item?.price?.currency ?? item?.plan?.currency
  const primary = primaryOf(list)
  return list.filter((item) => !item.deleted && !isMetered(item) && currency(item) === currency(primary))
})
const licensedTotal = called(
  'the sum over its licensed items',
  sum(inPrimaryCurrency(items), (item) => product(itemUnitAmount(item), itemQuantity(item))),
)
export const total = given(
  hasItems,
  given(
    some(items, (item) => not(metered(item))),
    licensedTotal,
  ),
  product(primary(items, itemUnitAmount), firstOf(topQuantity, always(1))),
)
export const periodStart = firstOf(
  legacy<number>('current_period_start', BASIL),
  min(items, (item) => item.from('current_period_start')),
  from('start_date'),
  legacy<number>('start', { until: '2019-10-17' }),
)
export const periodEnd = called(
  'the end of its period',
  firstOf(
    legacy<number>('current_period_end', BASIL),
    max(items, (item) => item.from('current_period_end')),
  ),
)
export const trialEnd = firstOf(
  from('trial_end'),
  max(items, (item) => item.from('current_trial.end_date')),
)

export const ended = called('ended', is('status', 'canceled', 'incomplete_expired'))
/** A pending cancellation shows in one field or the other, by the way it was asked for (clover's portal sets the date alone). */
export const cancellationMark = called(
  'marked for cancellation',
  any(is('cancel_at_period_end', true), is('cancel_at', set)),
)
export const pendingCancel = called('due to be cancelled', all(not(ended), cancellationMark))
export const pausedHard = called('paused by its status', is('status', 'paused'))
/** Collection paused: Stripe leaves the status as it is. */
export const pausedSoft = called('paused in its collection', all(not(ended), is('pause_collection', set)))
export const paused = called('paused', any(pausedHard, pausedSoft))
/** Whose it is; an object that names nobody stands for its own user. */
export const customerOf = called('its customer', firstOf(idOf(from('customer')), from('customer_account'), from('id')))

// ---- invoices ----

export type Line = Stripe.InvoiceLineItem
const inv = invoice
const invLegacy = invoice.legacy

export const lines = inv.from('lines.data')
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
export const invoiceSubscription = called(
  "the invoice's subscription",
  firstOf(
    idOf(invLegacy<string | { id: string }>('subscription', BASIL)),
    idOf(inv.from('parent.subscription_details.subscription')),
    firstSubscribed(lines, subscriptionOfLine),
  ),
)
export const invoiceCustomer = called(
  "the invoice's customer",
  firstOf(idOf(inv.from('customer')), inv.from('customer_account'), inv.from('id')),
)
/** Before 2019-03-14 there was no status but three booleans. */
export const invoicePaid = called(
  'paid',
  any(inv.is('status', 'paid'), all(inv.is('status', unset), valueIs(invLegacy<boolean>('paid', BASIL), true))),
)

/** Open, with something left to pay. */
export const invoiceOwing = called(
  'owing',
  all(
    any(
      inv.is('status', 'open'),
      all(
        inv.is('status', unset),
        ...['paid', 'closed', 'forgiven'].map((end) => not(valueIs(invLegacy<boolean>(end, BOOLEANS), true))),
      ),
    ),
    more(
      firstOf(
        inv.from('amount_remaining'),
        minus(inv.from('amount_due'), firstOf(inv.from('amount_paid'), always(0))),
        always(0),
      ),
      always(0),
    ),
  ),
)

export const lineProration = (line: Reads<Line>): Expr<boolean> =>
  firstOf(
    line.from('parent.invoice_item_details.proration'),
    line.from('parent.subscription_item_details.proration'),
    line.legacy<boolean>('proration', BASIL),
    always(false),
  ) as Expr<boolean>
const fromInvoiceItem = (line: Reads<Line>) =>
  any(line.is('parent.type', 'invoice_item_details'), valueIs(line.legacy<string>('type', BASIL), 'invoiceitem'))
const isProration = (line: Reads<Line>) => valueIs(lineProration(line), true)
/** Bought once, as opposed to a period of a subscription or its proration. */
export const oneOff = (line: Reads<Line>) => called('one-off', all(fromInvoiceItem(line), not(isProration(line))))
/** What the contract calls a line; one that names neither a subscription nor an invoice item was bought once. */
export const lineType = (line: Reads<Line>) =>
  given(
    any(
      oneOff(line),
      all(line.is('parent', unset), valueIs(line.legacy<string>('type', BASIL), unset), line.is('subscription', unset)),
    ),
    always('item'),
    always('subscription'),
  )
/** A period of a subscription: what a renewal bills. */
export const periodLine = (line: Reads<Line>) =>
  called('for a period', all(not(fromInvoiceItem(line)), not(isProration(line))))

type PriceRef = string | { id?: string | null; product?: string | { id: string } | null }
export const linePriceId = (line: Reads<Line>) =>
  firstOf(
    idOf(line.from('pricing.price_details.price')),
    idOf(line.legacy<PriceRef>('price', BASIL) as Expr<any>),
    line.legacy<string>('plan.id', BASIL),
  ) as Expr<string | null>
export const lineProductId = (line: Reads<Line>) =>
  firstOf(
    idOf(line.from('pricing.price_details.product') as Expr<any>),
    idOf(line.legacy<string>('price.product', BASIL)),
    idOf(line.legacy<string>('plan.product', BASIL)),
  ) as Expr<string | null>
export const lineQuantity = (line: Reads<Line>) =>
  firstOf(toNumber(line.from('quantity_decimal') as unknown as Expr<string | null>), line.from('quantity'))
export const lineUnitAmount = (line: Reads<Line>) =>
  firstOf(
    line.from('pricing.unit_amount_decimal') as unknown as Expr<string | null>,
    line.legacy<number>('price.unit_amount', BASIL),
    line.legacy<string>('price.unit_amount_decimal', BASIL),
    line.legacy<number>('plan.amount', BASIL),
    line.legacy<string>('plan.amount_decimal', BASIL),
  )

// ---- facts kept of other objects ----

export const customerMetadata = (id: Expr<string | null>) =>
  kept('customer', id)(reading<Stripe.Customer>().from('metadata.client_user_id'))
export const customerEmail = (id: Expr<string | null>) => kept('customer', id)(reading<Stripe.Customer>().from('email'))
export const productName = (id: Expr<string | null>) => kept('product', id)(reading<Stripe.Product>().from('name'))
export const productDescription = (id: Expr<string | null>) =>
  kept('product', id)(reading<Stripe.Product>().from('description'))

/** Invoices routinely arrive before the subscription they bill. */
export const waitForSubscription = {
  fact: 'subscription',
  key: invoiceSubscription,
  unless: any(valueIs(invoiceSubscription, unset), kept('subscription', invoiceSubscription).known),
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

// ---- links: which payment belongs to what, and which checkout the client registered ----

type Link = {
  invoice: string | null
  charge: string | null
  payment_intent: string | null
  session: string | null
  credit_note: string | null
}
const linkKey = converter('link', (id: string) => `link:${id}`)
const checkoutKey = converter('checkout', (id: string) => `checkout:${id}`)
/** One end of the ties that an id has. */
export const linked = (id: Expr<string | null>, end: keyof Link): Expr<string | null> =>
  kept('link', linkKey(id))(reading<Link>().from(end))
/** The registered checkout of an id: a Checkout session's, or Flo's own. */
export const checkoutOf = (id: Expr<string | null>) => kept('checkout', checkoutKey(id))(self<any>())
const marked = reading<{ metadata: Record<string, string> | null }>()
/** The checkout that Flo's own mark on an object names. */
const checkoutMark = called(
  "Flo's mark on it",
  firstOf(
    marked.from('metadata.flo_checkout_session'),
    marked.from('metadata.checkoutSessionId'),
    marked.from('metadata.initialCheckoutSessionId'),
  ),
)
/** The registered checkout that led to the object at hand: by Flo's mark on it, by Stripe's session, by the mark on that. */
export const checkoutBehind = (...sessions: Expr<string | null>[]): Expr<any> =>
  called(
    'the registered checkout',
    firstOf(
      checkoutOf(checkoutMark),
      ...sessions.map(checkoutOf),
      ...sessions.map((session) => checkoutOf(kept('checkout.session', session)(checkoutMark))),
    ),
  )
/** The client's own id of the user that it registered a checkout for. */
export const registeredUser = (checkout: Expr<any>): Expr<string | null> =>
  computed('user of the checkout', (found: any) => found?.client_user_id ?? null, checkout)
/** The same for an invoice: by itself, or by the subscription that it bills. */
export const invoiceCheckout = firstOf(
  checkoutBehind(linked(inv.from('id'), 'session'), linked(invoiceSubscription, 'session')),
  checkoutOf(kept('subscription', invoiceSubscription)(checkoutMark)),
)
