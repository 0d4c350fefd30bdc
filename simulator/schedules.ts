import { boundaryAfter } from './calendar.ts'
import type { Item, Price, Schedule, Subscription } from './objects/billing.ts'
import { present } from './present.ts'
import { asOneRequest, changeObject, newId, recordEvent, type World } from './world.ts'

/** A schedule takes over a subscription: the running period as its first phase, another one with `price` after it. */
export function createSchedule(
  world: World,
  subscription: Subscription,
  price: Price,
  endBehavior: Schedule['endBehavior'],
): Schedule {
  const made: Schedule = {
    kind: 'subscription_schedule',
    id: newId(world, 'sub_sched'),
    created: world.now,
    customer: subscription.customer,
    subscription: subscription.id,
    releasedSubscription: null,
    status: 'active',
    endBehavior,
    phases: [
      { start: subscription.periodStart, end: subscription.periodEnd, items: itemsOf(subscription.items) },
      {
        start: subscription.periodEnd,
        end: boundaryAfter(subscription.anchor, present(price.recurring), subscription.periodEnd),
        items: [{ price, quantity: 1 }],
      },
    ],
    currentPhase: 0,
    releasedAt: null,
    completedAt: null,
    flexible: subscription.flexible,
    testClock: subscription.testClock,
  }
  asOneRequest(world, () => {
    recordEvent(world, 'subscription_schedule.created', made)
    changeObject(world, subscription, { schedule: made.id }, 'customer.subscription.updated')
  })
  return made
}

/** The second phase begins with the period that the caller rolls into; what it asks for is returned as items. */
export function nextPhase(world: World, plan: Schedule, subscription: Subscription): Item[] {
  changeObject(world, plan, { currentPhase: 1 }, 'subscription_schedule.updated')
  const [first] = subscription.items as [Item]
  return present(plan.phases[1]).items.map(({ price, quantity }) => ({ ...first, price, quantity }))
}

/** In its last phase a schedule that ends with `cancel` sets the date on the subscription. */
export const announceEnd = (world: World, plan: Schedule, subscription: Subscription): void =>
  changeObject(
    world,
    subscription,
    { cancelAt: present(plan.phases.at(-1)).end, canceledAt: world.now },
    'customer.subscription.updated',
  )

/** The schedule lets the subscription go on by itself. */
export function releaseSchedule(world: World, plan: Schedule, subscription: Subscription): void {
  const news: Partial<Schedule> = {
    status: 'released',
    releasedAt: world.now,
    releasedSubscription: subscription.id,
    subscription: null,
    currentPhase: null,
  }
  changeObject(world, plan, news, 'subscription_schedule.released')
  changeObject(world, subscription, { schedule: null }, 'customer.subscription.updated')
}

/** The schedule has come to its end with the subscription. */
export const finishSchedule = (world: World, plan: Schedule): void =>
  changeObject(
    world,
    plan,
    { status: 'completed', completedAt: world.now, currentPhase: null },
    'subscription_schedule.completed',
  )

const itemsOf = (items: readonly Item[]) => items.map(({ price, quantity }) => ({ price, quantity: quantity ?? 1 }))
