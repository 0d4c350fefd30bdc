import type { Price, Product } from '../objects/billing.ts'
import { present } from '../present.ts'
import { BASIL } from '../versions.ts'
import { between, either, type Fields, livemode, since, until } from './fields.ts'

const PLAN_NAMES_GONE = '2018-02-05'

export const productFields: Fields<Product> = {
  id: ({ id }) => id,
  object: 'product',
  active: true,
  attributes: until('2022-08-01', []),
  caption: until('2020-03-02', null),
  created: ({ created }) => created,
  deactivate_on: until('2020-03-02', []),
  default_price: since('2022-08-01', null),
  description: ({ description }) => description,
  features: between('2023-10-16', '2024-06-20', []),
  images: [],
  livemode,
  marketing_features: since('2024-06-20', []),
  metadata: ({ metadata }) => metadata,
  name: ({ name }) => name,
  package_dimensions: null,
  shippable: null,
  statement_descriptor: null,
  tax_code: since('2020-08-27', null),
  tax_details: since('2026-09-30', null),
  type: either(until('2022-08-01', 'service'), since('2024-06-20', 'service')),
  unit_label: null,
  updated: ({ updated }) => updated,
  url: null,
}

const isInteger = (decimal: string) => !decimal.includes('.')
/** Null where the amount has a fraction of a minor unit, or tiers set it. */
const integerAmount = ({ unitAmount }: Price) =>
  unitAmount !== null && isInteger(unitAmount) ? Number(unitAmount) : null
const billingScheme = ({ tiers }: Price) => (tiers ? 'tiered' : 'per_unit')
const tiersMode = ({ tiers }: Price) => (tiers ? 'graduated' : null)

export const priceFields: Fields<Price> = {
  id: ({ id }) => id,
  object: 'price',
  active: true,
  billing_scheme: billingScheme,
  created: ({ created }) => created,
  currency: ({ currency }) => currency,
  custom_unit_amount: since('2022-08-01', null),
  livemode,
  lookup_key: null,
  metadata: ({ metadata }) => metadata,
  nickname: ({ nickname }) => nickname,
  product: ({ product }) => product.id,
  recurring: (price, shape) =>
    price.recurring && {
      ...(shape.date < BASIL && { aggregate_usage: price.recurring.usage === 'metered' ? 'sum' : null }),
      interval: price.recurring.interval,
      interval_count: price.recurring.intervalCount,
      ...(shape.date >= '2024-06-20' && { meter: null }),
      trial_period_days: null,
      usage_type: price.recurring.usage,
    },
  tax_behavior: 'unspecified',
  tiers_mode: tiersMode,
  transform_quantity: null,
  type: ({ recurring }) => (recurring ? 'recurring' : 'one_time'),
  unit_amount: integerAmount,
  unit_amount_decimal: ({ unitAmount }) => unitAmount,
}

/** The same recurring price as the older APIs know it. */
export const planFields: Fields<Price> = {
  id: ({ id }) => id,
  object: 'plan',
  active: since('2018-05-21', true),
  aggregate_usage: between('2018-02-28', BASIL, ({ recurring }: Price) =>
    present(recurring).usage === 'metered' ? 'sum' : null,
  ),
  amount: integerAmount,
  amount_decimal: since('2020-08-27', ({ unitAmount }: Price) => unitAmount),
  billing_scheme: since('2018-02-28', billingScheme),
  created: ({ created }) => created,
  currency: ({ currency }) => currency,
  interval: ({ recurring }) => present(recurring).interval,
  interval_count: ({ recurring }) => present(recurring).intervalCount,
  livemode,
  metadata: ({ metadata }) => metadata,
  meter: since('2024-06-20', null),
  name: until(PLAN_NAMES_GONE, ({ product }: Price) => product.name),
  nickname: since(PLAN_NAMES_GONE, ({ nickname }: Price) => nickname),
  product: since(PLAN_NAMES_GONE, ({ product }: Price) => product.id),
  statement_description: until('2015-01-11', null),
  statement_descriptor: until(PLAN_NAMES_GONE, null),
  tiers: between('2018-02-28', '2020-03-02', ({ tiers }: Price) =>
    tiers ? tiers.map(({ upTo, unitAmount }) => ({ amount: unitAmount, up_to: upTo })) : null,
  ),
  tiers_mode: since('2018-02-28', tiersMode),
  transform_usage: since('2018-02-28', null),
  trial_period_days: null,
  usage_type: since('2018-02-28', ({ recurring }: Price) => present(recurring).usage),
}
