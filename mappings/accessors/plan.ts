import { idOf } from '../../src/language/converters.ts'
import { called, firstOf } from '../../src/language/words.ts'
import { PRICES } from '../versions.ts'
import { productName } from './facts.ts'
import { items, primary } from './subscription.ts'

// The plan that a subscription is about.

/** The product of the item that stands for it. */
export const subscriptionProduct = called(
  'its product',
  primary(items, (item) =>
    firstOf(idOf(item.from('price.product')), idOf(item.legacy<string>('plan.product', PRICES))),
  ),
)
/** Its product's name, else what older shapes call the plan itself. */
export const planName = firstOf(
  productName(subscriptionProduct),
  primary(items, (item) => item.legacy<string>('plan.name', { until: '2018-02-05' })),
  primary(items, (item) => firstOf(item.from('price.nickname'), item.legacy<string>('plan.nickname', PRICES))),
)
