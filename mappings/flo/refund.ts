import type Stripe from 'stripe'
import { floItem } from '../../src/contracts/flo.ts'
import type { Json } from '../../src/domain/json.ts'
import { idOf } from '../../src/language/converters.ts'
import { type Expr, set, unset } from '../../src/language/mapping.ts'
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
  more,
  not,
  on,
  prior,
  same,
  self,
} from '../../src/language/words.ts'
import { linkedId, sendsRefundEvents } from '../accessors/facts.ts'
import { type Line, lineKey } from '../accessors/invoice.ts'
import {
  charges,
  countedBy,
  hasSeveralPricedLines,
  intents,
  payerOf,
  paymentOf,
  refundBody,
  refundedLines,
  sessions,
  waitForNote,
  withoutInvoice,
} from './refund-shapes.ts'
import {
  capturedOf,
  type GivenBack,
  givenBackBy,
  isUncaptured,
  type ListedRefund,
  leftOverOf,
  refundThatRaised,
} from './refunded-lines.ts'

const NOTHING_CAPTURED = 'The payment was authorised and not captured: no money has moved, and none goes back.'
const NOT_A_PURCHASE = 'The charge belongs to no invoice, and no purchase is known that it paid.'
const REFUND_PENDING = 'The money is on its way: item.refunded follows when the refund has succeeded.'
const REFUND_FAILED =
  'The bank sent the money back: the refund did not take place. If it was sent before, it is no longer counted.'

const refund = on('refund.created', 'refund.updated', 'refund.failed', 'charge.refund.updated')
const { from } = refund
const refundId = from('id')
const refundedPayment = paymentOf(
  firstOf(idOf(from('charge')), linkedId(idOf(from('payment_intent')), 'charge')),
  idOf(from('payment_intent')),
  refundId,
  idOf(from('customer' as never) as Expr<Json>),
)
const storedCharge = kept('charge', refundedPayment.charge)
const paymentIds = [refundedPayment.intent, refundedPayment.charge]
const succeeded = is(from('status'), 'succeeded')
const refundUser = payerOf(refundedPayment, from('metadata.client_user_id'))
const counted = {
  per: paymentIds,
  purchase: refundedPayment.owner,
  id: refundId,
  amount: from('amount'),
  at: from('created'),
}
const refundCaptured = called(
  'what was captured',
  computed('captured', capturedOf, storedCharge(self<Json>()), refundedPayment.received),
)

/** The charge says that it was never captured; that may be older than the capture, until the charge shows the refund. */
const uncaptured = called(
  'not captured as far as known',
  all(
    is(computed('uncaptured', isUncaptured, storedCharge(self<Json>())), true),
    not(more(refundedPayment.received, always(0))),
  ),
)
const released = called(
  'released, not given back',
  any(
    is(from('reason') as Expr<string | null>, 'expired_uncaptured_charge'),
    all(uncaptured, more(storedCharge(charges.from('amount_refunded')), always(0))),
    // Of a payment that is captured in several parts the rest may be cancelled.
    all(is(refundedPayment.bare(intents.from('status')), 'canceled'), not(more(refundedPayment.received, always(0)))),
    // What a capture in part leaves over: no balance ever changed for it.
    all(
      is(idOf(from('balance_transaction')), unset),
      same(
        from('amount'),
        computed(
          'what the capture left over',
          leftOverOf,
          storedCharge(self<Json>()),
          refundedPayment.bare(self<Json>()),
          refundedPayment.received,
        ),
      ),
    ),
  ),
)

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
      unless: all(refundedPayment.settled, not(uncaptured)),
    },
    waitForNote(refundId, from('amount'), refundedPayment),
  ],

  rules: [
    { ignore: 'nothing_captured', because: NOTHING_CAPTURED, when: released },
    {
      ignore: 'refund_failed',
      because: REFUND_FAILED,
      when: any(refund.type('refund.failed'), refund.has('status', 'failed', 'canceled')),
      note: { as: 'failed', ...counted },
    },
    {
      ignore: 'refund_pending',
      because: REFUND_PENDING,
      when: refund.has('status', 'pending', 'requires_action'),
      note: { as: 'pending', ...counted },
    },
    {
      ignore: 'no_change',
      because: 'The refund had succeeded before: something else about it changed.',
      when: all(not(refund.type('refund.created')), not(became(succeeded))),
    },
    { ignore: 'nothing_captured', because: NOTHING_CAPTURED, when: uncaptured, afterWaiting: true },
    {
      ignore: 'not_a_purchase',
      because: NOT_A_PURCHASE,
      when: all(not(refundedPayment.known), withoutInvoice(storedCharge(self<Stripe.Charge>()))),
      afterWaiting: true,
    },
    {
      emit: 'item.refunded',
      each: {
        list: refundedLines(refundedPayment, {
          id: refundId,
          amount: from('amount'),
          at: from('created'),
          captured: firstOf(refundCaptured, refundedPayment.session(sessions.from('amount_total'))),
        }),
        where: all(),
      },
      once: { ...counted, ...countedBy(refundedPayment), upTo: always(null) },
      key: [refundId, lineKey(member<Line>('line'))],
    },
  ],

  body: refundBody(refundedPayment, { currency: from('currency'), at: from('created') }, refundUser),
  news: {},
})

const charge = on('charge.refunded', 'charge.expired')
const chargeId = charge.from('id')
/** Old charges list their refunds: the one that raised the sum from what it was before. */
const listed = computed(
  'the refund of the list that raised the sum',
  refundThatRaised,
  charge.legacy<Json>('refunds.data', { until: '2022-11-15' }),
  prior(charge.from('amount_refunded')),
  charge.from('amount_refunded'),
)
const embedded = computed('its id', (one: ListedRefund | null) => one?.id ?? null, listed)
const embeddedStatus = computed('its status', (one: ListedRefund | null) => one?.status ?? null, listed)
const chargePayment = paymentOf(chargeId, idOf(charge.from('payment_intent')), embedded, idOf(charge.from('customer')))
const chargeUser = payerOf(chargePayment, charge.from('metadata.client_user_id'))
const givenBack = computed(
  'given back of what was captured',
  givenBackBy,
  self<Json>(),
  prior(self<Json>()),
  chargePayment.received,
)
const givenBackInAll = computed('in all', (given: GivenBack | null) => given?.now ?? 0, givenBack)
/** `amount_refunded` is cumulative: what was given back this time is its rise, or the part of it that the listed refund made. */
const rise = computed(
  'rise of amount_refunded',
  (given: GivenBack | null, one: ListedRefund | null) =>
    given ? Math.min(given.now - given.before, one?.raised ?? Number.POSITIVE_INFINITY) : 0,
  givenBack,
  listed,
)
const risenTo = computed(
  'with this rise',
  (given: GivenBack | null, amount: number | null) => (given?.before ?? 0) + (amount ?? 0),
  givenBack,
  rise,
)

const chargeAndSum = computed('charge and sum', (id, sum) => `${id}:${sum}`, chargeId, charge.from('amount_refunded'))
const riseKey = computed('charge, sum and second', (rise, at) => `${rise}:${at}`, chargeAndSum, event('created'))
const rises = {
  per: [chargePayment.intent, chargeId],
  purchase: chargePayment.owner,
  id: embedded,
  amount: rise,
  at: event('created'),
}

/** `item.refunded` by the charge, where Stripe sends no refund events (before 2024-10-28, or not enabled). */
const byCharge = defineMapping({
  name: 'flo/charge-refund',
  on: charge,
  to: floItem,
  user: chargeUser,
  total: [],
  waitFor: [
    { fact: 'purchase', key: firstOf(chargePayment.intent, chargePayment.charge), unless: chargePayment.settled },
    waitForNote(embedded, rise, chargePayment),
    // The refund itself says which lines are meant, and whether the money has arrived: it may be on its way for days, and fail.
    {
      fact: 'refund',
      key: called('the refund behind it', chargeAndSum),
      unless: any(
        is(embedded, set),
        all(
          charge.has('payment_method_details.type', 'card'),
          not(hasSeveralPricedLines(chargePayment)),
          not(sendsRefundEvents),
        ),
      ),
    },
    // Whether the source sends refunds at all is found out once.
    {
      fact: 'refund',
      key: called('the first refund event of the source', always('any')),
      unless: any(is(embedded, set), sendsRefundEvents),
    },
  ],

  rules: [
    {
      ignore: 'nothing_captured',
      because: NOTHING_CAPTURED,
      when: any(charge.type('charge.expired'), not(more(givenBackInAll, always(0)))),
    },
    {
      ignore: 'refund_failed',
      because: REFUND_FAILED,
      when: is(embeddedStatus, 'failed', 'canceled'),
      note: { as: 'failed', ...rises },
    },
    {
      ignore: 'refund_pending',
      because: REFUND_PENDING,
      when: is(embeddedStatus, 'pending', 'requires_action'),
      note: { as: 'pending', ...rises },
    },
    {
      ignore: 'not_a_purchase',
      because: NOT_A_PURCHASE,
      when: all(not(chargePayment.known), withoutInvoice(self<Stripe.Charge>())),
      afterWaiting: true,
    },
    {
      emit: 'item.refunded',
      each: {
        list: refundedLines(chargePayment, {
          id: embedded,
          amount: rise,
          at: event('created'),
          captured: called('what was captured', computed('captured', capturedOf, self<Json>(), chargePayment.received)),
        }),
        where: all(),
      },
      once: { ...rises, ...countedBy(chargePayment), upTo: risenTo },
      // A sum may be come to once more, after a refund that failed.
      key: [firstOf(embedded, riseKey), lineKey(member<Line>('line'))],
    },
  ],

  body: refundBody(chargePayment, { currency: charge.from('currency'), at: event('created') }, chargeUser),
  news: {},
})

export default [byRefund, byCharge]
