import Big from 'big.js'
import type Stripe from 'stripe'
import { decimalOf } from '../../src/domain/money.ts'
import { max } from '../../src/language/list-words.ts'
import { called, computed, converter, rankOf } from '../../src/language/words.ts'
import { PRICES } from '../versions.ts'
import { inPacks, itemPlanId, items, type Packs, subscription } from './subscription.ts'

// What a subscription is worth a month at list price, so that two states of it can be compared.

type Item = Stripe.SubscriptionItem & { quantity_decimal?: string; deleted?: true }
/** A price or, before prices, plan: two shapes of the same facts. */
type Price = {
  id?: string
  currency?: string
  billing_scheme?: string
  unit_amount?: number | null
  unit_amount_decimal?: string | null
  amount?: number | null
  amount_decimal?: string | null
  interval?: string
  interval_count?: number | null
  usage_type?: string
  recurring?: { interval: string; interval_count: number; usage_type: string } | null
  transform_quantity?: Packs | null
  transform_usage?: Packs | null
}

/** Periods in seven years, which are whole numbers of all of them: a year has 12 months, and 365 days. */
const PERIODS: Readonly<Record<string, number | undefined>> = { day: 2555, week: 365, month: 84, year: 7 }
const MONTHS = 84
/** Decimals of a minor unit that are kept: one division, so that equal values are equal texts. */
const RoundedBig = Big()
RoundedBig.DP = 12

const presentItems = (list: readonly Item[] | null) => (list ?? []).filter(({ deleted }) => !deleted)
const priceOf = (item: Item): Price => (item.price ?? item.plan ?? {}) as unknown as Price
const termsOf = (price: Price) => price.recurring ?? price
/** A number or decimal text as decimal text; null where it is none: it sets no worth. */
function readDecimal(amount: number | string | null): string | null {
  try {
    return amount === null ? null : decimalOf(amount).toFixed()
  } catch {
    return null
  }
}
/** Minor units of one unit; null where tiers set it. */
function unitAmountOf({ billing_scheme = 'per_unit', ...price }: Price): string | null {
  const amount = price.unit_amount_decimal ?? price.unit_amount ?? price.amount_decimal ?? price.amount ?? null
  return billing_scheme === 'per_unit' ? readDecimal(amount) : null
}
const isMetered = (price: Price) => (termsOf(price).usage_type ?? 'licensed') !== 'licensed'
/** The fixed terms of an item; null where tiers or usage set its worth: only an invoice shows what that comes to. */
function fixedTermsOf(item: Item): { unitAmount: string; periods: number; count: number } | null {
  const price = priceOf(item)
  const { interval = '', interval_count: count } = termsOf(price)
  const [unitAmount, periods] = [unitAmountOf(price), PERIODS[interval]]
  if (isMetered(price) || unitAmount === null || periods === undefined || !isIntervalCount(count ?? 1)) return null
  return { unitAmount, periods, count: count ?? 1 }
}
/** Stripe bills three years at most. */
const isIntervalCount = (count: number) => Number.isInteger(count) && count >= 1 && count <= 1_096
const isOpen = (item: Item) => fixedTermsOf(item) === null
const quantityOf = (item: Item, top: number | null) => item.quantity_decimal ?? item.quantity ?? top ?? 1

/** What the items with fixed terms come to in seven years, times `common`, which every interval count divides. */
const inSevenYears = (list: readonly Item[], top: number | null, common: Big): Big =>
  list.reduce((sum, item) => {
    const terms = fixedTermsOf(item)
    if (!terms) return sum
    const price = priceOf(item)
    const units = inPacks(decimalOf(quantityOf(item, top)), price.transform_quantity ?? price.transform_usage)
    return sum.plus(Big(terms.unitAmount).times(units).times(common.times(terms.periods).div(terms.count)))
  }, Big(0))

const topQuantity = subscription.legacy<number>('quantity', PRICES)

/** Minor units a month over the items with a fixed price, a decimal string: days, weeks, months and years made comparable. */
export const monthlyValue = called(
  'its recurring monthly value',
  computed(
    'unit amount × quantity, by packs where it is sold so, of the items with a fixed price, for a month: a year has 12, and 365 days',
    (list, top): string => {
      const fixed = presentItems(list)
      const counts = fixed.flatMap((item) => fixedTermsOf(item)?.count ?? [])
      const common = [...new Set(counts)].reduce((product, count) => product.times(count), Big(1))
      return RoundedBig(inSevenYears(fixed, top, common))
        .div(common.times(MONTHS))
        .toFixed()
    },
    items,
    topQuantity,
  ),
)

const joinSorted = (parts: readonly string[]) => parts.toSorted().join(' + ')
const quantityWords = (item: Item, top: number | null) =>
  isMetered(priceOf(item)) ? 'by use' : `× ${decimalOf(quantityOf(item, top)).toFixed()}`

/** What it consists of: plans, unit amounts and quantities. */
export const plansAndQuantities = called(
  'its plans and quantities',
  computed(
    'plan, unit amount and quantity of each item',
    (list, top): string =>
      joinSorted(
        presentItems(list).map((item) => {
          const [price, unit] = [priceOf(item), unitAmountOf(priceOf(item))]
          return `${price.id}${unit === null ? '' : ` at ${unit}`} ${quantityWords(item, top)}`
        }),
      ),
    items,
    topQuantity,
  ),
)

/** The plans alone. */
export const plans = called(
  'its plans',
  computed(
    'plan of each item',
    (list): string => joinSorted(presentItems(list).map((item) => priceOf(item).id ?? '')),
    items,
  ),
)

/** The currencies that its items are priced in. */
export const currencies = called(
  'the currencies of its items',
  computed(
    'currency of each item, each once',
    (list): string => joinSorted([...new Set(presentItems(list).map((item) => priceOf(item).currency ?? ''))]),
    items,
  ),
)
/** How many those are. */
export const currencyCount = called(
  'the number of those currencies',
  computed('count', (text): number => (text ?? '').split(' + ').length, currencies),
)

/** The items that are tiered or metered, with their quantities. */
export const openItems = called(
  'its tiered and metered items',
  computed(
    'plan and quantity of each tiered or metered item',
    (list, top): string =>
      joinSorted(
        presentItems(list)
          .filter(isOpen)
          .map((item) => `${priceOf(item).id} ${quantityWords(item, top)}`),
      ) || 'none',
    items,
    topQuantity,
  ),
)

/** The highest rank among its plans by configuration; null when none has one. */
export const planRank = called(
  'its rank',
  max(converter('those in use', presentItems)(items), (item) => rankOf(itemPlanId(item))),
)
