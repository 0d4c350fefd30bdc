import type Stripe from 'stripe'
import { floItem } from '../../src/contracts/flo.ts'
import type { Json } from '../../src/domain/json.ts'
import { idOf } from '../../src/language/converters.ts'
import { type Expr, set } from '../../src/language/mapping.ts'
import {
  all,
  always,
  any,
  became,
  called,
  computed,
  defineMapping,
  event,
  firstOf,
  is,
  kept,
  member,
  not,
  on,
  prior,
  self,
  tallied,
} from '../../src/language/words.ts'
import { linkedId } from '../accessors/facts.ts'
import { invoice, type Line, lineKey } from '../accessors/invoice.ts'
import {
  charges,
  hasSeveralPricedLines,
  payerOf,
  paymentOf,
  refundBody,
  refundedLines,
  sessions,
  waitForNote,
  withoutInvoice,
} from './refund-shapes.ts'

const refund = on('refund.created', 'refund.updated', 'refund.failed', 'charge.refund.updated')
const { from } = refund
const refundId = from('id')
const refundedPayment = paymentOf(
  idOf(from('charge')),
  idOf(from('payment_intent')),
  refundId,
  idOf(from('customer' as never) as Expr<Json>),
)
const paidAmount = firstOf(
  kept('charge', refundedPayment.charge)(charges.from('amount')),
  refundedPayment.invoice(invoice.from('amount_paid')),
  refundedPayment.session(sessions.from('amount_total')),
)
const paymentIds = [refundedPayment.intent, linkedId(refundedPayment.charge, 'payment_intent'), refundedPayment.charge]
const succeeded = is(from('status'), 'succeeded')
const refundUser = payerOf(refundedPayment, from('metadata.client_user_id'))

/** `item.refunded` by Stripe's refund objects: one per refund, when it has succeeded. */
const byRefund = defineMapping({
  name: 'flo/refund',
  on: refund,
  to: floItem,
  user: refundUser,
  total: [],
  waitFor: [
    {
      fact: 'purchase',
      key: firstOf(refundedPayment.intent, refundedPayment.charge, refundId),
      unless: refundedPayment.known,
    },
    waitForNote(refundId, refundedPayment),
  ],

  rules: [
    {
      ignore: 'refund_failed',
      because:
        'The bank sent the money back: the refund did not take place. If it was sent before, it is no longer counted.',
      when: any(refund.type('refund.failed'), refund.has('status', 'failed', 'canceled')),
      note: { as: 'failed', per: paymentIds, id: refundId, amount: from('amount') },
    },
    {
      ignore: 'refund_pending',
      because: 'The money is on its way: item.refunded follows when the refund has succeeded.',
      when: refund.has('status', 'pending', 'requires_action'),
      note: { as: 'pending', per: paymentIds, id: refundId, amount: from('amount') },
    },
    {
      ignore: 'no_change',
      because: 'The refund had succeeded before: something else about it changed.',
      when: all(not(refund.type('refund.created')), not(became(succeeded))),
    },
    {
      ignore: 'not_a_purchase',
      because: 'The charge belongs to no invoice, and no purchase is known that it paid.',
      when: all(
        not(refundedPayment.known),
        withoutInvoice(kept('charge', refundedPayment.charge)(self<Stripe.Charge>())),
      ),
      afterWaiting: true,
    },
    {
      emit: 'item.refunded',
      each: { list: refundedLines(refundId, refundedPayment, from('amount')), where: all() },
      once: {
        per: paymentIds,
        id: refundId,
        amount: from('amount'),
        upTo: always(null),
      },
      key: [refundId, lineKey(member<Line>('line'))],
    },
  ],

  body: refundBody(
    refundedPayment,
    {
      currency: from('currency'),
      at: from('created'),
      inAll: tallied,
      of: paidAmount,
    },
    refundUser,
  ),
  news: {},
})

const charge = on('charge.refunded')
const chargeId = charge.from('id')
const embedded = charge.legacy<string>('refunds.data.0.id', { until: '2022-11-15' })
const chargePayment = paymentOf(chargeId, idOf(charge.from('payment_intent')), embedded, idOf(charge.from('customer')))
const chargeUser = payerOf(chargePayment, charge.from('metadata.client_user_id'))
/** `amount_refunded` is cumulative: what was given back this time is its rise. */
const rise = computed(
  'rise of amount_refunded',
  (now, before) => (now ?? 0) - (before ?? 0),
  charge.from('amount_refunded'),
  prior(charge.from('amount_refunded')),
)

const chargeAndSum = computed('charge and sum', (id, sum) => `${id}:${sum}`, chargeId, charge.from('amount_refunded'))

/** `item.refunded` by the charge, where Stripe sends no refund events (before 2024-10-28, or not enabled). */
const byCharge = defineMapping({
  name: 'flo/charge-refund',
  on: charge,
  to: floItem,
  user: chargeUser,
  total: [],
  waitFor: [
    { fact: 'purchase', key: firstOf(chargePayment.intent, chargePayment.charge), unless: chargePayment.known },
    waitForNote(embedded, chargePayment),
    // The refund itself says which lines are meant, and whether the money has arrived: to a bank it takes days, and may fail.
    {
      fact: 'refund',
      key: called('the refund behind it', chargeAndSum),
      unless: any(
        is(embedded, set),
        all(charge.has('payment_method_details.type', 'card'), not(hasSeveralPricedLines(chargePayment))),
      ),
    },
  ],

  rules: [
    {
      ignore: 'not_a_purchase',
      because: 'The charge belongs to no invoice, and no purchase is known that it paid.',
      when: all(not(chargePayment.known), withoutInvoice(self<Stripe.Charge>())),
      afterWaiting: true,
    },
    {
      emit: 'item.refunded',
      each: { list: refundedLines(embedded, chargePayment, rise), where: all() },
      once: {
        per: [chargePayment.intent, linkedId(chargeId, 'payment_intent'), chargeId],
        id: embedded,
        amount: rise,
        upTo: charge.from('amount_refunded'),
      },
      key: [firstOf(embedded, chargeAndSum), lineKey(member<Line>('line'))],
    },
  ],

  body: refundBody(
    chargePayment,
    {
      currency: charge.from('currency'),
      at: event('created'),
      inAll: charge.from('amount_refunded'),
      of: charge.from('amount'),
    },
    chargeUser,
  ),
  news: {},
})

export default [byRefund, byCharge]
