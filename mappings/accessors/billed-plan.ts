import type Stripe from 'stripe'
import { type Expr, unset } from '../../src/language/mapping.ts'
import { any, called, combiner, computed, converter, event, firstOf, is, kept, not } from '../../src/language/words.ts'
import { STATUS } from '../versions.ts'
import { type BilledLine, isPlanLine, itemOf, planOf, usageTypeOf } from './billed-lines.ts'
import { invoice, invoiceSubscription, lines } from './invoice.ts'
import { items, subscription } from './subscription.ts'

// A change of plan or quantity and the invoice that bills it are made in one second, and told in any order. What an invoice event
// shows of its subscription is the subscription that it bills.

type Item = Stripe.SubscriptionItem & { deleted?: unknown }
type Price = {
  id?: string
  unit_amount_decimal?: string | null
  unit_amount?: number | null
  amount?: number | null
  transform_quantity?: object | null
  transform_usage?: object | null
}
type Plan = { plan: string; quantity: number | null }

/** Those of one request lie so close together; an invoice that is told later is not waited with. */
const MADE_TOGETHER_SECONDS = 60

/** Quantities say nothing where tiers divide them over several lines, or packs count them otherwise. */
const isCounted = ({ unit_amount_decimal, unit_amount, amount, transform_quantity, transform_usage }: Price) =>
  (unit_amount_decimal ?? unit_amount ?? amount ?? null) !== null && !transform_quantity && !transform_usage
function plansOf(list: readonly Item[], topQuantity: number | null): Plan[] {
  return list.flatMap((item) => {
    const price = (item.price ?? item.plan ?? {}) as Price
    if (item.deleted || typeof price.id !== 'string') return []
    const quantity = item.quantity ?? topQuantity
    return [{ plan: price.id, quantity: isCounted(price) && typeof quantity === 'number' ? quantity : null }]
  })
}
const nameOf = ({ plan, quantity }: Plan) => (quantity === null ? plan : `${plan}×${quantity}`)

const plansHeld = called(
  'its plans and quantities',
  computed(
    'one for each item',
    (list, topQuantity) => plansOf(list ?? [], topQuantity),
    items as Expr<Item[] | null>,
    subscription.legacy<number>('quantity', { until: '2020-08-27' }),
  ),
)

/** A plan that the invoice bills from now on, and the subscription as we hold it does not have. */
function findUnseenPlan(list: readonly BilledLine[], held: readonly Plan[], billedUntil: number | null): string | null {
  const ahead = list.filter(
    (line) =>
      isPlanLine(line) &&
      line.amount > 0 &&
      line.quantity !== 0 &&
      usageTypeOf(line) !== 'metered' &&
      line.period.end > (billedUntil ?? 0) &&
      planOf(line) !== undefined,
  )
  const quantitiesOf = Map.groupBy(held, ({ plan }) => plan)
  const isHeld = (line: BilledLine) =>
    (quantitiesOf.get(planOf(line) ?? '') ?? []).some(
      ({ quantity }) => (quantity ?? line.quantity) === (line.quantity ?? quantity),
    )
  // Of an item that was changed several times older lines may be there as well.
  const heldItems = new Set(ahead.filter(isHeld).map(itemOf))
  const unseen = ahead.find((line) => !heldItems.has(itemOf(line)))
  if (!unseen) return null
  const plan = planOf(unseen) ?? ''
  const isKnown = held.some((one) => one.plan === plan)
  return isKnown ? nameOf({ plan, quantity: unseen.quantity }) : plan
}

/** A plan of a subscription as a fact that may be waited for, alone or with its quantity. */
const planKey = combiner('with', (subscription: string, plan: string) => `${subscription}:${plan}`)
const planNames = converter('alone and with their quantities', (plans: readonly Plan[]) => [
  ...new Set(plans.flatMap((one) => [one.plan, nameOf(one)])),
])
/** The keys of the plans that a subscription has. */
export const planKeys = combiner('each with', (subscription: string, plans: readonly string[]) =>
  plans.map((plan) => `${subscription}:${plan}`),
)(subscription.from('id'), planNames(plansHeld))

const held = kept('subscription', invoiceSubscription)
const unseenPlan = called(
  'a plan that is billed and was not seen yet',
  computed(
    'of the lines that go on after the invoice',
    (list, held, billedUntil) => findUnseenPlan(list ?? [], held ?? [], billedUntil),
    lines as Expr<BilledLine[] | null>,
    held(plansHeld),
    invoice.from('period_end'),
  ),
)
const toldLater = called(
  'told later than it was made',
  is(
    computed(
      'more than a minute',
      (told, made) => told === null || made === null || told - made > MADE_TOGETHER_SECONDS,
      event('created') as Expr<number>,
      firstOf(invoice.from('created'), invoice.legacy<number>('date', STATUS)),
    ),
    true,
  ),
)

/** An invoice that bills a change waits for the change. */
export const waitForPlan = {
  fact: 'plan',
  key: called('the plan that it bills', planKey(invoiceSubscription, unseenPlan)),
  unless: any(
    is(event('type'), 'invoice.upcoming'),
    not(held.known),
    // Of many items the first page alone is shown.
    is(held(subscription.from('items.has_more')), true),
    is(unseenPlan, unset),
    toldLater,
  ),
}
