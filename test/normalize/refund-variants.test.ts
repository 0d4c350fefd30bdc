import { describe, expect, test } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import {
  charge,
  codesOf,
  eventOf,
  intent,
  invoice,
  items,
  line,
  note,
  paidBy,
  refund,
  refundsOf,
  SECOND,
  session,
} from '../support/refund-story.ts'
import { story } from '../support/story.ts'

/** Every order in which events can arrive. */
const ordersOf = (events: Json[]): Json[][] =>
  events.length < 2
    ? [events]
    : events.flatMap((first) => ordersOf(events.filter((one) => one !== first)).map((rest) => [first, ...rest]))

const shownIn = (events: Json[]) =>
  refundsOf(events)
    .map(({ id, state, refundedAmount }) => [id, state, refundedAmount])
    .sort()

describe('a refund that failed', () => {
  const bought = eventOf('payment_intent.succeeded', intent({ metadata: { flo_product: 'prod_x' } }))
  const made = eventOf('refund.created', refund({ amount: 4000 }), { at: 1000 })
  const failed = eventOf('refund.failed', refund({ amount: 4000, status: 'failed' }), { at: 1200 })
  const again = eventOf('refund.created', refund({ id: 're_2' }), { at: 3000 })

  test.each([
    ['refund.failed', failed],
    [
      'refund.updated to failed',
      eventOf('refund.updated', failed.data.object, { at: 1200, previous: { status: 'succeeded' } }),
    ],
    [
      'refund.updated to canceled',
      eventOf('refund.updated', refund({ amount: 4000, status: 'canceled' }), {
        at: 1200,
        previous: { status: 'requires_action' },
      }),
    ],
    [
      'charge.refund.updated to failed',
      eventOf('charge.refund.updated', failed.data.object, { at: 1200, previous: { status: 'succeeded' } }),
    ],
  ])('is not told and not counted when an older event says that it succeeded: %s', (_, event) => {
    expect(shownIn([bought, event, made, again])).toEqual([['prod_x', 'refunded', 100]])
    expect(codesOf('refund.created', [bought, event, made])).toEqual(['refund_failed'])
  })

  test('is counted no longer where the charge alone told of it', () => {
    const paid = eventOf('invoice.paid', invoice([line('a', 10000)], { charge: 'ch_1' }))
    const rise = (amount: number, at: number) =>
      eventOf('charge.refunded', charge({ amount_refunded: amount, refunded: amount === 10000, invoice: 'in_1' }), {
        at,
        previous: { amount_refunded: 0 },
      })
    const events = [
      paid,
      rise(5000, 1000),
      eventOf('charge.refund.updated', refund({ amount: 5000, status: 'failed' }), {
        at: 2000,
        previous: { status: 'succeeded' },
      }),
    ]
    expect(items([...events, rise(8000, 3000)], false).at(-1)).toMatchObject({
      refundedAmount: 80,
      state: 'partially_refunded',
    })
  })
})

describe('a sum that the charge comes to once more after a refund that failed', () => {
  const bought = eventOf('checkout.session.completed', session())
  const rise = (sum: number, before: number, at: number) =>
    eventOf('charge.refunded', charge({ amount_refunded: sum }), { at, previous: { amount_refunded: before } })
  const failed = (id: string, at: number) =>
    eventOf('charge.refund.updated', refund({ id, amount: 5000, status: 'failed', created: SECOND + 1000 }), {
      at,
      previous: { status: 'succeeded' },
    })
  const sums = (events: Json[]) => refundsOf(events, false).map(({ refundedAmount }) => refundedAmount)

  test('is told again, however often it failed', () => {
    const events = [bought, rise(5000, 0, 1000), failed('re_1', 2000), rise(5000, 0, 3000)]
    expect(sums(events)).toEqual([50, 50])
    expect(sums([...events, failed('re_2', 4000), rise(5000, 0, 5000)])).toEqual([50, 50, 50])
    expect(sums([...events, rise(10000, 5000, 6000)])).toEqual([50, 50, 100])
  })

  test('is not told where the rise that failed is the one that arrives late', () => {
    expect(sums([bought, failed('re_1', 2000), rise(5000, 0, 1000), rise(5000, 0, 3000)])).toEqual([50])
    expect(sums([bought, failed('re_1', 2000), rise(5000, 0, 3000)])).toEqual([50])
  })

  test('counts what was not seen by itself', () => {
    expect(sums([bought, rise(5000, 0, 1000), failed('re_1', 2000), rise(8000, 3000, 3000)])).toEqual([50, 80])
  })
})

describe('refunds of one second that an old charge lists', () => {
  const listed = (...refunds: [id: string, amount: number, status?: string][]) => ({
    object: 'list',
    data: refunds.map(([id, amount, status = 'succeeded']) => refund({ id, amount, status })),
  })
  const bought = eventOf('checkout.session.completed', session())
  const rise = (sum: number, before: number, refunds: Json) =>
    eventOf('charge.refunded', charge({ amount_refunded: sum, refunds }), {
      at: 1000,
      previous: { amount_refunded: before, refunded: false },
    })
  const both = listed(['re_2', 4000], ['re_1', 2000])
  const told = (events: Json[]) => refundsOf([bought, ...events], false).map(({ refundedAmount }) => refundedAmount)

  test('are told each by itself, with what it gave back', () => {
    expect(told([rise(6000, 0, both), rise(6000, 2000, both)])).toEqual([20, 60])
    expect(told([rise(6000, 2000, both), rise(6000, 0, both)]).at(0)).toBe(60)
    expect(told([rise(2000, 0, listed(['re_1', 2000])), rise(6000, 2000, both)])).toEqual([20, 60])
    const three = listed(['re_3', 1000], ['re_2', 4000], ['re_1', 2000])
    expect(told([rise(7000, 0, three), rise(7000, 2000, three), rise(7000, 6000, three)])).toEqual([20, 60, 70])
  })

  test('also beside one that failed', () => {
    const again = listed(['re_3', 3000], ['re_2', 4000], ['re_1', 2000, 'failed'])
    expect(told([rise(7000, 0, again), rise(7000, 4000, again)])).toEqual([40, 70])
  })

  test('and their reports by themselves are no others', () => {
    const itself = ['re_1', 're_2'].map((id, at) =>
      eventOf('refund.created', refund({ id, amount: at ? 4000 : 2000 }), { at: 1000 }),
    )
    expect(told([rise(6000, 0, both), rise(6000, 2000, both), ...itself])).toEqual([20, 60])
    expect(told([...itself, rise(6000, 0, both), rise(6000, 2000, both)])).toEqual([20, 60])
  })
})

describe('a second refund of the same amount', () => {
  const rise = (sum: number, before: number, at: number) =>
    eventOf('charge.refunded', charge({ amount_refunded: sum }), { at, previous: { amount_refunded: before } })
  const bought = eventOf('checkout.session.completed', session())
  const first = [eventOf('refund.created', refund({ amount: 3000 }), { at: 1000 }), rise(3000, 0, 1000)]
  const second = rise(6000, 3000, 9000)
  const itself = eventOf('refund.created', refund({ id: 're_2', amount: 3000 }), { at: 9000 })

  test.each([
    ['the charge alone', [second]],
    ['the charge, then the refund', [second, itself]],
    ['the refund, then the charge', [itself, second]],
  ])('is told once, by %s', (_, events) => {
    expect(refundsOf([bought, ...first, ...events], false).map((one) => one.refundedAmount)).toEqual([30, 60])
  })
})

describe('several refunds in one second, which each rise of the charge shows already', () => {
  const bought = eventOf('checkout.session.completed', session())
  const first = eventOf('refund.created', refund({ id: 're_1', amount: 2000 }), { at: 1000 })
  const second = eventOf('refund.created', refund({ id: 're_2', amount: 4000 }), { at: 1000 })
  const rises = [0, 2000].map((amount) =>
    eventOf('charge.refunded', charge({ amount_refunded: 6000 }), { at: 1000, previous: { amount_refunded: amount } }),
  )

  test('come to what was given back in all, in whatever order they arrive and however late', () => {
    for (const order of ordersOf([first, second, ...rises]))
      for (const patient of [true, false])
        expect(refundsOf([bought, ...order], patient).at(-1)?.refundedAmount).toBe(60)
  })

  test('are not taken for a later one', () => {
    const later = eventOf('refund.created', refund({ id: 're_3', amount: 1000, created: SECOND + 9000 }), { at: 9000 })
    const told = refundsOf([bought, ...rises, later], false)
    expect(told.map(({ refundedAmount }) => refundedAmount)).toEqual([60, 70])
  })
})

describe('a refund that several credit notes name', () => {
  const parts = [
    eventOf('invoice.paid', invoice([line('a', 10000), line('b', 5000)])),
    paidBy('pi_1'),
    eventOf('refund.created', refund({ amount: 15000 }), { at: 1000 }),
    eventOf('credit_note.created', note('cn_1', 're_1', 10000, [['a', 10000]]), { at: 1000 }),
  ]
  const second = eventOf('credit_note.created', note('cn_2', 're_1', 5000, [['b', 5000]]), { at: 1000 })

  test('waits for all of them, in whatever order they arrive', () => {
    for (const events of ordersOf([...parts, second]))
      expect(shownIn(events)).toEqual([
        ['price_a', 'refunded', 100],
        ['price_b', 'refunded', 50],
      ])
  })

  test('goes on as soon as the last has arrived', () => {
    const later = eventOf('checkout.session.expired', session({ id: 'cs_9', status: 'expired' }), { at: 5000 })
    const { outcomes } = story([...parts, second, later], { patient: true })
    expect(outcomes.slice(-3).map(({ type }) => type)).toEqual([
      'credit_note.created',
      'refund.created',
      'checkout.session.expired',
    ])
  })

  test('gives of a line that a note names no more than the note says', () => {
    expect(
      refundsOf(parts).map(({ id, refundedAmount, metadata }) => [id, refundedAmount, metadata?.attribution]),
    ).toEqual([
      ['price_a', 100, undefined],
      ['price_b', 50, 'invoice'],
    ])
  })
})

test('a refund of a session that bought through its invoice waits for the invoice', () => {
  const events = [
    eventOf('charge.refunded', charge({ amount_refunded: 10000, refunded: true, invoice: 'in_1' }), {
      at: 1000,
      previous: { amount_refunded: 0 },
    }),
    eventOf('checkout.session.completed', session({ invoice: 'in_1' })),
    eventOf('invoice.paid', invoice([line('a', 10000)], { charge: 'ch_1', payment_intent: 'pi_1' })),
  ]
  for (const order of ordersOf(events)) expect(shownIn(order)).toEqual([['price_a', 'refunded', 100]])
})

test('a refund of what was captured before the rest of the payment was cancelled is one', () => {
  const events = [
    eventOf('checkout.session.completed', session({ payment_status: 'unpaid' })),
    eventOf('charge.captured', charge({ amount_captured: 4000, amount_refunded: 6000 }), {
      at: 400,
      previous: { captured: false },
    }),
    eventOf('payment_intent.canceled', intent({ status: 'canceled', amount_received: 4000 }), { at: 600 }),
    eventOf('refund.created', refund({ amount: 4000 }), { at: 1000 }),
  ]
  for (const order of ordersOf(events)) expect(shownIn(order)).toEqual([[null, 'refunded', 40]])
})

describe('a refund that nobody attributes belongs to the first line that something was paid for', () => {
  test('of an invoice whose first line a discount pays for', () => {
    const free = line('a', 6000, { discount_amounts: [{ amount: 6000 }] })
    const paid = { subtotal: 10000, total: 4000, amount_due: 4000, amount_paid: 4000 }
    const events = [
      eventOf('invoice.paid', invoice([free, line('b', 4000)], paid)),
      paidBy('pi_1'),
      eventOf('refund.created', refund({ amount: 1000 }), { at: 1000 }),
    ]
    expect(shownIn(events)).toEqual([['price_b', 'partially_refunded', 10]])
  })

  test('of a Checkout session whose first line a discount pays for', () => {
    const lineOf = (id: string, subtotal: number, total: number) => ({
      id: `li_${id}`,
      amount_subtotal: subtotal,
      amount_total: total,
      currency: 'usd',
      quantity: 1,
      price: { id: `price_${id}`, unit_amount: subtotal },
    })
    const list = { object: 'list', has_more: false, data: [lineOf('a', 6000, 0), lineOf('b', 10000, 10000)] }
    const events = [
      eventOf('checkout.session.completed', session({ line_items: list })),
      eventOf('refund.created', refund({ amount: 1000 }), { at: 1000 }),
    ]
    expect(shownIn(events)).toEqual([['price_b', 'partially_refunded', 10]])
  })
})
