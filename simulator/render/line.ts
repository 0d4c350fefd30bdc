import type { Line } from '../objects/billing.ts'
import { present } from '../present.ts'
import { BASIL, DAHLIA } from '../versions.ts'
import { planFields, priceFields } from './catalog.ts'
import { between, type Fields, livemode, renderObject, type Shape, since, until } from './fields.ts'

const fromItem = ({ of }: Line) => of === 'invoiceitem'
const amountWithoutTax = ({ amount, discount }: Line) => amount - (discount?.amount ?? 0)

/** Line ids had the prefix of what they stand for until 2019-12-03; a subscription's line even had its id. */
function lineId(line: Line, { date }: Shape): string {
  if (date >= '2019-12-03') return line.id
  if (fromItem(line)) return present(line.invoiceItem)
  return date < '2018-02-05' ? present(line.subscription) : line.id.replace('il_', 'sli_')
}

export const lineFields: Fields<Line> = {
  id: lineId,
  object: 'line_item',
  amount: ({ amount }) => amount,
  amount_excluding_tax: between('2022-08-01', BASIL, amountWithoutTax),
  currency: ({ currency }) => currency,
  description: ({ description }) => description,
  discount_amounts: since('2020-08-27', ({ discount }: Line) =>
    discount ? [{ amount: discount.amount, discount: discount.of.id }] : [],
  ),
  discountable: ({ proration }) => !proration,
  discounts: since('2020-08-27', ({ discount }: Line) => (discount ? [discount.of.id] : [])),
  invoice: since('2024-06-20', ({ invoice }: Line) => invoice),
  invoice_item: between('2019-12-03', BASIL, ({ invoiceItem }: Line) => invoiceItem ?? undefined),
  livemode,
  metadata: () => ({}),
  parent: since(BASIL, parentOf),
  period: ({ periodStart, periodEnd }) => ({ end: periodEnd, start: periodStart }),
  plan: until(BASIL, ({ price }: Line, shape: Shape) => price.recurring && renderObject(planFields, price, shape)),
  pretax_credit_amounts: since(BASIL, []),
  price: between('2020-08-27', BASIL, ({ price }: Line, shape: Shape) => renderObject(priceFields, price, shape)),
  pricing: since(BASIL, ({ price, unitAmount }: Line) => ({
    price_details: { price: price.id, product: price.product.id },
    type: 'price_details',
    unit_amount_decimal: unitAmount,
  })),
  proration: until(BASIL, ({ proration }: Line) => proration),
  proration_details: between('2020-08-27', BASIL, { credited_items: null }),
  quantity: ({ quantity }) => quantity,
  quantity_decimal: since(DAHLIA, ({ quantity }: Line) => String(quantity)),
  subscription: (line, { date }) => (date < '2018-02-05' && !fromItem(line) ? null : line.subscription),
  subscription_item: between('2018-02-05', BASIL, (line: Line) =>
    fromItem(line) && !line.proration ? undefined : line.subscriptionItem,
  ),
  subtotal: since(DAHLIA, ({ amount }: Line) => amount),
  tax_amounts: between('2019-12-03', BASIL, ({ tax }: Line) =>
    tax ? [{ amount: tax.amount, inclusive: false, tax_rate: tax.rate }] : [],
  ),
  tax_rates: between('2019-12-03', BASIL, []),
  taxes: since(BASIL, (line: Line) => taxesOf(line)),
  type: until(BASIL, ({ of }: Line) => of),
  unit_amount_excluding_tax: between('2022-08-01', BASIL, ({ amount, quantity, unitAmount }: Line) =>
    quantity === 0 ? unitAmount : String(amount / quantity),
  ),
}

function parentOf(line: Line) {
  const { proration, invoiceItem, subscription, subscriptionItem } = line
  const common = { invoice_item: invoiceItem, proration, proration_details: { credited_items: null }, subscription }
  return fromItem(line)
    ? { invoice_item_details: common, subscription_item_details: null, type: 'invoice_item_details' }
    : {
        invoice_item_details: null,
        subscription_item_details: { ...common, subscription_item: subscriptionItem },
        type: 'subscription_item_details',
      }
}

/** Taxes as basil tells them, of a line or summed over an invoice's lines. */
export const taxesOf = (line: Line) =>
  line.tax
    ? [
        {
          amount: line.tax.amount,
          tax_behavior: 'exclusive',
          tax_rate_details: { tax_rate: line.tax.rate },
          taxability_reason: 'standard_rated',
          taxable_amount: amountWithoutTax(line),
          type: 'tax_rate_details',
        },
      ]
    : []
