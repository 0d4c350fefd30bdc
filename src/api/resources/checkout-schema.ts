import { z } from 'zod'
import { newId } from '../../domain/ids.ts'
import { clientId, id, metadata, textUpTo } from '../http/field-schemas.ts'

// What stands in a registered checkout, as it is given and as it is shown.

export const stripeSessionId = z
  .string()
  .regex(/^cs_[A-Za-z0-9_]{1,250}$/, 'must be the id of a Checkout session such as cs_test_a1')
  .meta({ example: 'cs_test_a1' })
const uuid = z.uuid().meta({ description: "The client's own, or made here.", override: { pattern: undefined } })
const money = z.number().meta({ description: 'In major units: 29 is $29.00.' })

const itemFields = {
  id: textUpTo(255).meta({ description: "Stripe's price, or the client's own name for it.", example: 'price_1' }),
  name: textUpTo(500).nullable(),
  description: textUpTo(2000).nullable(),
  quantity: z.number().min(0).nullable(),
  currency: z.string().nullable(),
  amount: money.nullable(),
  total: money.nullable(),
  metadata: metadata.nullable(),
}
export const CheckoutItem = z.strictObject({ uuid: z.uuid(), ...itemFields }).meta({ id: 'CheckoutItem' })

export const CheckoutSubscription = z
  .strictObject({
    uuid: z.uuid().meta({ description: 'What its events carry as `subscription.uuid`.' }),
    adopted: z.boolean().meta({
      description:
        'The subscription was told before its checkout was known: it keeps the uuid it was told with, and the checkout took that one.',
    }),
    id: textUpTo(255).meta({ description: 'The price that it is of.', example: 'price_1' }),
    metadata: metadata.nullable(),
  })
  .meta({ id: 'CheckoutSubscription' })

const currency = z
  .string()
  .regex(/^[A-Za-z]{3}$/, 'must be a currency of ISO 4217')
  .transform((code) => code.toUpperCase())
  .meta({ override: { type: 'string' }, example: 'USD' })

const GivenItem = z.strictObject({
  uuid: uuid.optional(),
  id: itemFields.id,
  name: itemFields.name.optional(),
  description: itemFields.description.optional(),
  quantity: itemFields.quantity.optional(),
  currency: currency.nullable().optional(),
  amount: itemFields.amount.optional(),
  total: itemFields.total.optional(),
  metadata: itemFields.metadata.optional(),
})
const GivenSubscription = z.strictObject({
  uuid: uuid.optional(),
  id: CheckoutSubscription.shape.id,
  metadata: metadata.nullable().optional(),
})

const hasDistinctUuids = (given: { uuid?: string | undefined }[]) => {
  const uuids = given.flatMap(({ uuid }) => (uuid ? [uuid.toLowerCase()] : []))
  return new Set(uuids).size === uuids.length
}
const UUID_TWICE = { error: 'has one uuid twice' }

export const checkoutBody = z.strictObject({
  clientId,
  id: id.optional(),
  stripeSessionId: stripeSessionId.optional().meta({ description: 'Where it is known already; else PATCH it later.' }),
  clientUserId: textUpTo(500).nullable().optional().meta({ description: 'Whom it is for.' }),
  items: z.array(GivenItem).max(100).default([]).refine(hasDistinctUuids, UUID_TWICE),
  subscriptions: z.array(GivenSubscription).max(20).default([]).refine(hasDistinctUuids, UUID_TWICE),
  metadata: metadata.optional(),
})

/** An item as it is kept: every member there, null where nothing was given. */
export const newItem = (given: z.infer<typeof GivenItem>) => ({
  uuid: given.uuid?.toLowerCase() ?? newId(),
  id: given.id,
  name: given.name ?? null,
  description: given.description ?? null,
  quantity: given.quantity ?? null,
  currency: given.currency ?? null,
  amount: given.amount ?? null,
  total: given.total ?? null,
  metadata: given.metadata ?? null,
})

export const newSubscription = (given: z.infer<typeof GivenSubscription>) => ({
  uuid: given.uuid?.toLowerCase() ?? newId(),
  id: given.id,
  metadata: given.metadata ?? null,
})
