import { florentinSubscription } from '../../src/contracts/florentin.ts'
import { set } from '../../src/language/mapping.ts'
import {
  all,
  any,
  became,
  called,
  defineMapping,
  is,
  lastOccasion,
  not,
  remembers,
  stored,
  was,
} from '../../src/language/words.ts'
import {
  becomesMarked,
  cancellation,
  endedByItself,
  endsNow,
  status,
  subscriptionEvents,
  waitForBirth,
} from '../accessors/lifecycle.ts'
import { ended } from '../accessors/subscription.ts'
import { subscriptionUser } from '../accessors/user.ts'
import { envelope } from './envelope.ts'
import { subscriptionShape } from './subscription-shape.ts'

const { from, has, type } = subscriptionEvents

const incomplete = has('status', 'incomplete')
const entitled = called('trialing or active', has('status', 'trialing', 'active'))
/** A subscription met in the middle of its life is not new, unless its first payment was still open (docs/stripe.md 4.18). */
const birthSeen = called(
  'seen from its birth',
  any(stored(incomplete), is(lastOccasion('created but not usable'), set)),
)
/** What has ended never comes back: an older event that arrives after the end was sent, or had none to send, tells no purchase. */
const endIsKnown = called(
  'its end known before',
  any(remembers('cancelled by its end'), all(stored(ended), any(not(was(incomplete)), stored(endedByItself)))),
)
const becomesUsable = called('becoming trialing or active', became(entitled))

const isPurchase = all(
  entitled,
  not(remembers('purchased')),
  any(type('customer.subscription.created'), all(becomesUsable, any(was(incomplete), birthSeen))),
)

/** `subscription.purchased` and `subscription.cancelled`. */
export default defineMapping({
  name: 'florentin/subscription',
  on: subscriptionEvents,
  to: florentinSubscription,
  user: subscriptionUser,
  total: [status],
  waitFor: [waitForBirth],

  rules: [
    {
      ignore: 'no_change',
      because: 'Announces something to come; the change itself arrives as an event of its own.',
      when: type('customer.subscription.trial_will_end', 'customer.subscription.pending_update_expired'),
    },
    {
      ignore: 'already_ended',
      because: 'The end of the subscription is known: this is older, and would give access again.',
      when: all(isPurchase, endIsKnown),
    },
    {
      emit: 'subscription.purchased',
      when: isPurchase,
      key: [from('id')],
      isNamedFact: true,
      remember: 'purchased',
    },
    {
      ignore: 'awaiting_entitlement',
      because: 'Not usable yet: subscription.purchased follows when the subscription is trialing or active.',
      when: all(type('customer.subscription.created'), not(entitled), not(ended)),
      sees: 'created but not usable',
    },
    {
      ignore: 'never_entitled',
      because: 'The subscription ended before its first payment: it was never sent.',
      when: any(
        type('customer.subscription.created'),
        all(endsNow, not(remembers('purchased')), any(has('status', 'incomplete_expired'), was(incomplete))),
      ),
    },
    {
      ignore: 'ended_by_itself',
      because: 'The end was due, or nobody asked for it: the cancellation was sent before, or there was none.',
      when: all(endsNow, endedByItself),
    },
    {
      ignore: 'already_ended',
      because: 'The end of the subscription was sent before, as its cancellation.',
      when: all(any(endsNow, becomesMarked), remembers('cancelled by its end')),
    },
    {
      emit: 'subscription.cancelled',
      when: endsNow,
      key: [from('id'), cancellation],
      isNamedFact: true,
      remember: 'cancelled by its end',
    },
    {
      emit: 'subscription.cancelled',
      when: all(becomesMarked, not(incomplete)),
      key: [from('id'), cancellation],
      isNamedFact: true,
    },
    {
      ignore: 'not_in_contract',
      because: 'The contract has events for a purchase and a cancellation; a change of plan has events of its own.',
    },
  ],

  // It became usable while another event was on its way.
  owed: {
    emit: 'subscription.purchased',
    when: all(
      entitled,
      birthSeen,
      not(remembers('purchased')),
      not(becomesUsable),
      not(type('customer.subscription.created')),
    ),
    key: [from('id')],
    remember: 'purchased',
  },

  body: { ...envelope, data: { subscription: subscriptionShape } },
  news: {},
})
