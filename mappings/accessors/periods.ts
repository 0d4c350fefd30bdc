import type Stripe from 'stripe'
import type { Expr } from '../../src/language/mapping.ts'
import { called, computed, converter } from '../../src/language/words.ts'
import { BASIL } from '../versions.ts'
import { items, subscription } from './subscription.ts'

// The periods of a subscription: since basil each of its items has its own, and they may be of different lengths.

/** Unix seconds. */
export interface Period {
  start: number
  end: number
}
interface Term extends Period {
  itemId: string | undefined
  planId: string | undefined
  interval: string
  count: number
}

type Terms = { id?: string; interval?: string; interval_count?: number | null; recurring?: Terms | null }
type Item = Stripe.SubscriptionItem

const HOUR = 3600
const DAY = 86_400
/** No subscription is paid later than that: longer chains of periods are not followed. */
const MOST_PERIODS = 500

function termsOf(list: readonly Item[] | null, start: number | null, end: number | null): Term[] {
  const present = (list ?? []).filter(({ deleted }: { deleted?: unknown }) => !deleted)
  return (present.length > 0 ? present : [{} as Item]).flatMap((item) => {
    const price = (item.price ?? item.plan ?? {}) as Terms
    const terms = price.recurring ?? price
    const [from, to] = [item.current_period_start ?? start, item.current_period_end ?? end]
    if (typeof from !== 'number' || typeof to !== 'number') return []
    const count = Number.isInteger(terms.interval_count) ? Number(terms.interval_count) : 1
    return [{ start: from, end: to, itemId: item.id, planId: price.id, interval: terms.interval ?? '', count }]
  })
}

const dayOf = (second: number) => new Date(second * 1000).getUTCDate()
/** Unix seconds of that day in the month so many months after the one of `from`, or of its last day; at the same time of day. */
function shiftMonths(from: number, months: number, day: number): number {
  const date = new Date(from * 1000)
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth() + months]
  const length = new Date(Date.UTC(year, month + 1, 0)).getUTCDate()
  return Date.UTC(year, month, Math.min(day, length)) / 1000 + (from % DAY)
}

/** The period of these terms that begins at the boundary: the current one, or one that others have followed since. */
function periodFrom(term: Term, boundary: number): Period[] {
  const { interval, count } = term
  const isByMonth = interval === 'month' || interval === 'year'
  const isByDay = interval === 'day' || interval === 'week'
  // The day on which periods begin; in a short month it is the last one.
  const day = Math.max(...[term.start, term.end, boundary].map(dayOf))
  const back = (start: number) =>
    isByMonth
      ? shiftMonths(start, -count * (interval === 'year' ? 12 : 1), day)
      : start - count * DAY * (interval === 'week' ? 7 : 1)
  const canGoBack = count > 0 && (isByDay || (isByMonth && shiftMonths(term.start, 0, day) === term.start))
  let { start, end } = term
  for (let passed = 0; canGoBack && passed < MOST_PERIODS && start > boundary + HOUR; passed += 1) {
    end = start
    start = back(start)
  }
  return Math.abs(start - boundary) <= HOUR ? [{ start, end }] : []
}

const lastOf = (periods: readonly Period[]): Period[] =>
  periods.toSorted((a, b) => b.end - a.end || a.start - b.start).slice(0, 1)

/**
 * The period that began at the boundary, of a subscription with these periods: of the items that are billed, where the
 * subscription still has them. Of several it is the one that ends last. Empty while none has begun.
 */
export function periodBegunAt(boundary: number | null, held: readonly Term[], billed: readonly string[]): Period[] {
  if (boundary === null) return lastOf(held)
  const isBilled = new Set(billed)
  const named = held.filter(({ itemId = '', planId = '' }) => isBilled.has(itemId) || isBilled.has(planId))
  const among = named.length > 0 ? named : held
  const begun = among.flatMap((term) => periodFrom(term, boundary))
  if (begun.length > 0) return lastOf(begun)
  // Its periods were moved since: nothing says which of them was paid, but for the current one.
  return among.every(({ end }) => end > boundary) ? lastOf(among) : []
}

/** The current periods of a subscription's items. */
export const currentTerms = called(
  'its current periods',
  computed(
    'one for each item',
    termsOf,
    items as Expr<Item[] | null>,
    subscription.legacy<number>('current_period_start', BASIL),
    subscription.legacy<number>('current_period_end', BASIL),
  ),
)
/** Unix seconds at which they began. */
export const periodStarts = converter('where they begin', (terms: readonly Term[]) => [
  ...new Set(terms.map(({ start }) => start)),
])(currentTerms)
