import { describe, expect, test } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import { present } from '../support/present.ts'
import {
  charge,
  codesOf,
  credited,
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
import { heard, story } from '../support/story.ts'

describe('an authorisation that is never captured is no refund', () => {
  const waiting = eventOf('checkout.session.completed', session({ payment_status: 'unpaid' }))
  const authorised = eventOf('charge.succeeded', charge({ captured: false, amount_captured: 0 }))
  const letGo = charge({ captured: false, amount_captured: 0, amount_refunded: 10000, refunded: true })
  const cases: [string, Json[], string][] = [
    [
      'charge.refunded of it',
      [waiting, eventOf('charge.refunded', letGo, { previous: { amount_refunded: 0 } })],
      'charge.refunded',
    ],
    [
      'charge.refunded of a shape without amount_captured',
      [eventOf('charge.refunded', { ...letGo, amount_captured: undefined }, { previous: { amount_refunded: 0 } })],
      'charge.refunded',
    ],
    ['charge.expired', [waiting, eventOf('charge.expired', letGo)], 'charge.expired'],
    [
      'refund.created that gives the reason',
      [waiting, eventOf('refund.created', refund({ reason: 'expired_uncaptured_charge' }))],
      'refund.created',
    ],
    [
      'refund.created after the charge was authorised',
      [waiting, authorised, eventOf('refund.created', refund())],
      'refund.created',
    ],
    [
      'refund.created of a cancelled payment',
      [
        waiting,
        eventOf('payment_intent.canceled', intent({ status: 'canceled', amount_received: 0 })),
        eventOf('refund.created', refund()),
      ],
      'refund.created',
    ],
    [
      'refund.created that overtakes its charge',
      [
        waiting,
        eventOf('refund.created', refund()),
        eventOf('charge.refunded', letGo, { previous: { amount_refunded: 0 } }),
      ],
      'refund.created',
    ],
  ]
  test.each(cases)('%s', (_, events, type) => {
    expect(items(events)).toEqual([])
    expect(codesOf(type, events)).toEqual(['nothing_captured'])
  })

  test('but a refund after a capture that was not seen by itself is one', () => {
    const refunded = charge({ amount_refunded: 10000, refunded: true })
    const events = [
      waiting,
      authorised,
      eventOf('refund.created', refund(), { at: 1000 }),
      eventOf('charge.refunded', refunded, { at: 1000, previous: { amount_refunded: 0 } }),
    ]
    expect(refundsOf(events)).toMatchObject([{ refundedAmount: 100, state: 'refunded' }])
  })
})

describe('a payment that is captured in part', () => {
  const waiting = eventOf('checkout.session.completed', session({ payment_status: 'unpaid' }))
  const captured = (sum: number) => charge({ amount_captured: 6000, amount_refunded: sum })
  const atCapture = eventOf('charge.captured', captured(4000), {
    at: 60,
    previous: { captured: false, amount_refunded: 0 },
  })

  test('releases the rest, which is no refund', () => {
    const released = eventOf('charge.refunded', captured(4000), { at: 60, previous: { amount_refunded: 0 } })
    const asRefund = eventOf('refund.created', refund({ amount: 4000, balance_transaction: null }), { at: 60 })
    const events = [waiting, atCapture, asRefund, released]
    expect(refundsOf(events)).toEqual([])
    expect(codesOf('charge.refunded', events)).toEqual(['nothing_captured'])
    expect(codesOf('refund.created', events)).toEqual(['nothing_captured'])
  })

  test.each([
    [
      'by the charge, which counts what was released',
      [eventOf('charge.refunded', captured(10000), { at: 1000, previous: { amount_refunded: 4000 } })],
    ],
    [
      'by the charge, which does not',
      [eventOf('charge.refunded', captured(6000), { at: 1000, previous: { amount_refunded: 0 } })],
    ],
    ['by the refund', [eventOf('refund.created', refund({ amount: 6000 }), { at: 1000 })]],
  ])('is refunded when what was captured has gone back: %s', (_, refunds) => {
    expect(refundsOf([waiting, atCapture, ...refunds])).toMatchObject([{ refundedAmount: 60, state: 'refunded' }])
  })

  test('captured by half and refunded by a whole refund of that half is refunded', () => {
    const half = charge({ amount_captured: 5000, amount_refunded: 5000, refunded: true })
    const events = [
      waiting,
      eventOf('charge.refunded', half, { at: 1000, previous: { amount_refunded: 0, refunded: false } }),
    ]
    expect(refundsOf(events)).toMatchObject([{ refundedAmount: 50, state: 'refunded' }])
  })
})

describe('a Checkout session with manual capture', () => {
  const waiting = eventOf('checkout.session.completed', session({ payment_status: 'unpaid', line_items: undefined }))
  const byCharge = eventOf('charge.captured', charge(), { at: 3600, previous: { captured: false } })
  const byIntent = eventOf('payment_intent.succeeded', intent({ capture_method: 'manual' }), { at: 3600 })
  const given = eventOf('refund.created', refund({ amount: 4000 }), { at: 7200 })

  test.each([
    ['charge.captured', [waiting, byCharge]],
    ['payment_intent.succeeded', [waiting, byIntent]],
    ['both', [waiting, byIntent, byCharge]],
    ['charge.captured, before the session is seen', [byCharge, waiting]],
    ['payment_intent.succeeded, before the session is seen', [byIntent, waiting]],
  ])('is purchased once, when it is captured: %s', (_, events) => {
    const told = items([...events, given])
    const purchasedAt = new Date((SECOND + 3600) * 1000).toISOString()
    expect(told).toMatchObject([
      { type: 'item.purchased', total: 100, purchasedAt },
      { type: 'item.refunded', refundedAmount: 40, state: 'partially_refunded', purchasedAt },
    ])
    expect(told[1]).toMatchObject({ uuid: told[0].uuid })
  })

  test('is not purchased by its authorisation, nor what a bank debit is waiting for by its payment', () => {
    expect(items([waiting])).toEqual([])
    expect(items([waiting, eventOf('payment_intent.succeeded', intent())])).toEqual([])
  })
})

describe('the refund of a payment that says itself what was bought', () => {
  const metadata = { flo_product: 'prod_course' }
  const bought = eventOf(
    'payment_intent.succeeded',
    intent({ metadata, customer: null, receipt_email: 'ada@example.com' }),
  )
  const inOldShape = eventOf('payment_intent.succeeded', {
    ...intent({ metadata, customer: null, receipt_email: 'ada@example.com' }),
    latest_charge: undefined,
    charges: { data: [charge({ customer: null })] },
  })
  const partly = charge({ customer: null, amount_refunded: 4000 })
  test.each([
    ['refund.created', [bought, eventOf('refund.created', refund({ amount: 4000 }), { at: 1000 })]],
    [
      'refund.created that names the charge alone',
      [bought, eventOf('refund.created', refund({ amount: 4000, payment_intent: null }), { at: 1000 })],
    ],
    [
      'charge.refund.updated in a shape of 2018',
      [
        inOldShape,
        eventOf('charge.refund.updated', refund({ amount: 4000, payment_intent: undefined }), {
          at: 1000,
          previous: { status: 'pending' },
        }),
      ],
    ],
    ['charge.refunded', [bought, eventOf('charge.refunded', partly, { at: 1000, previous: { amount_refunded: 0 } })]],
    [
      'charge.refunded that shows its refunds, of a shape with an invoice',
      [
        inOldShape,
        eventOf(
          'charge.refunded',
          { ...partly, invoice: null, refunds: { data: [refund({ amount: 4000 })] } },
          { at: 1000, previous: { amount_refunded: 0 } },
        ),
      ],
    ],
    ['refund.created before the payment', [eventOf('refund.created', refund({ amount: 4000 }), { at: 1000 }), bought]],
  ])('finds its item: %s', (_, events) => {
    const told = heard(story(events, { patient: true }))
    const [purchased, refunded] = told.map(({ body }) => JSON.parse(body))
    expect(told.map(({ type }) => type)).toEqual(['item.purchased', 'item.refunded'])
    expect(refunded.item).toMatchObject({
      uuid: purchased.item.uuid,
      id: 'prod_course',
      total: 100,
      refundedAmount: 40,
      state: 'partially_refunded',
      purchasedAt: purchased.item.purchasedAt,
    })
    expect(refunded.user).toEqual(purchased.user)
  })

  test('adds up, in whatever currency', () => {
    const inYen = eventOf('payment_intent.succeeded', intent({ metadata, currency: 'jpy' }))
    const given = (id: string, amount: number) =>
      eventOf('refund.created', refund({ id, amount, currency: 'jpy' }), { at: 1000 })
    expect(refundsOf([inYen, given('re_1', 4000), given('re_2', 6000)])).toMatchObject([
      { refundedAmount: 4000, state: 'partially_refunded', currency: 'JPY' },
      { refundedAmount: 10000, state: 'refunded' },
    ])
  })
})

test('the refund of what a session bought through its invoice is of the line, also when only the session names the payment', () => {
  const events = [
    eventOf('invoice.paid', invoice([line('il_1', 10000)])),
    eventOf('checkout.session.completed', session({ invoice: 'in_1' })),
    eventOf('refund.created', refund(), { at: 1000 }),
  ]
  const [purchased, refunded] = items(events)
  expect(refunded).toMatchObject({ uuid: purchased.uuid, id: 'price_il_1', state: 'refunded' })
})

describe('a refund that a credit note names', () => {
  const two = eventOf('invoice.paid', invoice([line('il_1', 10000), line('il_2', 5000)]))

  test('adds up for its line, and is whole when the line is', () => {
    const events = [
      two,
      paidBy('pi_1'),
      ...credited('re_1', 3000, [['il_1', 3000]]),
      ...credited('re_2', 2000, [['il_1', 2000]]),
      ...credited('re_3', 5000, [['il_1', 5000]]),
    ]
    expect(refundsOf(events)).toMatchObject([
      { id: 'price_il_1', refundedAmount: 30, state: 'partially_refunded' },
      { id: 'price_il_1', refundedAmount: 50, state: 'partially_refunded' },
      { id: 'price_il_1', refundedAmount: 100, state: 'refunded' },
    ])
  })

  test('of one line adds nothing to another', () => {
    const events = [
      two,
      paidBy('pi_1'),
      ...credited('re_1', 5000, [['il_2', 5000]]),
      ...credited('re_2', 1000, [['il_1', 1000]]),
    ]
    expect(refundsOf(events)).toMatchObject([
      { id: 'price_il_2', refundedAmount: 50, state: 'refunded' },
      { id: 'price_il_1', refundedAmount: 10, state: 'partially_refunded' },
    ])
  })

  test('of several lines is shared out, to the last minor unit', () => {
    const three = eventOf('invoice.paid', invoice([line('il_1', 3333), line('il_2', 3333), line('il_3', 3334)]))
    const events = [
      three,
      paidBy('pi_1'),
      ...credited('re_1', 5000, [
        ['il_1', 3333],
        ['il_2', 3333],
        ['il_3', 3334],
      ]),
    ]
    const told = refundsOf(events)
    expect(told.map(({ refundedAmount }) => Math.round(refundedAmount * 100)).reduce((a, b) => a + b)).toBe(5000)
    expect(told).toMatchObject([
      { state: 'partially_refunded' },
      { state: 'partially_refunded' },
      { state: 'partially_refunded' },
    ])
  })
})

describe('a refund that a credit note names, of a line that cost more or less than its amount', () => {
  const discount = [{ amount: 2000, discount: 'di_1' }]
  const discounted = [
    ['its own', line('il_1', 10000, { discount_amounts: discount }), {}],
    [
      'that of the invoice alone, in a shape of 2019',
      { ...line('il_1', 10000), discount_amounts: undefined, taxes: undefined },
      {},
    ],
  ] as const
  test.each(discounted)('of a line with a discount is the money, and whole: the discount is %s', (_, first, more) => {
    const reduced = { subtotal: 10000, total: 8000, amount_due: 8000, amount_paid: 8000, ...more }
    const events = [
      eventOf('invoice.paid', invoice([first], reduced)),
      paidBy('pi_1'),
      ...credited('re_1', 8000, [['il_1', 10000, { discount_amount: 2000 }]]),
    ]
    expect(refundsOf(events)).toMatchObject([{ refundedAmount: 80, state: 'refunded' }])
  })

  test('of one of two lines with a discount is whole when what was paid for the line is back', () => {
    const lines = [line('il_1', 10000, { discount_amounts: discount }), line('il_2', 5000)]
    const of = { subtotal: 15000, total: 13000, amount_due: 13000, amount_paid: 13000 }
    const events = [
      eventOf('invoice.paid', invoice(lines, of)),
      paidBy('pi_1'),
      ...credited('re_1', 8000, [['il_1', 10000, { discount_amount: 2000 }]]),
    ]
    expect(refundsOf(events)).toMatchObject([{ refundedAmount: 80, state: 'refunded', total: 100 }])
  })

  test.each([
    [
      'since basil',
      { taxes: [{ amount: 1900, tax_behavior: 'exclusive' }] },
      { taxes: [{ amount: 1900, tax_behavior: 'exclusive' }] },
    ],
    [
      'before',
      { taxes: undefined, tax_amounts: [{ amount: 1900, inclusive: false }] },
      { tax_amounts: [{ amount: 1900, inclusive: false }] },
    ],
  ])('of a line with tax on top is whole with the tax only, %s', (_, taxed, taxedCredit) => {
    const lines = [line('il_1', 10000, taxed), line('il_2', 5000)]
    const paid = eventOf(
      'invoice.paid',
      invoice(lines, { subtotal: 15000, total: 16900, amount_due: 16900, amount_paid: 16900 }),
    )
    const part = credited('re_1', 10000, [['il_1', 10000]])
    const rest = credited('re_2', 1900, [['il_1', 0, taxedCredit]])
    expect(refundsOf([paid, paidBy('pi_1'), ...part, ...rest])).toMatchObject([
      { refundedAmount: 100, state: 'partially_refunded' },
      { refundedAmount: 119, state: 'refunded' },
    ])
  })
})

describe('a refund that a credit note names in an unusual way', () => {
  const two = eventOf('invoice.paid', invoice([line('il_1', 10000), line('il_2', 5000)]))

  test.each([[[line('il_1', 10000)]], [[line('il_1', 10000), line('il_2', 5000)]]])(
    'to the card in part and to the balance for the rest is what went to the card',
    (lines) => {
      const events = [
        eventOf('invoice.paid', invoice(lines)),
        paidBy('pi_1'),
        eventOf('refund.created', refund({ amount: 6000 }), { at: 1000 }),
        eventOf('credit_note.created', note('cn_1', 're_1', 6000, [['il_1', 10000]])),
      ]
      expect(refundsOf(events)).toMatchObject([{ refundedAmount: 60, state: 'partially_refunded' }])
    },
  )

  test('is of the lines of every note that names it', () => {
    const events = [
      two,
      paidBy('pi_1'),
      eventOf('credit_note.created', note('cn_1', 're_1', 6000, [['il_1', 6000]])),
      eventOf('credit_note.created', note('cn_2', 're_1', 2000, [['il_2', 2000]])),
      eventOf('refund.created', refund({ amount: 8000 }), { at: 1000 }),
    ]
    expect(refundsOf(events)).toMatchObject([
      { id: 'price_il_1', refundedAmount: 60 },
      { id: 'price_il_2', refundedAmount: 20 },
    ])
  })

  test('is found by its money where only the charge tells of the refund', () => {
    const events = [
      two,
      paidBy('pi_1'),
      eventOf('charge.refunded', charge({ amount: 15000, amount_captured: 15000, amount_refunded: 2500 }), {
        at: 1000,
        previous: { amount_refunded: 0 },
      }),
      eventOf('credit_note.created', note('cn_1', 're_unseen', 2500, [['il_2', 2500]]), { at: 1000 }),
    ]
    expect(refundsOf(events)).toMatchObject([{ id: 'price_il_2', refundedAmount: 25, state: 'partially_refunded' }])
  })
})

describe('a refund of a renewal that a credit note names', () => {
  test('shows the subscription beside the line', () => {
    const ofSubscription = (id: string, amount: number) =>
      line(id, amount, {
        parent: {
          type: 'subscription_item_details',
          subscription_item_details: { subscription: 'sub_1', subscription_item: `si_${id}`, proration: false },
        },
        period: { start: SECOND, end: SECOND + 2_592_000 },
      })
    const price = {
      id: 'price_il_1',
      product: 'prod_il_1',
      unit_amount: 2900,
      currency: 'usd',
      recurring: { interval: 'month', interval_count: 1, usage_type: 'licensed' },
    }
    const subscription = {
      id: 'sub_1',
      object: 'subscription',
      status: 'active',
      currency: 'usd',
      customer: 'cus_1',
      created: SECOND - 100,
      start_date: SECOND - 100,
      items: {
        data: [
          { id: 'si_il_1', quantity: 1, price, current_period_start: SECOND, current_period_end: SECOND + 2_592_000 },
        ],
      },
      metadata: {},
    }
    const cycle = invoice([ofSubscription('il_1', 2900), ofSubscription('il_2', 9900)], {
      billing_reason: 'subscription_cycle',
      parent: { type: 'subscription_details', subscription_details: { subscription: 'sub_1' } },
    })
    const events = [
      eventOf('customer.subscription.created', subscription, { at: -100 }),
      eventOf('invoice.paid', cycle),
      paidBy('pi_1'),
      ...credited('re_1', 4950, [['il_2', 4950]]),
    ]
    expect(refundsOf(events)).toMatchObject([
      { id: 'price_il_2', refundedAmount: 49.5, state: 'partially_refunded', subscription: { id: 'price_il_1' } },
    ])
  })
})

describe('several payments of one invoice', () => {
  const paid = [eventOf('invoice.paid', invoice([line('il_1', 10000)])), paidBy('pi_1'), paidBy('pi_2')]
  const second = charge({
    id: 'ch_2',
    payment_intent: 'pi_2',
    amount: 4000,
    amount_captured: 4000,
    amount_refunded: 4000,
    refunded: true,
  })
  const first = charge({ amount: 6000, amount_captured: 6000, amount_refunded: 6000, refunded: true })
  const byCharge = (object: Json, at: number) =>
    eventOf('charge.refunded', object, { at, previous: { amount_refunded: 0, refunded: false } })
  const both = [
    { refundedAmount: 40, state: 'partially_refunded' },
    { refundedAmount: 100, state: 'refunded' },
  ]
  test.each([
    ['charges', [byCharge(second, 1000), byCharge(first, 2000)]],
    [
      'refunds',
      [
        eventOf('refund.created', refund({ id: 're_2', charge: 'ch_2', payment_intent: 'pi_2', amount: 4000 }), {
          at: 1000,
        }),
        eventOf('refund.created', refund({ amount: 6000 }), { at: 2000 }),
      ],
    ],
    [
      'a refund and a charge',
      [
        eventOf('refund.created', refund({ id: 're_2', charge: 'ch_2', payment_intent: 'pi_2', amount: 4000 }), {
          at: 1000,
        }),
        byCharge(second, 1000),
        byCharge(first, 2000),
      ],
    ],
  ])('are given back of one item: told by %s', (_, refunds) => {
    expect(refundsOf([...paid, ...refunds])).toMatchObject(both)
  })

  test('count what failed no longer', () => {
    const ofSecond = { id: 're_2', charge: 'ch_2', payment_intent: 'pi_2', amount: 4000 }
    const events = [
      ...paid,
      eventOf('refund.created', refund(ofSecond), { at: 1000 }),
      eventOf('refund.failed', refund({ ...ofSecond, status: 'failed' }), { at: 1500 }),
      eventOf('refund.created', refund({ amount: 6000 }), { at: 2000 }),
    ]
    expect(refundsOf(events).map(({ refundedAmount, state }) => ({ refundedAmount, state }))).toEqual([
      { refundedAmount: 40, state: 'partially_refunded' },
      { refundedAmount: 60, state: 'partially_refunded' },
    ])
  })
})

describe('a card refund that is on its way', () => {
  const bought = [eventOf('checkout.session.completed', session())]
  const told = eventOf('charge.refunded', charge({ amount_refunded: 10000, refunded: true }), {
    at: 1000,
    previous: { amount_refunded: 0 },
  })
  const pending = eventOf('refund.created', refund({ status: 'pending' }), { at: 1000 })
  const failed = eventOf('refund.failed', refund({ status: 'failed' }), { at: 2000 })
  const arrived = eventOf('refund.updated', refund(), { at: 2000, previous: { status: 'pending' } })
  const before = [
    eventOf('checkout.session.completed', session({ id: 'cs_0', payment_intent: 'pi_0' })),
    eventOf('refund.created', refund({ id: 're_0', charge: 'ch_0', payment_intent: 'pi_0' })),
  ]
  test.each([
    ['its charge first', [told, pending, failed]],
    ['the refund first', [pending, told, failed]],
  ])('and fails is never told, whichever comes first: %s', (_, events) => {
    expect(refundsOf([...bought, ...events])).toEqual([])
    expect(refundsOf([...before, ...bought, ...events])).toHaveLength(1)
  })

  test('and arrives is told once', () => {
    expect(refundsOf([...bought, told, pending, arrived])).toMatchObject([{ refundedAmount: 100, state: 'refunded' }])
  })

  test('is told by its charge where the source sends no refund events, the second time at once', () => {
    const other = eventOf('checkout.session.completed', session({ id: 'cs_2', payment_intent: 'pi_2' }))
    const again = eventOf(
      'charge.refunded',
      charge({ id: 'ch_2', payment_intent: 'pi_2', amount_refunded: 10000, refunded: true }),
      { at: 1000, previous: { amount_refunded: 0 } },
    )
    const { outcomes } = story([...bought, other, told, again], { patient: true })
    expect(outcomes.filter(({ type }) => type === 'charge.refunded').map(({ events }) => events.length)).toEqual([1, 1])
  })

  test.each(['pending', 'failed'])('is not told by a charge that shows it as %s, as old shapes do', (status) => {
    const shown = charge({ amount_refunded: 10000, refunded: true, refunds: { data: [refund({ status })] } })
    const asTold = eventOf('charge.refunded', shown, { at: 1000, previous: { amount_refunded: 0 } })
    expect(refundsOf([...bought, asTold])).toEqual([])
    const later = eventOf('charge.refund.updated', refund(), { at: 2000, previous: { status: 'pending' } })
    if (status === 'pending') expect(refundsOf([...bought, asTold, later])).toHaveLength(1)
  })
})

describe('the moment of a purchase is the same when it is refunded', () => {
  const unpaid = eventOf('checkout.session.completed', session({ payment_status: 'unpaid' }), { at: 60 })
  const settled = eventOf('checkout.session.async_payment_succeeded', session(), { at: 86_400 })
  const old = {
    ...invoice([line('il_1', 10000)]),
    status_transitions: undefined,
    status: undefined,
    paid: true,
    charge: 'ch_1',
  }
  test.each([
    ['a Checkout session', [eventOf('checkout.session.completed', session(), { at: 60 })]],
    ['a Checkout session by bank debit', [unpaid, settled]],
    ['an invoice', [eventOf('invoice.paid', invoice([line('il_1', 10000)]), { at: 60 }), paidBy('pi_1')]],
    ['an invoice in a shape of 2018', [eventOf('invoice.paid', old, { at: 60 })]],
    ['a payment', [eventOf('payment_intent.succeeded', intent({ metadata: { flo_product: 'x' } }), { at: 60 })]],
  ])('%s', (_, events) => {
    const paid = eventOf('charge.succeeded', charge())
    for (const order of [
      [paid, ...events],
      [...events, paid],
    ]) {
      const [purchased, refunded] = items([...order, eventOf('refund.created', refund(), { at: 100_000 })])
      expect(refunded.purchasedAt).toBe(purchased.purchasedAt)
      expect(refunded.uuid).toBe(purchased.uuid)
    }
  })
})

test('a refund whose invoice begins with a credit belongs to the first line that costs something', () => {
  const events = [
    eventOf('invoice.paid', invoice([line('il_0', -1000), line('il_1', 4000)])),
    paidBy('pi_1'),
    eventOf('refund.created', refund({ amount: 3000 }), { at: 1000 }),
  ]
  expect(refundsOf(events)).toMatchObject([{ id: 'price_il_1', refundedAmount: 30, state: 'refunded' }])
  expect(present(refundsOf(events, false)[0])).toMatchObject({ id: 'price_il_1' })
})
