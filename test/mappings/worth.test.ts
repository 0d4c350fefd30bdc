import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { monthlyValue } from '../../mappings/accessors/worth.ts'
import { readValue } from '../../src/language/read.ts'
import { bareInput } from '../../src/normalize/world/bare-input.ts'
import { present } from '../support/present.ts'
import { heard, story } from '../support/story.ts'

/** An item of a subscription with what its price says, in Stripe's own terms. */
interface Item {
  plan: number
  /** Minor units, up to 12 decimals. */
  amount: string
  quantity: string
  interval: 'day' | 'week' | 'month' | 'year'
  count: number
  packs: { divide_by: number; round: 'up' | 'down' } | null
  currency: string
  usage: 'licensed' | 'metered'
}

const decimalUpTo = (most: number) =>
  fc
    .tuple(fc.bigInt({ min: 0n, max: 10n ** 15n }), fc.nat(most))
    .map(([digits, places]) => decimalOf({ over: digits, under: 10n ** BigInt(places) }, places))
const amounts = fc.oneof(
  fc.nat(1_000_000).map(String),
  decimalUpTo(12),
  fc.constantFrom('1000', '12000', '2900', '0.1', '0.3'),
)
const intervals = fc.oneof(
  fc.record({ interval: fc.constantFrom('month', 'week', 'day'), count: fc.integer({ min: 1, max: 36 }) }),
  fc.record({ interval: fc.constant('day'), count: fc.constantFrom(365, 7, 30) }),
  fc.record({ interval: fc.constant('year'), count: fc.integer({ min: 1, max: 3 }) }),
) as fc.Arbitrary<Pick<Item, 'interval' | 'count'>>
const items = fc
  .record({
    plan: fc.nat(4),
    amount: amounts,
    quantity: fc.oneof(fc.nat(50).map(String), decimalUpTo(3)),
    packs: fc.option(fc.record({ divide_by: fc.integer({ min: 1, max: 12 }), round: fc.constantFrom('up', 'down') }), {
      freq: 5,
    }),
    terms: intervals,
  })
  .map(({ terms, ...item }): Item => ({ ...item, ...terms, currency: 'usd', usage: 'licensed' }))
const several = fc.array(items, { minLength: 1, maxLength: 5 })

/** A rational number; `under` is positive. */
interface Ratio {
  over: bigint
  under: bigint
}
const ratioOf = (text: string): Ratio => {
  const [whole, fraction = ''] = text.split('.')
  return { over: BigInt(`${whole}${fraction}`), under: 10n ** BigInt(fraction.length) }
}
const multiplyRatios = (a: Ratio, b: Ratio): Ratio => ({ over: a.over * b.over, under: a.under * b.under })
const addRatios = (a: Ratio, b: Ratio): Ratio => ({
  over: a.over * b.under + b.over * a.under,
  under: a.under * b.under,
})
const compareRatios = (a: Ratio, b: Ratio): bigint => a.over * b.under - b.over * a.under
/** Rounded to so many places, half up. */
function decimalOf({ over, under }: Ratio, places: number): string {
  const digits = ((over * 10n ** BigInt(places) * 2n + under) / (2n * under)).toString().padStart(places + 1, '0')
  return places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`.replace(/\.?0+$/, '')
}

/** Months, and parts of them: 365 days are 12 months. */
const MONTHS: Record<Item['interval'], Ratio> = {
  day: { over: 12n, under: 365n },
  week: { over: 84n, under: 365n },
  month: { over: 1n, under: 1n },
  year: { over: 12n, under: 1n },
}
function exactWorth({ amount, quantity, interval, count, packs }: Item): Ratio {
  const units = ratioOf(quantity)
  const each = BigInt(packs?.divide_by ?? 1) * units.under
  const full = units.over / each
  const billed = packs ? { over: full + (packs.round === 'up' && units.over % each > 0n ? 1n : 0n), under: 1n } : units
  const { over, under } = multiplyRatios(ratioOf(amount), billed)
  const months = MONTHS[interval]
  return { over: over * months.under, under: under * months.over * BigInt(count) }
}
const worthOf = (list: readonly Item[]): Ratio => list.map(exactWorth).reduce(addRatios, { over: 0n, under: 1n })

const itemOf = ({ plan, amount, quantity, interval, count, packs, currency, usage }: Item, at: number) => ({
  id: `si_${at}`,
  object: 'subscription_item',
  price: {
    // The same plan is the same price wherever it stands.
    id: ['price', plan, amount, interval, count, packs && [packs.divide_by, packs.round], currency, usage].join('_'),
    object: 'price',
    billing_scheme: 'per_unit',
    currency,
    product: `prod_${plan}`,
    recurring: { interval, interval_count: count, usage_type: usage },
    transform_quantity: packs,
    unit_amount: amount.includes('.') ? null : Number(amount),
    unit_amount_decimal: amount,
  },
  ...(usage === 'metered'
    ? {}
    : { quantity: Math.trunc(Number(quantity)), ...(quantity.includes('.') && { quantity_decimal: quantity }) }),
})
const subscriptionOf = (list: readonly Item[]) => ({
  id: 'sub_1',
  object: 'subscription',
  currency: present(list[0]).currency,
  customer: 'cus_1',
  items: { object: 'list', data: list.map(itemOf), has_more: false },
  metadata: { client_user_id: 'user_1' },
  status: 'active',
})

const monthlyValueOf = (list: readonly Item[]): string =>
  readValue(monthlyValue, bareInput({ eventId: 'evt_1', type: 'any', createdAt: new Date(0) }, subscriptionOf(list)))

/** What Florentin's clients hear of a change from some items to others. */
function emittedTypes(before: readonly Item[], after: readonly Item[]): string[] {
  const update = {
    id: 'evt_1',
    type: 'customer.subscription.updated',
    created: 1_760_000_000,
    data: { object: subscriptionOf(after), previous_attributes: { items: { data: before.map(itemOf) } } },
  }
  return heard(story([update]), 'florentin.v1').map(({ type }) => type.slice('subscription.'.length))
}

const runs = { numRuns: 300, seed: 20_261_122 }

describe('the monthly value of a subscription', () => {
  test('is the exact one, to a millionth of a millionth of a minor unit', () => {
    fc.assert(
      fc.property(several, (list) => {
        expect(monthlyValueOf(list)).toBe(decimalOf(worthOf(list), 12))
      }),
      runs,
    )
  })

  test('is that of its items together', () => {
    const exact = fc.array(
      items.map((item) => ({ ...item, interval: 'month' as const, count: 1 })),
      { maxLength: 4 },
    )
    fc.assert(
      fc.property(exact, exact, (some, others) => {
        fc.pre(some.length > 0 && others.length > 0)
        const sum = addRatios(ratioOf(monthlyValueOf(some)), ratioOf(monthlyValueOf(others)))
        // Each side is rounded once.
        const off = compareRatios(sum, ratioOf(monthlyValueOf([...some, ...others])))
        const under = sum.under * ratioOf(monthlyValueOf([...some, ...others])).under
        expect((off < 0n ? -off : off) * 10n ** 12n <= 2n * under).toBe(true)
      }),
      runs,
    )
  })

  test('grows with the quantity: of so many units it is that of as many items of one', () => {
    fc.assert(
      fc.property(items, fc.integer({ min: 1, max: 9 }), (item, quantity) => {
        const one = { ...item, quantity: '1', packs: null }
        const each = Array.from({ length: quantity }, () => one)
        expect(monthlyValueOf([{ ...one, quantity: String(quantity) }])).toBe(monthlyValueOf(each))
      }),
      runs,
    )
  })

  test.each([
    [{ interval: 'year', count: 1 }, 12n],
    [{ interval: 'month', count: 12 }, 12n],
    [{ interval: 'month', count: 3 }, 3n],
    [{ interval: 'year', count: 3 }, 36n],
    [{ interval: 'week', count: 365 }, 84n],
    [{ interval: 'day', count: 365 }, 12n],
    [{ interval: 'day', count: 730 }, 24n],
  ] as const)('%o costs as much as %d months', (terms, months) => {
    fc.assert(
      fc.property(items, (item) => {
        const dearer = decimalOf(multiplyRatios(ratioOf(item.amount), { over: months, under: 1n }), 12)
        const byMonth = { ...item, interval: 'month', count: 1 } as const
        expect(monthlyValueOf([{ ...item, ...terms, amount: dearer }])).toBe(monthlyValueOf([byMonth]))
      }),
      { ...runs, numRuns: 50 },
    )
  })

  test('a week is seven days', () => {
    fc.assert(
      fc.property(items, fc.integer({ min: 1, max: 52 }), (item, weeks) => {
        const [byWeek, byDay] = [
          { interval: 'week', count: weeks },
          { interval: 'day', count: 7 * weeks },
        ] as const
        expect(monthlyValueOf([{ ...item, ...byWeek }])).toBe(monthlyValueOf([{ ...item, ...byDay }]))
      }),
      runs,
    )
  })

  test('is the same in whatever order its items stand', () => {
    fc.assert(
      fc.property(
        several.chain((list) =>
          fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length, maxLength: list.length })),
        ),
        ([list, shuffled]) => {
          expect(monthlyValueOf(shuffled)).toBe(monthlyValueOf(list))
          expect(emittedTypes(list, shuffled)).toEqual([])
        },
      ),
      runs,
    )
  })
})

describe('a change of plan', () => {
  test('is an upgrade when what it is worth rises, a downgrade when it falls, else neither', () => {
    fc.assert(
      fc.property(several, several, (before, after) => {
        const rise = compareRatios(ratioOf(decimalOf(worthOf(after), 12)), ratioOf(decimalOf(worthOf(before), 12)))
        expect(emittedTypes(before, after)).toEqual(rise > 0n ? ['upgraded'] : rise < 0n ? ['downgraded'] : [])
      }),
      runs,
    )
  })

  test('is the opposite of its way back', () => {
    const back: Record<string, string> = { upgraded: 'downgraded', downgraded: 'upgraded' }
    fc.assert(
      fc.property(several, several, (before, after) => {
        expect(emittedTypes(after, before)).toEqual(emittedTypes(before, after).map((type) => back[type]))
      }),
      runs,
    )
  })

  test('to the same value in another form is neither', () => {
    fc.assert(
      fc.property(items, fc.integer({ min: 2, max: 6 }), (item, parts) => {
        const whole = { ...item, quantity: String(parts), packs: null }
        const apart = Array.from({ length: parts }, (_, at) => ({ ...whole, plan: at, quantity: '1' }))
        expect(emittedTypes([whole], apart)).toEqual([])
      }),
      runs,
    )
  })

  test('between currencies, or among several, is never compared', () => {
    const currency = fc.constantFrom('usd', 'eur', 'jpy')
    const priced = fc.array(
      fc.tuple(items, currency).map(([item, currency]) => ({ ...item, currency })),
      { minLength: 1, maxLength: 3 },
    )
    fc.assert(
      fc.property(priced, priced, (before, after) => {
        fc.pre(new Set([...before, ...after].map(({ currency }) => currency)).size > 1)
        expect(emittedTypes(before, after)).toEqual([])
      }),
      runs,
    )
  })

  test('is judged by the rest when a metered item stays, and not at all when it changes without a rank', () => {
    fc.assert(
      fc.property(several, several, items, items, (before, after, item, other) => {
        const metered = { ...item, usage: 'metered' } as const
        const another = { ...other, plan: item.plan + 10, usage: 'metered' } as const
        expect(emittedTypes([...before, metered], [metered, ...after])).toEqual(emittedTypes(before, after))
        expect(emittedTypes([...before, metered], [another, ...after])).toEqual([])
      }),
      runs,
    )
  })
})
