import { florentinPlanChange } from '../../src/contracts/florentin.ts'
import {
  all,
  any,
  called,
  defineMapping,
  is,
  more,
  not,
  occasion,
  on,
  prior,
  priorKnown,
  same,
  stored,
  was,
} from '../../src/language/words.ts'
import { status } from '../accessors/lifecycle.ts'
import { ended } from '../accessors/subscription.ts'
import { subscriptionUser } from '../accessors/user.ts'
import {
  currencies,
  currencyCount,
  monthlyValue,
  openItems,
  planRank,
  plans,
  plansAndQuantities,
} from '../accessors/worth.ts'
import { envelope } from './envelope.ts'
import { previousShape, subscriptionShape } from './subscription-shape.ts'

const subscription = on('customer.subscription.updated', 'customer.subscription.pending_update_applied')
const { from, has } = subscription

const incomplete = has('status', 'incomplete')
const pricedAlike = called(
  'priced in one currency, before and now',
  all(is(currencyCount, 1), same(currencies, prior(currencies))),
)
/** What has no fixed price is the same before and after: the rest makes the difference. */
const openAlike = called('as tiered and metered as before', same(openItems, prior(openItems)))
const key = [from('id'), occasion('changed plan', { plansAndQuantities })]

/** `subscription.upgraded` and `subscription.downgraded`: by list value a month; where prices do not decide, by rank. */
export default defineMapping({
  name: 'florentin/plan-change',
  on: subscription,
  to: florentinPlanChange,
  user: subscriptionUser,
  total: [status],
  waitFor: [],

  rules: [
    {
      ignore: 'no_known_change',
      because: 'The subscription was not known before and the event does not say what changed.',
      when: not(priorKnown),
    },
    {
      ignore: 'no_plan_change',
      because: 'Its plans, prices and quantities are as they were.',
      when: same(plansAndQuantities, prior(plansAndQuantities)),
    },
    {
      ignore: 'items_not_shown',
      because: 'It has more items than the event shows: the missing ones may turn the comparison around.',
      when: has('items.has_more', true),
    },
    {
      ignore: 'not_in_use',
      because: 'Changed before its first payment or after its end: nobody used the one plan or the other.',
      when: any(ended, incomplete, was(incomplete)),
    },
    {
      ignore: 'already_ended',
      because: 'The end of the subscription is known: what it was changed to before gives nobody access any more.',
      when: stored(ended),
    },
    {
      ignore: 'currencies_not_compared',
      because: 'Amounts of different currencies are not compared: neither an upgrade nor a downgrade.',
      when: not(pricedAlike),
    },
    { emit: 'subscription.upgraded', when: all(openAlike, more(monthlyValue, prior(monthlyValue))), key },
    { emit: 'subscription.downgraded', when: all(openAlike, more(prior(monthlyValue), monthlyValue)), key },
    {
      ignore: 'equal_value',
      because: 'It costs the same a month as before: neither an upgrade nor a downgrade.',
      when: openAlike,
    },
    { emit: 'subscription.upgraded', when: more(planRank, prior(planRank)), key },
    { emit: 'subscription.downgraded', when: more(prior(planRank), planRank), key },
    {
      ignore: 'equal_rank',
      because: 'What is tiered or metered changed, yet its plans are the same or rank as before: neither of the two.',
      when: any(same(planRank, prior(planRank)), same(plans, prior(plans))),
    },
    {
      ignore: 'no_rank',
      because:
        "No price says what a tiered or metered plan is worth: give the plans their ranks in the source's planRanks.",
    },
  ],

  body: { ...envelope, data: { subscription: subscriptionShape, previous: previousShape } },
  news: {},
})
