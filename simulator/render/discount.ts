import type { Discount } from '../objects/billing.ts'
import { type Fields, livemode, since } from './fields.ts'

/** A discount as it was embedded before basil; an id alone since. */
export const discountFields: Fields<Discount & { customer: string }> = {
  id: since('2020-08-27', ({ id }: Discount) => id),
  object: 'discount',
  checkout_session: since('2020-08-27', null),
  coupon: {
    id: ({ coupon }: Discount) => coupon.id,
    object: 'coupon',
    amount_off: null,
    created: ({ coupon }: Discount) => coupon.created,
    currency: null,
    duration: 'forever',
    duration_in_months: null,
    livemode,
    max_redemptions: null,
    metadata: () => ({}),
    name: since('2018-02-05', null),
    percent_off: ({ coupon }: Discount) => coupon.percentOff,
    redeem_by: null,
    times_redeemed: 1,
    valid: true,
  },
  customer: ({ customer }) => customer,
  end: null,
  invoice: since('2020-08-27', null),
  invoice_item: since('2020-08-27', null),
  promotion_code: since('2020-08-27', null),
  start: ({ start }) => start,
  subscription: null,
  subscription_item: since('2024-06-20', null),
}
