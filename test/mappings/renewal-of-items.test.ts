import { describe, expect, test } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import { heard, story } from '../support/story.ts'

// Which period a renewal has paid where the items of a subscription have periods of their own, or where its lines show none.

const at = (day: string) => Date.parse(`${day}T00:00:00Z`) / 1000
const on = (day: string) => `${day}T00:00:00.000Z`

type Item = { price: string; interval?: string; usage?: string; quantity?: number; from: string; to: string }
type Shape = 'top level' | 'item level'
const SHAPES: Shape[] = ['top level', 'item level']

const itemOf = ({ price, interval = 'month', usage = 'licensed', quantity = 1, from, to }: Item, shape: Shape) => ({
  id: `si_${price}`,
  object: 'subscription_item',
  ...(usage === 'licensed' && { quantity }),
  price: {
    id: price,
    object: 'price',
    product: 'prod_1',
    unit_amount: interval === 'year' ? 29_000 : 2900,
    currency: 'usd',
    recurring: { interval, interval_count: 1, usage_type: usage },
  },
  ...(shape === 'item level' && { current_period_start: at(from), current_period_end: at(to) }),
})
const subscriptionOf = (items: Item[], shape: Shape) => ({
  id: 'sub_1',
  object: 'subscription',
  customer: 'cus_1',
  status: 'active',
  currency: 'usd',
  created: at('2025-01-01'),
  start_date: at('2025-01-01'),
  metadata: { client_user_id: 'user_1' },
  items: { object: 'list', data: items.map((item) => itemOf(item, shape)), has_more: false },
  ...(shape === 'top level' && {
    current_period_start: at(items[0]?.from ?? ''),
    current_period_end: at(items[0]?.to ?? ''),
  }),
})

let count = 0
const nextId = (prefix: string) => {
  count += 1
  return `${prefix}_${count}`
}
const eventOf = (type: string, object: Json, day: string, previous?: Json): Json => ({
  id: nextId('evt'),
  object: 'event',
  created: at(day),
  livemode: true,
  type,
  data: { object, ...(previous && { previous_attributes: previous }) },
})
const bornWith = (items: Item[], shape: Shape, day = '2025-01-01') =>
  eventOf('customer.subscription.created', subscriptionOf(items, shape), day)
const rolledTo = (items: Item[], shape: Shape, day: string) => {
  const { current_period_end: _end, ...object } = subscriptionOf(items, shape) as Json
  const previous = shape === 'top level' ? { current_period_start: 0, current_period_end: 0 } : { items: { data: [] } }
  return eventOf(
    'customer.subscription.updated',
    { ...object, ...(_end && { current_period_end: _end }) },
    day,
    previous,
  )
}
type Line = {
  price: string
  from: string
  to: string
  amount?: number
  quantity?: number
  proration?: boolean
  usage?: string
}
const lineOf = (line: Line, shape: Shape): Json => ({
  id: nextId('il'),
  object: 'line_item',
  amount: line.amount ?? 2900,
  currency: 'usd',
  quantity: line.quantity ?? 1,
  period: { start: at(line.from), end: at(line.to) },
  ...(shape === 'top level'
    ? {
        type: 'subscription',
        proration: line.proration ?? false,
        subscription: 'sub_1',
        subscription_item: `si_${line.price}`,
        price: { id: line.price, recurring: { interval: 'month', usage_type: line.usage ?? 'licensed' } },
      }
    : {
        parent: {
          type: 'subscription_item_details',
          subscription_item_details: {
            subscription: 'sub_1',
            subscription_item: `si_${line.price}`,
            proration: line.proration ?? false,
          },
        },
        pricing: { price_details: { price: line.price, product: 'prod_1' }, unit_amount_decimal: '2900' },
      }),
})
/** The invoice of the cycle that looks back on this period, paid on that day. */
const paidFor = (
  back: { from: string; to: string },
  lines: Line[],
  { shape, day = back.to, more = false }: { shape: Shape; day?: string; more?: boolean },
) =>
  eventOf(
    'invoice.paid',
    {
      id: `in_${back.to}`,
      object: 'invoice',
      customer: 'cus_1',
      status: 'paid',
      currency: 'usd',
      billing_reason: 'subscription_cycle',
      total: 2900,
      amount_due: 2900,
      amount_paid: 2900,
      amount_remaining: 0,
      period_start: at(back.from),
      period_end: at(back.to),
      metadata: {},
      lines: { object: 'list', data: lines.map((line) => lineOf(line, shape)), has_more: more },
      ...(shape === 'top level'
        ? { subscription: 'sub_1', paid: true }
        : { parent: { type: 'subscription_details', subscription_details: { subscription: 'sub_1' } } }),
    },
    day,
  )
const periodsOf = (events: readonly Json[], patient = false) =>
  heard(story(events, { patient }))
    .filter(({ type }) => type === 'subscription.renewed')
    .map(({ body }) => JSON.parse(body).subscription)
    .map(({ startDate, endDate }) => [startDate, endDate])

const usage = (from: string, to: string): Item => ({ price: 'calls', usage: 'metered', from, to })
const usageLine = (from: string, to: string): Line => ({ price: 'calls', usage: 'metered', from, to })
const march = { from: '2025-03-01', to: '2025-04-01' }
const april = { from: '2025-04-01', to: '2025-05-01' }
const proration: Line = { price: 'base', from: '2025-03-09', to: '2025-04-01', amount: 100, proration: true }

describe('of items with periods of different lengths the renewed one is told', () => {
  const year: Item = { price: 'yearly', interval: 'year', from: '2025-01-01', to: '2026-01-01' }
  const week = (from: string, to: string): Item => ({ price: 'weekly', interval: 'week', from, to })
  const shape = 'item level'

  test.each([
    ['where its usage alone is billed', [usageLine(march.from, march.to)], false],
    ['where the first page shows prorations alone', [proration], true],
    ['where no line is shown', [], true],
  ])('%s, in whatever order', (_, lines, more) => {
    const born = bornWith([year, usage(march.from, march.to)], shape)
    const rolled = rolledTo([year, usage(april.from, april.to)], shape, march.to)
    const paid = paidFor(march, lines, { shape, more })
    const wanted = [[on(april.from), on(april.to)]]
    expect(periodsOf([born, rolled, paid])).toEqual(wanted)
    expect(periodsOf([born, paid, rolled], true)).toEqual(wanted)
    expect(periodsOf([paid, rolled, born], true)).toEqual(wanted)
  })

  test('where two of them begin, the one that ends last', () => {
    const born = bornWith([week('2025-03-25', '2025-04-01'), { price: 'base', ...march }], shape)
    const rolled = rolledTo([week('2025-04-01', '2025-04-08'), { price: 'base', ...april }], shape, march.to)
    const paid = paidFor(march, [proration], { shape, more: true })
    expect(periodsOf([born, rolled, paid])).toEqual([[on(april.from), on(april.to)]])
  })

  test('a line of quantity 0 pays for no period where another does', () => {
    const yearly = { price: 'yearly', from: '2026-01-01', to: '2027-01-01', amount: 0, quantity: 0 }
    const monthly = { price: 'base', from: '2026-01-01', to: '2026-02-01' }
    const back = { from: '2025-12-01', to: '2026-01-01' }
    const born = bornWith(
      [
        { ...year, quantity: 0 },
        { price: 'base', ...back },
      ],
      shape,
    )
    expect(periodsOf([born, paidFor(back, [yearly, monthly], { shape })])).toEqual([
      [on('2026-01-01'), on('2026-02-01')],
    ])
    expect(periodsOf([born, paidFor(back, [yearly], { shape })])).toEqual([[on('2026-01-01'), on('2027-01-01')]])
  })
})

describe.each(SHAPES)('a period that is paid after the subscription went on (periods at the %s)', (shape) => {
  const starts = ['2025-01-31', '2025-02-28', '2025-03-31', '2025-04-30', '2025-05-31', '2025-06-30']
  const month = (index: number) => ({ from: starts[index] ?? '', to: starts[index + 1] ?? '' })
  const born = bornWith([usage(month(0).from, month(0).to)], shape)
  const rolls = (upTo: number) =>
    Array.from({ length: upTo }, (_, roll) =>
      rolledTo([usage(month(roll + 1).from, month(roll + 1).to)], shape, month(roll + 1).from),
    )

  test.each([1, 2, 3, 4])('is the one that began at its boundary, %s periods on', (upTo) => {
    const paid = paidFor(month(0), [usageLine(month(0).from, month(0).to)], { shape, day: '2025-07-01' })
    expect(periodsOf([born, ...rolls(upTo), paid])).toEqual([[on(month(1).from), on(month(1).to)]])
  })

  test('also where prorations alone are shown, or of weeks and days', () => {
    const paid = paidFor(month(0), [{ ...proration, price: 'calls' }], { shape, more: true })
    expect(periodsOf([born, ...rolls(3), paid])).toEqual([[on(month(1).from), on(month(1).to)]])
    const daily = (from: string, to: string): Item => ({ ...usage(from, to), interval: 'day' })
    const days = [
      bornWith([daily('2025-02-27', '2025-02-28')], shape),
      rolledTo([daily('2025-03-03', '2025-03-04')], shape, '2025-03-03'),
    ]
    const back = { from: '2025-02-27', to: '2025-02-28' }
    expect(periodsOf([...days, paidFor(back, [usageLine(back.from, back.to)], { shape })])).toEqual([
      [on('2025-02-28'), on('2025-03-01')],
    ])
  })

  test('is the current one where its periods were moved since', () => {
    const moved = rolledTo([usage('2025-04-10', '2025-05-10')], shape, '2025-04-10')
    const paid = paidFor(month(0), [usageLine(month(0).from, month(0).to)], { shape, day: '2025-04-11' })
    expect(periodsOf([born, moved, paid])).toEqual([[on('2025-04-10'), on('2025-05-10')]])
  })
})

describe.each(SHAPES)('the renewal of a subscription never seen (lines of %s)', (shape) => {
  test.each([
    ['usage alone, in arrears', [usageLine(march.from, march.to)], false],
    ['a first page of prorations', [proration], true],
  ])('by %s begins at the boundary, and its end is not known', (_, lines, more) => {
    expect(periodsOf([paidFor(march, lines, { shape, more })], true)).toEqual([[on(april.from), null]])
  })
})
