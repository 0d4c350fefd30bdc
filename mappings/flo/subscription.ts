import { floSubscription } from '../../src/contracts/flo.ts'
import { idOf, isoTime, major, metadataOf, upperCase, uuidText } from '../../src/normalize/converters.ts'
import { unset } from '../../src/normalize/mapping.ts'
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
  computed,
  defineMapping,
  event,
  firstOf,
  given,
  is,
  kept,
  lastOccasion,
  not,
  occasion,
  on,
  oneOf,
  prior,
  priorKnown,
  reading,
  remembers,
  same,
  stored,
  userOf,
  uuidOf,
  was,
  without,
} from '../../src/normalize/words.ts'
import {
  checkoutBehind,
  customerEmail,
  customerMetadata,
  linked,
  productDescription,
  productName,
  registeredUser,
} from '../accessors/facts.ts'
import {
  billedAsPriced,
  cancellationMark,
  customerOf,
  ended,
  itemPlanId,
  items,
  itemUnitAmount,
  paused,
  pausedHard,
  pausedSoft,
  pendingCancel,
  periodEnd,
  periodStart,
  primary,
  quantity,
  subscriptionCurrency,
  total,
  trialEnd,
} from '../accessors/subscription.ts'
import { PRICES } from '../versions.ts'

const subscription = on(
  'customer.subscription.created',
  'customer.subscription.updated',
  'customer.subscription.deleted',
  'customer.subscription.paused',
  'customer.subscription.resumed',
  'customer.subscription.pending_update_applied',
  'customer.subscription.pending_update_expired',
  'customer.subscription.trial_will_end',
)
const { from, is: has, type } = subscription

const productId = called(
  'its product',
  primary(items, (item) =>
    firstOf(idOf(item.from('price.product')), idOf(item.legacy<string>('plan.product', PRICES))),
  ),
)
const currency = called('its currency', upperCase(subscriptionCurrency))
const cancelDate = firstOf(from('cancel_at'), given(has('cancel_at_period_end', true), periodEnd))
const endDate = given(ended, firstOf(from('ended_at'), from('canceled_at'), periodEnd), periodEnd)
/** When this cancellation was asked for: one cancellation is one fact, however often it is told. */
const cancellation = firstOf(from('canceled_at'), from('cancel_at'), event('created'))

/** Since endive Stripe tells when a subscription was paused hard. */
const pausedSince = given(pausedHard, from('status_details.paused.transitioned_at'))

/** Soft pauses leave Stripe's status alone. */
const status = oneOf(from('status'), {
  incomplete: 'incomplete',
  trialing: 'trialing',
  active: 'active',
  past_due: 'past_due',
  unpaid: 'unpaid',
  paused: 'paused',
  canceled: 'expired',
  incomplete_expired: 'expired',
})
/** Once a subscription has ended it is expired; only the word of its immediate cancellation comes before that. */
const state = byEvent(
  { 'subscription.cancelled': given(ended, always('cancelled'), given(pausedSoft, always('paused'), status)) },
  given(pausedSoft, always('paused'), status),
)

/** The checkout that the client registered for it. */
const checkout = checkoutBehind(linked(from('id'), 'session'))
/** Its subscription: the one of this plan, else the only one; Flo stamps its uuid on Stripe's object. */
const checkoutSubscription = firstOf(
  uuidText(from('metadata.flo_subscription')),
  computed(
    'registered subscription',
    (checkout, plan): string | null => {
      const list: { uuid: string; id: string }[] = checkout?.subscriptions ?? []
      return (list.find(({ id }) => id === plan) ?? (list.length === 1 ? list[0] : undefined))?.uuid ?? null
    },
    checkout,
    primary(items, itemPlanId),
  ),
)

/** The subscription object of the contract, read from Stripe's subscription. */
export const subscriptionShape = calledAfter('subscription', {
  uuid: uuidOf('subscription', from('id'), checkoutSubscription),
  id: primary(items, itemPlanId),
  name: firstOf(
    productName(productId),
    primary(items, (item) => item.legacy<string>('plan.name', { until: '2018-02-05' })),
    primary(items, (item) => firstOf(item.from('price.nickname'), item.legacy<string>('plan.nickname', PRICES))),
  ),
  description: firstOf(productDescription(productId), from('description')),
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
const sight = { ...without(news, 'uuid', 'name', 'description'), status: from('status') }

const entitled = called('usable', not(any(has('status', 'incomplete'), ended)))
const endsNow = called('ending now', all(ended, any(type('customer.subscription.deleted'), became(ended))))
const neverAnnounced = called(
  'never announced',
  all(not(remembers('announced')), any(has('status', 'incomplete_expired'), was(has('status', 'incomplete')))),
)
/** The end was known, or nobody asked for it: there is no cancellation to tell beside the end (stripe.md 4.3). */
const endedByItself = called(
  'ending by itself',
  any(
    cancellationMark,
    was(pendingCancel),
    has('cancellation_details.reason', 'payment_failed', 'canceled_by_retention_policy'),
    all(has('cancellation_details.reason', unset), was(has('status', 'past_due', 'unpaid'))),
    is(kept('customer', customerOf)(reading<{ deleted: boolean }>().from('deleted')), true),
    same(from('ended_at'), from('trial_end')),
  ),
)

export default defineMapping({
  name: 'flo/subscription',
  on: subscription,
  to: floSubscription,
  total: [status],
  waitFor: [],

  // The first rule that holds speaks, so the specific ones come before `updated`.
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
    { emit: 'subscription.expired', when: all(endsNow, endedByItself), key: [from('id')] },
    {
      emit: ['subscription.cancelled', 'subscription.expired'],
      when: endsNow,
      key: [from('id'), byEvent({ 'subscription.cancelled': cancellation }, always(null))],
    },
    {
      emit: 'subscription.created',
      when: all(entitled, was(has('status', 'incomplete'))),
      key: [from('id')],
      remember: 'announced',
    },
    {
      emit: 'subscription.paused',
      when: all(paused, any(type('customer.subscription.paused'), became(paused))),
      key: [from('id'), firstOf(pausedSince, occasion('paused', sight))],
    },
    {
      emit: 'subscription.resumed',
      when: all(not(paused), not(ended), any(type('customer.subscription.resumed'), ceased(paused))),
      key: [from('id'), occasion('resumed', sight)],
    },
    { emit: 'subscription.cancelled', when: became(pendingCancel), key: [from('id'), cancellation] },
    {
      emit: 'subscription.reactivated',
      when: all(ceased(pendingCancel), not(ended)),
      key: [from('id'), firstOf(prior(from('canceled_at')), prior(from('cancel_at')), event('created'))],
    },
    {
      ignore: 'no_known_change',
      because: 'The subscription was not known before and the event does not say what changed.',
      when: not(priorKnown),
    },
    {
      emit: 'subscription.updated',
      when: changed(news),
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
    user: userOf(customerOf, {
      told: [registeredUser(checkout), from('metadata.client_user_id'), customerMetadata(customerOf)],
      email: [customerEmail(customerOf)],
    }),
    subscription: subscriptionShape,
  },
  news,
})
