import type { Customer } from '../objects/billing.ts'
import { oldCard } from './card.ts'
import { added, between, type Fields, livemode, renderList, renderObject, type Shape, since, until } from './fields.ts'
import { subscriptionFields } from './subscription.ts'

const EMBEDDED_LISTS_GONE = '2020-08-27'
const cardId = ({ card }: Customer) => card?.id ?? null

const cardList = (of: string) => (customer: Customer) =>
  renderList(customer.card ? [oldCard(customer.card, customer.id)] : [], `/v1/customers/${customer.id}/${of}`)

export const customerFields: Fields<Customer> = {
  id: ({ id }) => id,
  object: 'customer',
  account_balance: until('2019-10-17', ({ balance }: Customer) => balance),
  address: since('2020-03-02', null),
  balance: since('2019-10-17', ({ balance }: Customer) => balance),
  cards: until('2015-02-18', cardList('cards')),
  created: ({ created }) => created,
  currency: ({ currency }) => currency,
  default_card: until('2015-02-18', cardId),
  default_source: (customer, shape) => (shape.date < EMBEDDED_LISTS_GONE ? cardId(customer) : null),
  delinquent: false,
  description: null,
  discount: null,
  email: ({ email }) => email,
  invoice_prefix: since('2018-05-21', ({ invoicePrefix }: Customer) => invoicePrefix),
  invoice_settings: since('2020-03-02', {
    custom_fields: null,
    default_payment_method: ({ card }: Customer) => card?.paymentMethod ?? null,
    footer: null,
    rendering_options: since('2022-08-01', null),
  }),
  livemode,
  metadata: ({ metadata }) => metadata,
  name: since('2020-03-02', ({ name }: Customer) => name),
  next_invoice_sequence: since('2020-03-02', ({ invoicesSoFar }: Customer) => invoicesSoFar + 1),
  phone: since('2020-03-02', null),
  preferred_locales: since('2020-03-02', []),
  shipping: since('2018-02-05', null),
  sources: until(EMBEDDED_LISTS_GONE, cardList('sources')),
  subscriptions: until(EMBEDDED_LISTS_GONE, (customer: Customer, shape: Shape) =>
    renderList(
      customer.subscriptions
        .filter(({ endedAt }) => endedAt === null)
        .map((one) => renderObject(subscriptionFields, one, shape)),
      `/v1/customers/${customer.id}/subscriptions`,
    ),
  ),
  tax_exempt: since('2020-03-02', 'none'),
  tax_ids: between('2020-03-02', EMBEDDED_LISTS_GONE, (customer: Customer) =>
    renderList([], `/v1/customers/${customer.id}/tax_ids`),
  ),
  test_clock: added(
    '2020-08-27',
    ({ testClock }: Customer) => testClock,
    ({ testClock }) => testClock !== null,
  ),
}
