import type { InvoiceItem } from '../objects/billing.ts'
import { BASIL, CLOVER, DAHLIA } from '../versions.ts'
import { planFields, priceFields } from './catalog.ts'
import { between, either, type Fields, livemode, renderObject, type Shape, since, until } from './fields.ts'

const integerOrNull = (decimal: string | null) => (decimal === null || decimal.includes('.') ? null : Number(decimal))

export const invoiceItemFields: Fields<InvoiceItem> = {
  id: ({ id }) => id,
  object: 'invoiceitem',
  amount: ({ line }) => line.amount,
  currency: ({ line }) => line.currency,
  customer: ({ customer }) => customer,
  customer_account: since('2025-12-15', null),
  date: ({ created }) => created,
  description: ({ line }) => line.description,
  discountable: ({ line }) => !line.proration,
  discounts: since('2020-08-27', []),
  invoice: ({ invoice }) => invoice,
  livemode,
  metadata: () => ({}),
  net_amount: since(CLOVER, ({ line }: InvoiceItem) => line.amount),
  parent: since(BASIL, ({ line }: InvoiceItem) =>
    line.subscription
      ? {
          subscription_details: { subscription: line.subscription, subscription_item: line.subscriptionItem },
          type: 'subscription_details',
        }
      : null,
  ),
  period: since('2018-02-05', ({ line }: InvoiceItem) => ({ end: line.periodEnd, start: line.periodStart })),
  plan: either(until('2022-08-01', planOf), between('2024-06-20', BASIL, planOf)),
  price: between('2020-08-27', BASIL, ({ line }: InvoiceItem, shape: Shape) =>
    renderObject(priceFields, line.price, shape),
  ),
  pricing: since(BASIL, ({ line }: InvoiceItem) => ({
    price_details: { price: line.price.id, product: line.price.product.id },
    type: 'price_details',
    unit_amount_decimal: line.unitAmount,
  })),
  proration: ({ line }) => line.proration,
  quantity: ({ line }) => line.quantity,
  quantity_decimal: since(DAHLIA, ({ line }: InvoiceItem) => String(line.quantity)),
  subscription: until(BASIL, ({ line }: InvoiceItem) => line.subscription),
  tax_rates: since('2019-03-14', []),
  test_clock: since('2020-08-27', ({ testClock }: InvoiceItem) => testClock),
  unit_amount: between('2018-02-28', BASIL, ({ line }: InvoiceItem) => integerOrNull(line.unitAmount)),
  unit_amount_decimal: between('2020-08-27', BASIL, ({ line }: InvoiceItem) => line.unitAmount),
}

function planOf({ line }: InvoiceItem, shape: Shape) {
  return line.price.recurring && renderObject(planFields, line.price, shape)
}
