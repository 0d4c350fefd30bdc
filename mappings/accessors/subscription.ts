import Big from 'big.js'
import type Stripe from 'stripe'
import { decimalOf } from '../../src/domain/money.ts'
import { idOf, product, toNumber } from '../../src/language/converters.ts'
import { chooser, max, min, some, sum } from '../../src/language/list-words.ts'
import { type Expr, set, unset } from '../../src/language/mapping.ts'
import {
  all,
  always,
  any,
  called,
  computed,
  converter,
  firstOf,
  given,
  is,
  not,
  type Reads,
  reading,
  same,
} from '../../src/language/words.ts'
import { BASIL, PRICES } from '../versions.ts'

// Where a fact stands in Stripe's subscriptions from 2014 to today; ids may be strings or expanded objects.

/** Today's subscription; `legacy` reads the members that older API versions had. */
export const subscription = reading<Stripe.Subscription>()
const { from, has, legacy } = subscription

type Item = Stripe.SubscriptionItem & { quantity_decimal?: string; deleted?: true }
type Plan = {
  id: string
  amount?: number | null
  amount_decimal?: string | null
  nickname?: string | null
  name?: string | null
  product?: string | null
}

/** Units are billed by the pack. */
export type Packs = { divide_by: number; round: string }

const topLevelItem = converter('one item of the plan', (plan: Plan): Item[] => [
  { plan, quantity: null } as unknown as Item,
])
/** The items, also of a shape that has one plan and quantity at the top. */
export const items = called(
  'the items',
  firstOf(from('items.data') as Expr<Item[] | null>, topLevelItem(legacy<Plan>('plan', PRICES))),
)

const isMetered = (item: Item) => ((item.price?.recurring ?? item.plan)?.usage_type ?? 'licensed') === 'metered'
const unitAmount = (item: Item) =>
  Number(
    item.price?.unit_amount ?? item.price?.unit_amount_decimal ?? item.plan?.amount ?? item.plan?.amount_decimal ?? -1,
  )

function primaryOf(list: readonly Item[]): Item | null {
  const standing = list.filter(({ deleted }) => !deleted)
  const counting = standing.filter(({ quantity, quantity_decimal: exact }) => Number(exact ?? quantity ?? 1) !== 0)
  const present = counting.length > 0 ? counting : standing
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
  'one of quantity 0 after all others, a licensed item before a metered one, then the highest unit amount, then the first',
  primaryOf,
)

/** The id of an item's price or, before prices, plan. */
export const itemPlanId = (item: Reads<Item>) => firstOf(item.from('price.id'), item.legacy<string>('plan.id', PRICES))
/** What one unit costs, in minor units: a number, or a decimal string where they are fractional; null when tiered. */
export const itemUnitAmount = (item: Reads<Item>) =>
  called(
    'the unit amount of an item',
    firstOf(
      item.from('price.unit_amount'),
      item.from('price.unit_amount_decimal') as unknown as Expr<string | null>,
      item.legacy<number>('plan.amount', PRICES),
      item.legacy<string>('plan.amount_decimal', PRICES),
    ),
  )
/** The currency that an item is priced in, as Stripe writes it. */
const itemCurrency = (item: Reads<Item>) =>
  called('the currency of an item', firstOf(item.from('price.currency'), item.legacy<string>('plan.currency', PRICES)))
const metered = (item: Reads<Item>) =>
  called(
    'metered',
    any(
      item.has('price.recurring.usage_type', 'metered'),
      is(item.legacy<string>('plan.usage_type', PRICES), 'metered'),
    ),
  )
/** A metered item has no quantity; a licensed one without is one. */
const itemQuantity = (item: Reads<Item>) =>
  called(
    'the quantity of an item',
    firstOf(
      toNumber(item.from('quantity_decimal') as Expr<string | null>),
      item.from('quantity'),
      given(not(metered(item)), always(1)),
    ),
  )

/** How many units a quantity comes to at a price that is sold in packs, which begin or are full; else the quantity itself. */
export const inPacks = (quantity: Big, packs: Packs | null | undefined): Big =>
  packs
    ? quantity.div(decimalOf(packs.divide_by)).round(0, packs.round === 'up' ? Big.roundUp : Big.roundDown)
    : quantity
const unitsBilled = (item: Reads<Item>, quantity: Expr<number | null>) =>
  called(
    'the units that are billed',
    computed(
      'in packs, where it is sold in packs',
      (quantity, packs): string | null => (quantity === null ? null : inPacks(decimalOf(quantity), packs).toFixed()),
      quantity,
      firstOf(item.from('price.transform_quantity'), item.legacy<Packs>('plan.transform_usage', PRICES)),
    ),
  )

/** The currency that is billed; shapes before 2021 have it on the plan alone. */
export const subscriptionCurrency = firstOf(from('currency'), primary(items, itemCurrency))
/** A price that is sold in several currencies shows its amount in its first one, which need not be the subscription's. */
export const billedAsPriced = called(
  'billed in the currency of its price',
  any(
    is(from('currency') as Expr<string | null>, unset),
    is(primary(items, itemCurrency), unset),
    same(from('currency') as Expr<string | null>, primary(items, itemCurrency)),
  ),
)
const topQuantity = legacy<number>('quantity', PRICES)
const hasItems = called('made of items', is(from('items.data.0') as Expr<object | null>, set))
/** How many of the primary item; null when it is metered. */
export const quantity = firstOf(given(not(hasItems), topQuantity), primary(items, itemQuantity))

/** Sum over the licensed items that are priced in the primary item's currency; null where one has no fixed price. */
const inPrimaryCurrency = converter("licensed items in the primary item's currency", (list: Item[]): Item[] => {
  const currency = (item: Item | null) => item?.price?.currency ?? item?.plan?.currency
  const primary = primaryOf(list)
  return list.filter((item) => !item.deleted && !isMetered(item) && currency(item) === currency(primary))
})
const licensedTotal = called(
  'the sum over its licensed items',
  sum(inPrimaryCurrency(items), (item) => product(itemUnitAmount(item), unitsBilled(item, itemQuantity(item)))),
)
/** Unit amount times quantity over the licensed items, in minor units; null where one has no fixed price. */
export const total = given(
  hasItems,
  given(
    some(items, (item) => not(metered(item))),
    licensedTotal,
  ),
  primary(items, (item) => product(itemUnitAmount(item), unitsBilled(item, firstOf(topQuantity, always(1))))),
)
/** Unix seconds at which the current period began; of several items the earliest. */
export const periodStart = firstOf(
  legacy<number>('current_period_start', BASIL),
  min(items, (item) => item.from('current_period_start')),
  from('start_date'),
  legacy<number>('start', { until: '2019-10-17' }),
)
/** Unix seconds at which the current period ends; of several items the latest. */
export const periodEnd = called(
  'the end of its period',
  firstOf(
    legacy<number>('current_period_end', BASIL),
    max(items, (item) => item.from('current_period_end')),
  ),
)
/** Unix seconds at which the trial ends, of the whole or (since endive) of an item. */
export const trialEnd = firstOf(
  from('trial_end'),
  max(items, (item) => item.from('current_trial.end_date')),
)

/** Over for good: judged by the status, never by the presence of ended_at. */
export const ended = called('ended', has('status', 'canceled', 'incomplete_expired'))
/** A pending cancellation shows in one field or the other, by the way it was asked for (clover's portal sets the date alone). */
export const cancellationMark = called(
  'marked for cancellation',
  any(has('cancel_at_period_end', true), has('cancel_at', set)),
)
/** Going on, and cancelled for a later day. */
export const pendingCancel = called('due to be cancelled', all(not(ended), cancellationMark))
/** Paused as a whole: `customer.subscription.paused` is sent for this alone. */
export const pausedHard = called('paused by its status', has('status', 'paused'))
/** Collection paused: Stripe leaves the status as it is. */
export const pausedSoft = called('paused in its collection', all(not(ended), has('pause_collection', set)))
/** Paused in either way. */
export const paused = called('paused', any(pausedHard, pausedSoft))
/** Whose it is; an object without a customer stands for its own user. */
export const customerOf = called('its customer', firstOf(idOf(from('customer')), from('customer_account'), from('id')))
