import { randomBytes } from 'node:crypto'

/** A `customer.subscription.created` of a new subscription, as text; its user is known, so nothing has to be waited for. */
export function subscriptionCreated({ customer = `cus_${fresh()}` } = {}): string {
  const second = Math.floor(Date.now() / 1000)
  return JSON.stringify({
    id: `evt_${fresh()}`,
    object: 'event',
    api_version: '2026-10-28.endive',
    created: second,
    livemode: false,
    type: 'customer.subscription.created',
    data: {
      object: {
        id: `sub_${fresh()}`,
        object: 'subscription',
        customer,
        status: 'active',
        currency: 'usd',
        created: second,
        start_date: second,
        metadata: { client_user_id: 'user_1' },
        items: {
          object: 'list',
          data: [
            {
              id: `si_${fresh()}`,
              object: 'subscription_item',
              quantity: 1,
              current_period_start: second,
              current_period_end: second + 30 * 86_400,
              price: {
                id: 'price_pro',
                object: 'price',
                product: 'prod_pro',
                unit_amount: 2900,
                currency: 'usd',
                recurring: { interval: 'month', interval_count: 1 },
              },
            },
          ],
        },
      },
    },
  })
}

const fresh = () => randomBytes(8).toString('hex')
