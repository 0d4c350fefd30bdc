import type { Customer, Discount, Line } from './objects/billing.ts'
import { asOneRequest, changeObject, newId, recordEvent, type World } from './world.ts'

/**
 * A customer who pays with a card, or has none yet. The world's clientUserId stands in the metadata of the first one, and what the
 * platform writes in that of all that it makes itself; of a visitor Checkout makes one, and knows nothing of it.
 */
export function createCustomer(
  world: World,
  options: { email?: string; name?: string; card?: boolean; madeBy?: 'platform' | 'checkout' } = {},
): Customer {
  return asOneRequest(world, () => {
    const isFirst = world.customers.size === 0
    const made: Customer = {
      kind: 'customer',
      id: newId(world, 'cus'),
      created: world.now,
      email: options.email ?? 'ada@example.com',
      name: options.name ?? 'Ada Example',
      currency: null,
      balance: 0,
      metadata: {
        ...(options.madeBy === 'checkout' ? {} : world.metadata),
        ...(isFirst && world.clientUserId !== null && { client_user_id: world.clientUserId }),
      },
      card: null,
      invoicePrefix: world.random.letters(8).toUpperCase(),
      invoicesSoFar: 0,
      testClock: world.testClock,
      subscriptions: [],
    }
    world.customers.set(made.id, made)
    recordEvent(world, 'customer.created', made)
    if (options.card !== false) addCard(world, made)
    return made
  })
}

export function addCard(world: World, customer: Customer): void {
  asOneRequest(world, () => {
    const card = { paymentMethod: newId(world, 'pm'), id: newId(world, 'card'), fingerprint: world.random.letters(16) }
    changeObject(world, customer, { card }, 'customer.updated')
  })
}

/** The client tells afterwards which of its users this is. */
export function tellUser(world: World, customer: Customer, clientUserId: string): void {
  const metadata = { ...customer.metadata, client_user_id: clientUserId }
  asOneRequest(world, () => changeObject(world, customer, { metadata }, 'customer.updated'))
}

/** Stripe fixes a customer's currency with the first invoice. */
export function settleCurrency(world: World, customer: Customer, currency: string): void {
  if (customer.currency === null) changeObject(world, customer, { currency }, 'customer.updated')
}

/** A coupon that the customer brings along. */
export const newDiscount = (world: World, percentOff: number): Discount => ({
  id: newId(world, 'di'),
  start: world.now,
  coupon: { id: world.random.letters(8), created: world.now, percentOff },
})

/** Each line costs that much less. */
export function discountLines(lines: Line[], of: Discount): void {
  for (const line of lines) line.discount = { of, amount: Math.round((line.amount * of.coupon.percentOff) / 100) }
}
