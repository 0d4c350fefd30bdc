import { z } from 'zod'
import { newId } from '../../domain/ids.ts'
import { clientId, connectedAccount, id, metadata, textUpTo } from '../http/field-schemas.ts'

// The parts of a registered checkout, as requests give them and as replies show them.

export const stripeSessionId = z
  .string()
  .regex(/^cs_[A-Za-z0-9_]{1,250}$/, 'must be the id of a Checkout session such as cs_test_a1')
  .meta({ example: 'cs_test_a1' })
const uuid = z
  .uuid()
  .meta({ description: 'Your own uuid; if left out, one is generated.', override: { pattern: undefined } })
const money = z.number().meta({ description: 'In major units: 29 is $29.00.' })

const itemFields = {
  id: textUpTo(255).meta({ description: "Stripe's price id, or a name of your own.", example: 'price_1' }),
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
    uuid: z.uuid().meta({ description: 'Its events carry this as `subscription.uuid`.' }),
    adopted: z.boolean().meta({
      description:
        'true: events of the subscription were emitted before the checkout was registered, so the checkout adopted the uuid that they carry.',
    }),
    id: textUpTo(255).meta({ description: "The id of the subscription's price.", example: 'price_1' }),
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
const UUID_TWICE = { error: 'has the same uuid twice' }

export const checkoutBody = z.strictObject({
  clientId,
  id: id.optional(),
  stripeSessionId: stripeSessionId
    .optional()
    .meta({ description: 'If it is already known; otherwise add it later with PATCH.' }),
  account: connectedAccount
    .optional()
    .meta({ description: "The connected account of the session. Left out: the source's own account." }),
  clientUserId: textUpTo(500).nullable().optional().meta({ description: 'The user who is buying.' }),
  items: z.array(GivenItem).max(100).default([]).refine(hasDistinctUuids, UUID_TWICE),
  subscriptions: z.array(GivenSubscription).max(20).default([]).refine(hasDistinctUuids, UUID_TWICE),
  metadata: metadata.optional(),
})

/** An item as it is stored: with every member, null for what was not given. */
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
