import { isoTime, toNumber } from '../../src/language/converters.ts'
import { calledAfter, firstOf, given, prior, uuidOf } from '../../src/language/words.ts'
import { cancelDate, state } from '../accessors/lifecycle.ts'
import { planName } from '../accessors/plan.ts'
import {
  billedAsPriced,
  ended,
  itemPlanId,
  items,
  itemUnitAmount,
  periodEnd,
  periodStart,
  primary,
  quantity,
  subscription,
  subscriptionCurrency,
} from '../accessors/subscription.ts'
import { checkoutSubscription } from '../accessors/user.ts'

const { from } = subscription

const planId = primary(items, itemPlanId)
/** Minor units, as Stripe counts them. */
const amount = given(billedAsPriced, toNumber(primary(items, itemUnitAmount)))

/** The subscription object of the contract, read from Stripe's subscription. */
export const subscriptionShape = calledAfter('data.subscription', {
  id: uuidOf('subscription', from('id'), checkoutSubscription),
  plan_id: planId,
  plan_name: planName,
  status: state,
  quantity,
  amount,
  currency: subscriptionCurrency,
  current_period_start: isoTime(periodStart),
  current_period_end: isoTime(given(ended, firstOf(from('ended_at'), from('canceled_at'), periodEnd), periodEnd)),
  cancel_at: isoTime(cancelDate),
  canceled_at: isoTime(firstOf(from('canceled_at'), given(ended, from('ended_at')))),
})

/** What the plan was before this event. */
export const previousShape = calledAfter('data.previous', {
  plan_id: prior(planId),
  plan_name: prior(planName),
  quantity: prior(quantity),
  amount: prior(amount),
})
