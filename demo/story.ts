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

/** What goes wrong with one event. */
export type Twist = 'sent_again' | 'endpoint_down' | 'forged'

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

const newLife = (at: (day: number) => number): SubscriptionLife => ({
  plan: pro,
  status: 'trialing',
  start: at(0),
  trialEnd: at(14),
  period: [at(0), at(14)],
  cancelAt: null,
  canceledAt: null,
  endedAt: null,
})

/** Writes the chapters of a story: the subscription and its invoices, as Stripe's events report them. */
function newStoryWriter(at: (day: number) => number) {
  const chapters: Chapter[] = []
  const steps: Step[] = []
  let serial = 0
  let created = 0
  const startChapter = (day: number, title: string) => {
    created = at(day)
    chapters.push({ day, title, steps: [] })
  }
  const addStep = (step: Step) => {
    steps.push(step)
    chapters.at(-1)?.steps.push(step)
  }
  /** Changes the step that was written last. */
  const amendStep = (more: Pick<Step, 'florentin' | 'twist'>) => void Object.assign(steps.at(-1) ?? {}, more)
  const addEvent = (type: string, object: object, expect: string[], previous?: object) => {
    serial += 1
    created += 1
    addStep({ event: stripeEvent({ serial, created, type }, object, previous), expect })
  }

  let life = newLife(at)
  /** What Florentin's endpoints get from the last event. */
  const expectFlorentin = (...florentin: string[]) => amendStep({ florentin })
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

  /** Stripe sends the event before the last one once more. */
  const repeatEvent = () => {
    const [step] = steps.slice(-2)
    if (step) addStep({ event: step.event, expect: [], twist: 'sent_again' })
  }
  const addProducts = () => {
    for (const plan of [pro, team]) addEvent('product.created', productObject(plan, created), [])
  }
  const addCustomer = () => addEvent('customer.created', customerObject(created), [])
  const startSubscription = () =>
    addEvent('customer.subscription.created', subscriptionObject(life), ['subscription.created'])
  const endSubscription = () => {
    life = { ...life, status: 'canceled', endedAt: created }
    addEvent('customer.subscription.deleted', subscriptionObject(life), ['subscription.expired'])
  }
  /** Somebody else signs an event as if the subscription had begun anew. */
  const forgeSubscription = () => {
    addEvent('customer.subscription.created', subscriptionObject({ ...life, status: 'active' }), [])
    amendStep({ twist: 'forged' })
  }
  const stopEndpoint = () => amendStep({ twist: 'endpoint_down' })
  return {
    chapters,
    ...{ startChapter, addProducts, addCustomer, startSubscription, changeSubscription, endSubscription },
    ...{ addInvoice, addRenewal, expectFlorentin, repeatEvent, forgeSubscription, stopEndpoint },
  }
}

/** A subscription's life as Stripe reports it: trial, first payment, renewal, plan change, cancellation, end. */
export function demoStory(): Chapter[] {
  const at = newCalendar(LAST_DAY)
  const story = newStoryWriter(at)

  story.startChapter(0, 'Ada starts a trial')
  story.addProducts()
  story.addCustomer()
  story.expectFlorentin('account.created')
  story.startSubscription()
  story.expectFlorentin('subscription.purchased')
  story.addInvoice('subscription_create', 0, { finalized: [], paid: ['invoice.paid'] })

  story.startChapter(14, 'The trial ends: the first payment')
  story.changeSubscription({ status: 'active', period: [at(14), at(44)] }, ['subscription.updated'])
  story.addRenewal(pro)

  story.repeatEvent()

  story.startChapter(44, 'A month later: the renewal')
  story.changeSubscription({ period: [at(44), at(74)] }, [])
  story.addRenewal(pro)

  story.startChapter(55, 'She moves from Pro to Team')
  story.changeSubscription({ plan: team }, ['subscription.updated'])
  story.expectFlorentin('subscription.upgraded')
  story.stopEndpoint()

  story.startChapter(60, 'She cancels, for the end of the period')
  story.changeSubscription({ cancelAt: at(74), canceledAt: at(60) }, ['subscription.cancelled'])
  story.expectFlorentin('subscription.cancelled')

  story.startChapter(LAST_DAY, 'The period is over')
  story.endSubscription()
  story.forgeSubscription()
  return story.chapters
}

/** Stripe's `previous_attributes`: of every top-level key that changed, the value before. */
function previousAttributes(before: Record<string, unknown>, after: Record<string, unknown>) {
  const changed = Object.keys(before).filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
  return Object.fromEntries(changed.map((key) => [key, before[key]]))
}
