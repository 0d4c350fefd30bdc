import { boundaryAfter, DAY } from './calendar.ts'
import { endSubscription, pauseHard, resumeHard } from './changes.ts'
import { toPeriodEnd } from './cycles.ts'
import { newInvoice } from './invoices.ts'
import { periodLines } from './lines.ts'
import type { Customer, Subscription } from './objects/billing.ts'
import { finalizeInvoice, payInvoice } from './payments.ts'
import { present } from './present.ts'
import { advanceClock, asOneRequest, changeObject, recordEvent, type World } from './world.ts'

/** Three days before a trial ends. */
export function warnOfTrialEnd(world: World, subscription: Subscription): void {
  advanceClock(world, Math.max(0, present(subscription.trialEnd) - 3 * DAY - world.now))
  recordEvent(world, 'customer.subscription.trial_will_end', subscription)
}

/** The trial ends and nobody can be charged: the subscription ends or is paused, as it was agreed. */
export function endTrialUnpayable(world: World, subscription: Subscription): void {
  toPeriodEnd(world, subscription)
  if (subscription.missingPaymentMethod === 'cancel') endSubscription(world, subscription)
  else pauseHard(world, subscription, 'trial_end_without_payment_method')
}

/** A subscription paused at its trial's end begins its first paid period now. */
export function resumeWithInvoice(world: World, customer: Customer, subscription: Subscription): void {
  payFirstPeriod(world, customer, subscription, (news) => resumeHard(world, subscription, news))
}

/** The trial is ended before its time: the first paid period begins now, and Stripe bills it as a change. */
export function endTrialEarly(world: World, customer: Customer, subscription: Subscription): void {
  asOneRequest(world, () =>
    payFirstPeriod(world, customer, subscription, (news) =>
      changeObject(
        world,
        subscription,
        { ...news, status: 'active', trialEnd: world.now },
        'customer.subscription.updated',
      ),
    ),
  )
}

function payFirstPeriod(
  world: World,
  customer: Customer,
  subscription: Subscription,
  begin: (news: Partial<Subscription>) => void,
): void {
  const { recurring } = present(subscription.items[0]).price
  const period = { start: world.now, end: boundaryAfter(world.now, present(recurring), world.now) }
  const lines = subscription.items.flatMap((item) => periodLines(world, subscription, item, period))
  const invoice = newInvoice(world, customer, { billingReason: 'subscription_update', lines, subscription })
  begin({ anchor: world.now, periodStart: period.start, periodEnd: period.end, latestInvoice: invoice.id })
  recordEvent(world, 'invoice.created', invoice)
  const payment = finalizeInvoice(world, customer, invoice)
  advanceClock(world, 1)
  payInvoice(world, customer, invoice, payment)
}
