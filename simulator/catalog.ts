import type { Interval } from './calendar.ts'
import type { Price, Product, Tier } from './objects/billing.ts'
import { asOneRequest, changeObject, newId, recordEvent, type World } from './world.ts'

/** A product in the catalogue. */
export function createProduct(world: World, name: string, description: string | null = null): Product {
  return asOneRequest(world, () => {
    const product: Product = {
      kind: 'product',
      id: newId(world, 'prod'),
      created: world.now,
      name,
      description,
      metadata: {},
      updated: world.now,
    }
    recordEvent(world, 'product.created', product)
    return product
  })
}

export function renameProduct(world: World, product: Product, name: string): void {
  asOneRequest(world, () => changeObject(world, product, { name, updated: world.now }, 'product.updated'))
}

/** A price: `amount` in minor units, a decimal string where they are fractional. Recurring unless `once`. */
export function createPrice(
  world: World,
  product: Product,
  amount: number | string | null,
  options: {
    currency?: string
    interval?: Interval
    intervalCount?: number
    once?: boolean
    usage?: 'licensed' | 'metered'
    tiers?: Tier[]
    nickname?: string
  } = {},
): Price {
  return asOneRequest(world, () => {
    const made: Price = {
      kind: 'price',
      id: newId(world, 'price'),
      created: world.now,
      product,
      currency: options.currency ?? 'usd',
      unitAmount: amount === null ? null : String(amount),
      tiers: options.tiers ?? null,
      recurring: options.once
        ? null
        : {
            interval: options.interval ?? 'month',
            intervalCount: options.intervalCount ?? 1,
            usage: options.usage ?? 'licensed',
          },
      nickname: options.nickname ?? null,
      metadata: {},
    }
    recordEvent(world, 'price.created', made)
    if (made.recurring) recordEvent(world, 'plan.created', made)
    return made
  })
}

/** A product with one recurring price. */
export const createPlan = (world: World, name: string, amount: number, currency = 'usd'): Price =>
  createPrice(world, createProduct(world, name, `${name} subscription`), amount, { currency })

/** A product with one price that is paid once. */
export const createOneOffPrice = (world: World, name: string, amount: number, currency = 'usd'): Price =>
  createPrice(world, createProduct(world, name), amount, { currency, once: true })
