import type { Twist } from './play.ts'
import {
  type Bill,
  customerObject,
  invoiceObject,
  newCalendar,
  type Plan,
  pro,
  productObject,
  type StripeEvent,
  type SubscriptionLife,
  stripeEvent,
  subscriptionObject,
  team,
} from './stripe.ts'

/** One Stripe event of the story, and the events that have to come of it, in order: Flo's, and Florentin's. */
export interface Step {
  event: StripeEvent
  expect: string[]
  florentin?: string[]
  twist?: Twist
}

export interface Chapter {
  day: number
  title: string
  steps: Step[]
}

const LAST_DAY = 74

/** A subscription's life as Stripe tells it: trial, first payment, renewal, plan change, cancellation, end. */
export function demoStory(): Chapter[] {
  const at = newCalendar(LAST_DAY)
  const chapters: Chapter[] = []
  let serial = 0
  let created = 0
  const startChapter = (day: number, title: string) => {
    created = at(day)
    chapters.push({ day, title, steps: [] })
  }
  const currentSteps = () => chapters.at(-1)!.steps
  const addEvent = (type: string, object: object, expect: string[], previous?: object) => {
    serial += 1
    created += 1
    currentSteps().push({ event: stripeEvent(serial, created, type, object, previous), expect })
  }

  let life: SubscriptionLife = {
    plan: pro,
    status: 'trialing',
    start: at(0),
    trialEnd: at(14),
    period: [at(0), at(14)],
    cancelAt: null,
    canceledAt: null,
    endedAt: null,
  }
  /** What the event before tells Florentin's endpoints. */
  const expectFlorentin = (...types: string[]) => {
    currentSteps().at(-1)!.florentin = types
  }
  /** The subscription changes: the event carries what was there before, as Stripe's does. */
  const changeSubscription = (changed: Partial<SubscriptionLife>, expect: string[]) => {
    const before = subscriptionObject(life)
    life = { ...life, ...changed }
    addEvent(
      'customer.subscription.updated',
      subscriptionObject(life),
      expect,
      previousAttributes(before, subscriptionObject(life)),
    )
  }
  let bills = 0
  /** An invoice from draft to paid. */
  const addInvoice = (reason: Bill['reason'], cents: number, expect: { finalized: string[]; paid: string[] }) => {
    bills += 1
    const one: Bill = { number: bills, reason, plan: life.plan, cents, created, period: life.period }
    addEvent('invoice.created', invoiceObject(one, 'draft', created), ['invoice.created'])
    addEvent('invoice.finalized', invoiceObject(one, cents === 0 ? 'paid' : 'open', created), expect.finalized)
    expectFlorentin('invoice.created')
    addEvent('invoice.paid', invoiceObject(one, 'paid', created), expect.paid)
    addEvent('invoice.payment_succeeded', invoiceObject(one, 'paid', created), [])
  }
  const addRenewal = (plan: Plan) =>
    addInvoice('subscription_cycle', plan.cents, {
      finalized: ['invoice.updated'],
      paid: ['invoice.paid', 'subscription.renewed'],
    })

  startChapter(0, 'Ada starts a trial')
  addEvent('product.created', productObject(pro, created), [])
  addEvent('product.created', productObject(team, created), [])
  addEvent('customer.created', customerObject(created), [])
  expectFlorentin('account.created')
  addEvent('customer.subscription.created', subscriptionObject(life), ['subscription.created'])
  expectFlorentin('subscription.purchased')
  addInvoice('subscription_create', 0, { finalized: [], paid: ['invoice.paid'] })

  startChapter(14, 'The trial ends: the first payment')
  changeSubscription({ status: 'active', period: [at(14), at(44)] }, ['subscription.updated'])
  addRenewal(pro)

  currentSteps().push({ ...currentSteps().at(-2)!, expect: [], twist: 'sent_again' })

  startChapter(44, 'A month later: the renewal')
  changeSubscription({ period: [at(44), at(74)] }, [])
  addRenewal(pro)

  startChapter(55, 'She moves from Pro to Team')
  changeSubscription({ plan: team }, ['subscription.updated'])
  expectFlorentin('subscription.upgraded')
  currentSteps().at(-1)!.twist = 'endpoint_down'

  startChapter(60, 'She cancels, for the end of the period')
  changeSubscription({ cancelAt: at(74), canceledAt: at(60) }, ['subscription.cancelled'])
  expectFlorentin('subscription.cancelled')

  startChapter(LAST_DAY, 'The period is over')
  life = { ...life, status: 'canceled', endedAt: at(LAST_DAY) }
  addEvent('customer.subscription.deleted', subscriptionObject(life), ['subscription.expired'])
  addEvent('customer.subscription.created', subscriptionObject({ ...life, status: 'active' }), [])
  currentSteps().at(-1)!.twist = 'forged'
  return chapters
}

/** Stripe's `previous_attributes`: of every top-level key that changed, the value before. */
function previousAttributes(before: Record<string, unknown>, after: Record<string, unknown>) {
  const changed = Object.keys(before).filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
  return Object.fromEntries(changed.map((key) => [key, before[key]]))
}
