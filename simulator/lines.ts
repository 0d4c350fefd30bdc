import { minorDigits, multiplyAmount } from '../src/domain/money.ts'
import type { Item, Line, Price, Subscription } from './objects/billing.ts'
import { present } from './present.ts'
import { newId, type World } from './world.ts'

/** Whole minor units of a quantity at a price; Stripe rounds the line, not the unit. */
export function amountOf(price: Price, quantity: number): number {
  if (price.unitAmount !== null) return Math.round(Number(multiplyAmount(price.unitAmount, quantity)))
  return tierParts(price, quantity).reduce((sum, part) => sum + part.quantity * part.unitAmount, 0)
}

/** How a quantity spreads over graduated tiers. */
function tierParts(price: Price, quantity: number): { quantity: number; unitAmount: number }[] {
  let below = 0
  return (price.tiers ?? []).flatMap(({ upTo, unitAmount }) => {
    const within = Math.max(0, Math.min(quantity, upTo ?? quantity) - below)
    below = upTo ?? quantity
    return within > 0 ? [{ quantity: within, unitAmount }] : []
  })
}

/** The lines that bill one item for a period: one, or one per tier. Of a metered item the period is the one that has passed. */
export function periodLines(
  world: World,
  subscription: Subscription,
  item: Item,
  { quantity = item.quantity ?? 0, ...period }: { start: number; end: number; quantity?: number },
): Line[] {
  const { price } = item
  const base = { price, subscription, item, period }
  if (price.unitAmount !== null || quantity === 0)
    return [
      subscriptionLine(world, { ...base, quantity, unitAmount: price.unitAmount, amount: amountOf(price, quantity) }),
    ]
  return tierParts(price, quantity).map((part) =>
    subscriptionLine(world, {
      ...base,
      quantity: part.quantity,
      unitAmount: String(part.unitAmount),
      amount: part.quantity * part.unitAmount,
    }),
  )
}

/** The line of a trial costs nothing. */
export const trialLine = (world: World, subscription: Subscription, item: Item): Line => ({
  ...subscriptionLine(world, {
    subscription,
    item,
    price: item.price,
    period: { start: subscription.periodStart, end: subscription.periodEnd },
    quantity: item.quantity ?? 0,
    unitAmount: '0',
    amount: 0,
  }),
  description: `Trial period for ${item.price.product.name}`,
})

function subscriptionLine(
  world: World,
  of: {
    subscription: Subscription
    item: Item
    price: Price
    period: { start: number; end: number }
    quantity: number
    unitAmount: string | null
    amount: number
  },
): Line {
  const { price, quantity, period } = of
  const each =
    of.unitAmount === null
      ? ''
      : ` (at ${moneyText(of.unitAmount, price.currency)} / ${present(price.recurring).interval})`
  return {
    ...blankLine(world, price),
    of: 'subscription',
    amount: of.amount,
    description: `${quantity} × ${price.product.name}${each}`,
    quantity,
    unitAmount: of.unitAmount,
    periodStart: period.start,
    periodEnd: period.end,
    subscription: of.subscription.id,
    subscriptionItem: of.item.id,
  }
}

/** What the rest of a period gives back (`-1`) or costs (`1`) when an item changes in its midst. */
export function prorationLine(
  world: World,
  subscription: Subscription,
  item: { id: string; price: Price; quantity: number },
  sign: 1 | -1,
): Line {
  const { periodStart, periodEnd, flexible } = subscription
  const share = (periodEnd - world.now) / (periodEnd - periodStart)
  const name = `${item.quantity > 1 ? `${item.quantity} × ` : ''}${item.price.product.name}`
  const day = new Date(world.now * 1000).toUTCString().slice(5, 16)
  const amount = sign * Math.round(amountOf(item.price, item.quantity) * share)
  return {
    ...blankLine(world, item.price),
    // Flexible billing shows a proration as a part of the subscription, classic billing as the invoice item that it is.
    of: flexible ? 'subscription' : 'invoiceitem',
    invoiceItem: newId(world, 'ii'),
    amount,
    description: `${sign < 0 ? 'Unused' : 'Remaining'} time on ${name} after ${day}`,
    quantity: item.quantity,
    unitAmount: String(Math.round(amount / item.quantity)),
    periodStart: world.now,
    periodEnd,
    proration: true,
    subscription: subscription.id,
    subscriptionItem: item.id,
  }
}

/** Something bought once. */
export const oneOffLine = (world: World, price: Price, quantity: number, subscription: string | null = null): Line => ({
  ...blankLine(world, price),
  of: 'invoiceitem',
  invoiceItem: newId(world, 'ii'),
  amount: amountOf(price, quantity),
  description: price.product.name,
  quantity,
  unitAmount: price.unitAmount,
  periodStart: world.now,
  periodEnd: world.now,
  subscription,
})

const blankLine = (world: World, price: Price): Line => ({
  kind: 'line',
  id: newId(world, 'il'),
  created: world.now,
  invoice: null,
  of: 'subscription',
  amount: 0,
  currency: price.currency,
  description: '',
  quantity: 1,
  price,
  unitAmount: null,
  periodStart: world.now,
  periodEnd: world.now,
  proration: false,
  subscription: null,
  subscriptionItem: null,
  invoiceItem: null,
  discount: null,
  tax: null,
})

const moneyText = (minor: string, currency: string): string => {
  const digits = minorDigits(currency)
  const major = (Number(minor) / 10 ** digits).toFixed(digits)
  return currency === 'usd' ? `$${major}` : `${major} ${currency.toUpperCase()}`
}
