import type Stripe from 'stripe'

// What a line of an invoice bills, in the shapes from 2014 to today, for computations over several lines.

/** A line with the members that older API versions had. */
export type BilledLine = Stripe.InvoiceLineItem & {
  type?: string
  proration?: boolean
  subscription_item?: string | null
  plan?: { id?: string; usage_type?: string } | null
  price?: { id?: string; recurring?: { usage_type?: string } | null } | null
}

const isFromInvoiceItem = ({ parent, type }: BilledLine) =>
  parent?.type === 'invoice_item_details' || type === 'invoiceitem'
const isProration = ({ parent, proration }: BilledLine) =>
  (parent?.subscription_item_details?.proration ?? parent?.invoice_item_details?.proration ?? proration) === true
/** It bills a period of a subscription. */
export const isPeriodLine = (line: BilledLine): boolean => !isFromInvoiceItem(line) && !isProration(line)
/** It bills a period of a subscription, or the rest of one after a change. */
export const isPlanLine = (line: BilledLine): boolean => isPeriodLine(line) || isProration(line)
/** `licensed` or `metered`; since basil lines do not say it. */
export const usageTypeOf = ({ price, plan }: BilledLine): string | undefined =>
  price?.recurring?.usage_type ?? plan?.usage_type
/** The id of the price or plan. */
export function planOf({ pricing, price, plan }: BilledLine): string | undefined {
  const named = pricing?.price_details?.price
  return (typeof named === 'object' ? named?.id : named) ?? price?.id ?? plan?.id
}
/** The id of the subscription's item, else that of its plan. */
export const itemOf = (line: BilledLine): string =>
  line.parent?.subscription_item_details?.subscription_item ?? line.subscription_item ?? planOf(line) ?? line.id
