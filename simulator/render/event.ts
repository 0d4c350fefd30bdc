import type { Json } from '../../src/domain/json.ts'
import type { AnyBillingObject } from '../objects/any.ts'
import { ACACIA, BASIL, dateOf } from '../versions.ts'
import type { Happening } from '../world.ts'
import { alertFields } from './alert.ts'
import { planFields, priceFields, productFields } from './catalog.ts'
import { chargeFields, refundFields } from './charge.ts'
import { sessionFields } from './checkout.ts'
import { creditNoteFields } from './credit-note.ts'
import { customerFields } from './customer.ts'
import { type Fields, renderObject, type Shape } from './fields.ts'
import { invoiceFields } from './invoice.ts'
import { invoiceItemFields } from './invoice-item.ts'
import { invoicePaymentFields, paymentIntentFields } from './payment-intent.ts'
import { previousAttributes } from './previous.ts'
import { scheduleFields } from './schedule.ts'
import { subscriptionFields } from './subscription.ts'

/** A snapshot event as Stripe posts it. */
export interface StripeEvent {
  id: string
  object: 'event'
  account?: string
  api_version: string
  /** Unix seconds. */
  created: number
  data: { object: Json; previous_attributes?: Json }
  livemode: boolean
  pending_webhooks: number
  /** An object; a string or null in versions before 2017-05-25. */
  request: { id: string | null; idempotency_key: string | null } | string | null
  type: string
}

const fieldTables = {
  'billing.alert_triggered': alertFields,
  customer: customerFields,
  product: productFields,
  price: priceFields,
  subscription: subscriptionFields,
  invoice: invoiceFields,
  invoiceitem: invoiceItemFields,
  payment_intent: paymentIntentFields,
  charge: chargeFields,
  refund: refundFields,
  invoice_payment: invoicePaymentFields,
  credit_note: creditNoteFields,
  'checkout.session': sessionFields,
  subscription_schedule: scheduleFields,
} satisfies { [K in AnyBillingObject['kind']]: Fields<Extract<AnyBillingObject, { kind: K }>> }

/** What a version does not send at all. */
const SENT_SINCE: Record<string, string> = {
  'invoice_payment.paid': BASIL,
  // Before, these came only for refunds without a charge.
  'refund.created': ACACIA,
  'refund.updated': ACACIA,
  'refund.failed': ACACIA,
}
const hasPreviousAttributes = (type: string) => type.endsWith('.updated') || type === 'charge.refunded'

/** All that happened, as a source with this API version is told it; in causal order. */
export function renderEvents(
  happenings: readonly Happening[],
  to: { apiVersion: string; livemode: boolean; account: string | null },
): StripeEvent[] {
  const date = dateOf(to.apiVersion)
  const shape: Shape = { version: to.apiVersion, date, livemode: to.livemode, filledMembers: new Set() }
  const sent = happenings.filter(({ type }) => date >= (SENT_SINCE[type] ?? ''))
  const renderAll = () => sent.map((one) => renderEvent(one, shape, to.account))
  // The first round only finds out which additive members hold something in the life of an object.
  renderAll()
  return renderAll()
}

function renderEvent(happening: Happening, shape: Shape, account: string | null): StripeEvent {
  const { type, before, after, request } = happening
  const object = renderBillingObject(type, after, shape)
  return {
    id: happening.id,
    object: 'event',
    ...(account !== null && { account }),
    api_version: shape.version,
    created: happening.created,
    data: {
      object,
      ...(before &&
        hasPreviousAttributes(type) && {
          previous_attributes: previousAttributes(renderBillingObject(type, before, shape), object, shape.date),
        }),
    },
    livemode: shape.livemode,
    pending_webhooks: happening.pendingWebhooks,
    request: shape.date < '2017-05-25' ? request.id : { id: request.id, idempotency_key: request.idempotencyKey },
    type,
  }
}

const renderBillingObject = (type: string, facts: AnyBillingObject, shape: Shape): Json =>
  renderObject(
    (type.startsWith('plan.') ? planFields : fieldTables[facts.kind]) as Fields<AnyBillingObject>,
    facts,
    shape,
  )
