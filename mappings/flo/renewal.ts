import { floSubscription } from '../../src/contracts/flo.ts'
import type { Json } from '../../src/domain/json.ts'
import { isoTime, major } from '../../src/language/converters.ts'
import { some } from '../../src/language/list-words.ts'
import { type Expr, unset } from '../../src/language/mapping.ts'
import {
  all,
  any,
  called,
  computed,
  defineMapping,
  firstOf,
  given,
  is,
  kept,
  more,
  not,
  on,
  same,
  uuidOf,
} from '../../src/language/words.ts'
import {
  invoiceSubscription,
  linePriceId,
  lineQuantity,
  lines,
  lineUnitAmount,
  periodLine,
  waitForSubscription,
} from '../accessors/invoice.ts'
import {
  subscription,
  periodStart as subscriptionPeriodStart,
  trialEnd as subscriptionTrialEnd,
} from '../accessors/subscription.ts'
import { invoiceUser } from '../accessors/user.ts'
import { periodKey } from '../arrivals.ts'
import { envelope } from './envelope.ts'
import { currency, invoiceDetails, state } from './invoice-details.ts'
import { aheadLines, boundary, hasRolled, paidFrom, paidLine, periodEnd, periodStart } from './renewal-period.ts'
import { subscriptionShape } from './subscription.ts'

const invoice = on('invoice.paid')
const { from, has, legacy } = invoice

/** The subscription as we hold it; its own events may come later than its payment. */
const held = kept('subscription', invoiceSubscription)
/**
 * Before billing_reason had a value for a cycle: an invoice that is made when a period is over looks back on it, while those of
 * a start or a change look back on nothing (`period_start` is `period_end`).
 */
const closingPeriod = called(
  'at the end of a period',
  all(
    any(has('billing_reason', unset), is(legacy<string>('billing_reason', { until: '2018-11-08' }), 'subscription')),
    more(from('period_end'), from('period_start')),
    // Of a long invoice the first page may show prorations alone.
    any(some(lines, periodLine), has('lines.has_more', true)),
  ),
)

/** Stripe bills the first full period after a trial that was ended early as a change; older shapes do not say which it is. */
const billedAsChange = called(
  'billed as a change',
  any(
    has('billing_reason', 'subscription_update', unset),
    is(legacy<string>('billing_reason', { until: '2018-11-08' }), 'subscription'),
  ),
)
const heldTrialEnd = held(subscriptionTrialEnd)
const beginsAtTrialEnd = called(
  'beginning at the end of the trial',
  is(
    computed(
      'within a minute',
      (start, end) => start !== null && end !== null && Math.abs(start - end) <= 60,
      paidFrom,
      heldTrialEnd,
    ),
    true,
  ),
)
/** A period is paid that begins before the trial ends that is known: its early end may be on its way. The trial itself is not it. */
const mayEndTrial = called(
  'paid before the known end of the trial',
  all(more(heldTrialEnd, paidFrom), not(same(held(subscriptionPeriodStart), paidFrom))),
)

const { startDate: _start, endDate: _end, ...rest } = subscriptionShape
const shape = {
  ...(Object.fromEntries(Object.entries(rest).map(([field, node]) => [field, held(node as Expr<Json>)])) as {
    [K in keyof typeof rest]: (typeof rest)[K]
  }),
  uuid: uuidOf('subscription', invoiceSubscription),
  // Of a subscription never seen, the paid line shows what it can; of a stored one, what is absent is absent.
  id: given(held.known, held(subscriptionShape.id), paidLine(lines, linePriceId)),
  quantity: given(held.known, held(subscriptionShape.quantity), paidLine(lines, lineQuantity)),
  currency: firstOf(held(subscriptionShape.currency), currency),
  amount: given(
    held.known,
    held(subscriptionShape.amount),
    major(
      paidLine(lines, lineUnitAmount),
      paidLine(lines, (line) => line.from('currency')),
    ),
  ),
  invoiceDetails: invoiceDetails,
}

/** `subscription.renewed`: a recurring period was billed successfully. */
export default defineMapping({
  name: 'flo/renewal',
  on: invoice,
  to: floSubscription,
  user: invoiceUser,
  total: [state],
  waitFor: [
    waitForSubscription,
    {
      fact: 'period',
      key: called('the period of its subscription', periodKey(invoiceSubscription, boundary)),
      unless: any(some(aheadLines, periodLine), not(held.known), is(boundary, unset), hasRolled),
    },
    {
      fact: 'period',
      key: called('the first paid period of its subscription', periodKey(invoiceSubscription, paidFrom)),
      unless: not(all(billedAsChange, mayEndTrial)),
    },
  ],

  rules: [
    {
      ignore: 'not_a_renewal',
      because: 'The invoice belongs to no subscription.',
      when: is(invoiceSubscription, unset),
    },
    {
      ignore: 'subscription_ended',
      because: 'The subscription has ended: no renewal follows its end, and the late payment is told by invoice.paid.',
      when: is(held(subscription.from('status')), 'canceled', 'incomplete_expired'),
    },
    // An amount of 0 counts as well: a coupon or a credit balance paid for the period.
    {
      emit: 'subscription.renewed',
      when: any(has('billing_reason', 'subscription_cycle'), closingPeriod, all(billedAsChange, beginsAtTrialEnd)),
      key: [from('id')],
    },
    {
      ignore: 'not_a_renewal',
      because: 'The invoice bills a change in the midst of a trial, as far as the subscription is known.',
      when: all(billedAsChange, mayEndTrial),
      afterWaiting: true,
    },
    { ignore: 'not_a_renewal', because: 'The invoice bills a start, a change or a threshold, not a new period.' },
  ],

  body: {
    ...envelope('subscription'),
    user: invoiceUser,
    subscription: {
      uuid: shape.uuid,
      id: shape.id,
      name: shape.name,
      description: shape.description,
      // The roll of the subscription may arrive later than its payment: the period comes from the paid lines. Where they show
      // none (usage alone, a first page of prorations) the roll is waited for.
      startDate: isoTime(periodStart),
      endDate: isoTime(periodEnd),
      state: shape.state,
      quantity: shape.quantity,
      currency: shape.currency,
      amount: shape.amount,
      total: shape.total,
      cancelAt: shape.cancelAt,
      canceledAt: shape.canceledAt,
      trialEnd: shape.trialEnd,
      pausedAt: shape.pausedAt,
      resumeAt: shape.resumeAt,
      metadata: shape.metadata,
      invoiceDetails: shape.invoiceDetails,
    },
  },
  news: {},
})
