import { type Expr, unset } from '../../src/language/mapping.ts'
import {
  all,
  always,
  any,
  became,
  byEvent,
  called,
  computed,
  event,
  firstOf,
  given,
  is,
  kept,
  more,
  not,
  on,
  oneOf,
  reading,
  same,
  stored,
  was,
} from '../../src/language/words.ts'
import {
  cancellationMark,
  customerOf,
  ended,
  pausedSoft,
  pendingCancel,
  periodEnd,
  subscription,
} from './subscription.ts'

const { from, has } = subscription

/** Every event of a subscription's life. */
export const subscriptionEvents = on(
  'customer.subscription.created',
  'customer.subscription.updated',
  'customer.subscription.deleted',
  'customer.subscription.paused',
  'customer.subscription.resumed',
  'customer.subscription.pending_update_applied',
  'customer.subscription.pending_update_expired',
  'customer.subscription.trial_will_end',
)

// How a subscription comes, changes and ends, for every contract alike.

/** Soft pauses leave Stripe's status alone. */
export const status = oneOf(from('status'), {
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
export const state = byEvent(
  { 'subscription.cancelled': given(ended, always('cancelled'), given(pausedSoft, always('paused'), status)) },
  given(pausedSoft, always('paused'), status),
)

/** When this cancellation was asked for: one cancellation is one fact, however often it is reported. */
export const cancellation = firstOf(from('canceled_at'), from('cancel_at'), event('created'))

/** Unix seconds at which it ends, when it is marked for it. */
export const cancelDate = firstOf(from('cancel_at'), given(has('cancel_at_period_end', true), periodEnd))
/** Marked for its end by this event; where the end came within the moment, Stripe renders it as ended already. */
export const becomesMarked = called(
  'becoming due to be cancelled',
  any(became(pendingCancel), all(ended, became(cancellationMark))),
)
/** Stripe renders objects when it sends their events: a change of the moment before the end shows the end already. */
export const rendersLaterEnd = called(
  'rendered when it had ended',
  all(ended, not(more(event('created') as Expr<number>, firstOf(from('ended_at'), from('canceled_at'))))),
)
/** Over with this event. */
export const endsNow = called(
  'ending now',
  all(ended, any(is(event('type'), 'customer.subscription.deleted'), became(ended))),
)
/** Stripe ends a trial that nobody pays for when it comes to it, in the second of its end or a little later. */
const endsWithTrial = called(
  'within an hour after its trial',
  is(
    computed(
      'at most an hour later',
      (end: number | null, trial: number | null) =>
        end !== null && trial !== null && end >= trial && end <= trial + 3600,
      from('ended_at'),
      from('trial_end'),
    ),
    true,
  ),
)
/** The end was known, or nobody asked for it: there is no cancellation to send beside the end (docs/stripe.md 4.3). */
export const endedByItself = called(
  'ending by itself',
  any(
    // What one update both marks and ends was cancelled at once.
    all(cancellationMark, not(all(is(event('type'), 'customer.subscription.updated'), became(cancellationMark)))),
    was(pendingCancel),
    has('cancellation_details.reason', 'payment_failed', 'canceled_by_retention_policy'),
    all(has('cancellation_details.reason', unset), was(has('status', 'past_due', 'unpaid'))),
    is(kept('customer', customerOf)(reading<{ deleted: boolean }>().from('deleted')), true),
    same(from('ended_at'), from('trial_end')),
    all(has('cancellation_details.reason', unset), endsWithTrial),
  ),
)

/** What an end means depends on what was before it: that of a subscription never seen waits for its creation. */
export const waitForBirth = {
  fact: 'subscription',
  key: called('the subscription itself', from('id')),
  unless: any(not(is(event('type'), 'customer.subscription.deleted')), called('seen before', stored(all()))),
}
