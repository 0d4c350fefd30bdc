import Big from 'big.js'
import type Stripe from 'stripe'
import { called, computed, is, max, rankOf } from '../../src/normalize/words.ts'
import { PRICES } from '../versions.ts'
import { itemPlanId, items, subscription } from './subscription.ts'

// What a subscription is worth a month at list price, so that two states of it can be compared.

type Item = Stripe.SubscriptionItem & { quantity_decimal?: string; deleted?: true }
type Price = Pick<Stripe.Price, 'id' | 'unit_amount' | 'currency' | 'billing_scheme'> & {
  amount?: number | null
  amount_decimal?: string | null
  unit_amount_decimal?: string | null
  interval?: string
  interval_count?: number | null
  usage_type?: string
  recurring?: { interval: string; interval_count: number; usage_type: string } | null
  transform_quantity?: { divide_by: number; round: 'up' | 'down' } | null
}

const present = (list: readonly Item[] | null) => (list ?? []).filter(({ deleted }) => !deleted)
/** Its price or, before prices, plan: two shapes of the same facts. */
const priceOf = (item: Item) => (item.price ?? item.plan) as unknown as Price
const unitOf = (price: Price) =>
  price.billing_scheme === 'tiered'
    ? null
    : (price.unit_amount_decimal ?? price.unit_amount ?? price.amount_decimal ?? price.amount ?? null)
const isMetered = (price: Price) => (price.recurring ?? price).usage_type === 'metered'
/** Only an invoice tells what it comes to. */
const isOpen = (item: Item) => isMetered(priceOf(item)) || unitOf(priceOf(item)) === null
const quantityOf = (item: Item, top: number | null) => item.quantity_decimal ?? item.quantity ?? top ?? 1

/** Periods a year by interval: a year has 365 days, and 12 months. */
const PERIODS: Readonly<Record<string, Big>> = {
  day: Big(365),
  week: Big(365).div(7),
  month: Big(12),
  year: Big(1),
}
const MONTHS = 12
/** A sum of thirds is compared to this many decimals. */
const DECIMALS = 12

const exact = Big()
exact.DP = 40

function monthly(item: Item, top: number | null): Big {
  const price = priceOf(item)
  const { interval = 'month', interval_count } = price.recurring ?? price
  const { transform_quantity: packs } = price
  const quantity = exact(quantityOf(item, top))
  const units = packs
    ? quantity.div(packs.divide_by).round(0, packs.round === 'up' ? Big.roundUp : Big.roundDown)
    : quantity
  return exact(unitOf(price)!)
    .times(units)
    .times(PERIODS[interval] ?? MONTHS)
    .div(exact(interval_count ?? 1).times(MONTHS))
}

const topQuantity = subscription.legacy<number>('quantity', PRICES)

/** Minor units a month over the items with a fixed price, a decimal string: days, weeks, months and years made comparable. */
export const monthlyValue = called(
  'its recurring monthly value',
  computed(
    'unit amount × quantity a month, over the items with a fixed price',
    (list, top): string =>
      present(list)
        .filter((item) => !isOpen(item))
        .reduce((sum, item) => sum.plus(monthly(item, top)), exact(0))
        .round(DECIMALS)
        .toFixed(),
    items,
    topQuantity,
  ),
)

const listed = (parts: readonly string[]) => [...new Set(parts)].sort().join(' + ')

/** What it consists of: plans, unit amounts and quantities. */
export const plansAndQuantities = called(
  'its plans and quantities',
  computed(
    'plan, unit amount and quantity of each item',
    (list, top): string =>
      present(list)
        .map(
          (item) =>
            `${priceOf(item).id} at ${unitOf(priceOf(item))} × ${isMetered(priceOf(item)) ? 'use' : quantityOf(item, top)}`,
        )
        .sort()
        .join(' + '),
    items,
    topQuantity,
  ),
)

/** The currencies that its items are priced in. */
export const currencies = called(
  'the currencies of its items',
  computed('currencies', (list): string => listed(present(list).map((item) => priceOf(item).currency)), items),
)
/** Its items are priced in one currency. */
export const oneCurrency = is(
  computed('one currency', (text): true | null => (text?.includes(' + ') ? null : true), currencies),
  true,
)

/** The items that are tiered or metered, with their quantities. */
export const openItems = called(
  'its tiered and metered items',
  computed(
    'plan and quantity of each tiered or metered item',
    (list, top): string =>
      listed(
        present(list)
          .filter(isOpen)
          .map((item) => `${priceOf(item).id} × ${isMetered(priceOf(item)) ? 'use' : quantityOf(item, top)}`),
      ),
    items,
    topQuantity,
  ),
)

/** The highest rank among its plans by configuration; null when none has one. */
export const planRank = called(
  'its rank',
  max(items, (item) => rankOf(itemPlanId(item))),
)
