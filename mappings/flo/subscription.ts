import { floSubscription } from '../../src/contracts/flo.ts'
import { isoTime, major, metadataOf, upperCase } from '../../src/language/converters.ts'
import {
  all,
  always,
  any,
  became,
  byEvent,
  called,
  calledAfter,
  ceased,
  changed,
  defineMapping,
  differsFromLast,
  event,
  firstOf,
  given,
  lastOccasion,
  not,
  occasion,
  prior,
  priorKnown,
  remembers,
  stored,
  uuidOf,
  was,
  without,
} from '../../src/language/words.ts'
import { productDescription } from '../accessors/facts.ts'
import {
  becomesMarked,
  cancelDate,
  cancellation,
  endedByItself,
  endsNow,
  rendersLaterEnd,
  state,
  status,
  subscriptionEvents,
  waitForBirth,
} from '../accessors/lifecycle.ts'
import { planName, subscriptionProduct } from '../accessors/plan.ts'
import {
  billedAsPriced,
  ended,
  itemPlanId,
  items,
  itemUnitAmount,
  paused,
  pausedHard,
  pendingCancel,
  periodEnd,
  periodStart,
  primary,
  quantity,
  subscriptionCurrency,
  total,
  trialEnd,
} from '../accessors/subscription.ts'
import { checkoutSubscription, subscriptionUser } from '../accessors/user.ts'
import { envelope } from './envelope.ts'

const { from, has, type } = subscriptionEvents

const currency = called('its currency', upperCase(subscriptionCurrency))
const endDate = given(ended, firstOf(from('ended_at'), from('canceled_at'), periodEnd), periodEnd)
/** Since endive Stripe says when a subscription was paused hard. */
const pausedSince = given(pausedHard, from('status_details.paused.transitioned_at'))

/** The subscription object of the contract, read from Stripe's subscription. */
export const subscriptionShape = calledAfter('subscription', {
  uuid: uuidOf('subscription', from('id'), checkoutSubscription),
  id: primary(items, itemPlanId),
  name: planName,
  description: firstOf(productDescription(subscriptionProduct), from('description')),
  startDate: isoTime(periodStart),
  endDate: isoTime(endDate),
  state,
  quantity,
  currency,
  amount: given(billedAsPriced, major(primary(items, itemUnitAmount), currency)),
  total: given(billedAsPriced, major(total, currency)),
  cancelAt: isoTime(cancelDate),
  canceledAt: isoTime(firstOf(from('canceled_at'), given(ended, from('ended_at')))),
  trialEnd: isoTime(trialEnd),
  pausedAt: given(paused, isoTime(firstOf(pausedSince, lastOccasion('paused')))),
  resumeAt: given(paused, isoTime(from('pause_collection.resumes_at'))),
  metadata: metadataOf(from('metadata')),
  invoiceDetails: always(null),
})
// The roll of a period is no news: the payment that follows is (`renewed`).
const news = without(subscriptionShape, 'startDate', 'endDate', 'canceledAt', 'pausedAt', 'invoiceDetails')

// What two event types of one moment show alike, whatever is learnt in between.
const sight = {
  ...without(news, 'uuid', 'name', 'description'),
  canceledAt: subscriptionShape.canceledAt,
  status: from('status'),
}

const entitled = called('usable', not(any(has('status', 'incomplete'), ended)))
const neverAnnounced = called(
  'never announced',
  all(not(remembers('announced')), any(has('status', 'incomplete_expired'), was(has('status', 'incomplete')))),
)
/** What has ended never comes back: an older event that arrives after the end was sent would give access again. */
const endWasSent = called('its end sent before', any(remembers('expired'), remembers('cancelled and expired')))
const isFirstPaid = all(entitled, was(has('status', 'incomplete')))
const isResumed = all(not(paused), not(ended), any(type('customer.subscription.resumed'), ceased(paused)))
const isReactivated = all(ceased(pendingCancel), not(ended))
/** Once a subscription has expired no second cancellation is sent, however late one is reported. */
const wasCancelledAndExpired = called(
  'cancelled and expired before',
  any(remembers('cancelled and expired'), all(remembers('cancelled'), remembers('expired'))),
)

export default defineMapping({
  name: 'flo/subscription',
  on: subscriptionEvents,
  to: floSubscription,
  user: subscriptionUser,
  total: [status],
  waitFor: [waitForBirth],

  // The first rule that holds decides, so the specific ones come before `updated`.
  rules: [
    {
      ignore: 'no_change',
      because: 'Announces something to come; the change itself arrives as an event of its own.',
      when: type('customer.subscription.trial_will_end', 'customer.subscription.pending_update_expired'),
    },
    {
      ignore: 'awaiting_entitlement',
      because: 'The first payment is open: subscription.created follows when the subscription becomes usable.',
      when: all(has('status', 'incomplete'), not(type('customer.subscription.deleted'))),
    },
    {
      ignore: 'already_ended',
      because: 'The end of the subscription was sent before: its creation would give access again.',
      when: all(type('customer.subscription.created'), entitled, endWasSent),
    },
    {
      emit: 'subscription.created',
      when: all(type('customer.subscription.created'), entitled),
      key: [from('id')],
      remember: 'announced',
    },
    {
      ignore: 'never_entitled',
      because: 'The subscription ended before its first payment: it was never announced.',
      when: all(
        any(endsNow, type('customer.subscription.created')),
        any(neverAnnounced, type('customer.subscription.created')),
      ),
    },
    { emit: 'subscription.expired', when: all(endsNow, endedByItself), key: [from('id')], remember: 'expired' },
    {
      ignore: 'already_ended',
      because: 'The end of the subscription and its cancellation were sent before.',
      when: all(endsNow, wasCancelledAndExpired),
    },
    {
      emit: ['subscription.cancelled', 'subscription.expired'],
      when: endsNow,
      key: [from('id'), byEvent({ 'subscription.cancelled': cancellation }, always(null))],
      remember: 'cancelled and expired',
    },
    // Of the facts that have a name each is sent that the event shows.
    {
      emit: 'subscription.created',
      when: all(isFirstPaid, not(endWasSent)),
      key: [from('id')],
      isNamedFact: true,
      remember: 'announced',
    },
    {
      emit: 'subscription.paused',
      when: all(paused, any(type('customer.subscription.paused'), became(paused))),
      key: [from('id'), firstOf(pausedSince, occasion('paused', sight))],
      isNamedFact: true,
    },
    {
      emit: 'subscription.resumed',
      when: all(isResumed, not(endWasSent)),
      key: [from('id'), occasion('resumed', sight)],
      isNamedFact: true,
    },
    {
      emit: 'subscription.cancelled',
      when: all(becomesMarked, not(wasCancelledAndExpired)),
      key: [from('id'), cancellation],
      isNamedFact: true,
      remember: 'cancelled',
    },
    {
      emit: 'subscription.reactivated',
      when: all(isReactivated, not(endWasSent)),
      key: [from('id'), firstOf(prior(from('canceled_at')), prior(from('cancel_at')), event('created'))],
      isNamedFact: true,
    },
    {
      ignore: 'already_ended',
      because: 'The end of the subscription was sent before: this is older, and would give access again.',
      when: all(any(isFirstPaid, isResumed, isReactivated), endWasSent),
    },
    {
      ignore: 'end_speaks',
      because:
        'It was sent when the subscription had ended: customer.subscription.deleted tells that, and shows what changed.',
      when: all(rendersLaterEnd, not(endWasSent)),
    },
    {
      ignore: 'no_known_change',
      because: 'The subscription was not known before and the event does not say what changed.',
      when: not(priorKnown),
    },
    {
      emit: 'subscription.updated',
      when: all(changed(news), differsFromLast(news)),
      key: [from('id'), occasion('changed', sight)],
      overtakable: true,
    },
    { ignore: 'no_visible_change', because: 'Nothing that the contract shows has changed.' },
  ],
  // Its first payment came through while another event was on its way.
  owed: {
    emit: 'subscription.created',
    when: all(
      entitled,
      stored(has('status', 'incomplete')),
      not(remembers('announced')),
      not(was(has('status', 'incomplete'))),
    ),
    key: [from('id')],
    remember: 'announced',
  },

  body: {
    ...envelope('subscription'),
    user: subscriptionUser,
    subscription: subscriptionShape,
  },
  news,
})
