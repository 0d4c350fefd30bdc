import type { Twist } from './play.ts'
import {
  type Bill,
  calendar,
  customer,
  invoice,
  type Life,
  type Plan,
  pro,
  product,
  type StripeEvent,
  stripeEvent,
  subscription,
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
export function story(): Chapter[] {
  const at = calendar(LAST_DAY)
  const chapters: Chapter[] = []
  let serial = 0
  let created = 0
  const chapter = (day: number, title: string) => {
    created = at(day)
    chapters.push({ day, title, steps: [] })
  }
  const steps = () => chapters.at(-1)!.steps
  const tell = (type: string, object: object, expect: string[], previous?: object) => {
    serial += 1
    created += 1
    steps().push({ event: stripeEvent(serial, created, type, object, previous), expect })
  }

  let life: Life = {
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
  const florentin = (...types: string[]) => {
    steps().at(-1)!.florentin = types
  }
  /** The subscription changes: the event carries what was there before, as Stripe's does. */
  const change = (changed: Partial<Life>, expect: string[]) => {
    const before = subscription(life)
    life = { ...life, ...changed }
    tell('customer.subscription.updated', subscription(life), expect, previousAttributes(before, subscription(life)))
  }
  let bills = 0
  /** An invoice from draft to paid. */
  const bill = (reason: Bill['reason'], cents: number, expect: { finalized: string[]; paid: string[] }) => {
    bills += 1
    const one: Bill = { number: bills, reason, plan: life.plan, cents, created, period: life.period }
    tell('invoice.created', invoice(one, 'draft', created), ['invoice.created'])
    tell('invoice.finalized', invoice(one, cents === 0 ? 'paid' : 'open', created), expect.finalized)
    florentin('invoice.created')
    tell('invoice.paid', invoice(one, 'paid', created), expect.paid)
    tell('invoice.payment_succeeded', invoice(one, 'paid', created), [])
  }
  const renewal = (plan: Plan) =>
    bill('subscription_cycle', plan.cents, {
      finalized: ['invoice.updated'],
      paid: ['invoice.paid', 'subscription.renewed'],
    })

  chapter(0, 'Ada starts a trial')
  tell('product.created', product(pro, created), [])
  tell('product.created', product(team, created), [])
  tell('customer.created', customer(created), [])
  florentin('account.created')
  tell('customer.subscription.created', subscription(life), ['subscription.created'])
  florentin('subscription.purchased')
  bill('subscription_create', 0, { finalized: [], paid: ['invoice.paid'] })

  chapter(14, 'The trial ends: the first payment')
  change({ status: 'active', period: [at(14), at(44)] }, ['subscription.updated'])
  renewal(pro)

  steps().push({ ...steps().at(-2)!, expect: [], twist: 'sent_again' })

  chapter(44, 'A month later: the renewal')
  change({ period: [at(44), at(74)] }, [])
  renewal(pro)

  chapter(55, 'She moves from Pro to Team')
  change({ plan: team }, ['subscription.updated'])
  florentin('subscription.upgraded')
  steps().at(-1)!.twist = 'endpoint_down'

  chapter(60, 'She cancels, for the end of the period')
  change({ cancelAt: at(74), canceledAt: at(60) }, ['subscription.cancelled'])
  florentin('subscription.cancelled')

  chapter(LAST_DAY, 'The period is over')
  life = { ...life, status: 'canceled', endedAt: at(LAST_DAY) }
  tell('customer.subscription.deleted', subscription(life), ['subscription.expired'])
  tell('customer.subscription.created', subscription({ ...life, status: 'active' }), [])
  steps().at(-1)!.twist = 'forged'
  return chapters
}

/** Stripe's `previous_attributes`: of every top-level key that changed, the value before. */
function previousAttributes(before: Record<string, unknown>, after: Record<string, unknown>) {
  const changed = Object.keys(before).filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
  return Object.fromEntries(changed.map((key) => [key, before[key]]))
}
