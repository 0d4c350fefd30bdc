// One story for all examples of the contract: an invoice of €49, its subscription, and what the application adds.

const at = '2026-06-06T12:00:00.000Z'
const user = { id: '3b4d9a11-0ce8-4a88-9cb1-b4f43d03d2b7', client_user_id: 'user_123', email: 'user@example.com' }
const subscription = {
  id: 'd8a2ad28-b98f-4cb6-bf46-f11cc0f5df16',
  plan_id: 'plan_pro',
  plan_name: 'Pro',
  status: 'active',
  quantity: 1,
  amount: 4900,
  currency: 'eur',
  current_period_start: '2026-06-06T12:00:00.000Z',
  current_period_end: '2026-07-06T12:00:00.000Z',
  cancel_at: null,
  canceled_at: null,
}
const starter = { plan_id: 'plan_starter', plan_name: 'Starter', quantity: 1, amount: 1900 }
const data: Readonly<Record<string, object>> = {
  'account.created': { account: { id: user.id, email: user.email, name: 'Ada Example', created_at: at } },
  'user.login': { user, login: { at, ip: '203.0.113.7', user_agent: 'Mozilla/5.0' } },
  'subscription.purchased': { subscription },
  'invoice.created': {
    invoice: {
      id: '0b0b4c7e-3d2d-4a2e-9c1b-7d0a6f1f2e33',
      number: 'INV-0042',
      status: 'open',
      amount_due: 4900,
      currency: 'eur',
    },
  },
  'subscription.upgraded': { subscription, previous: starter },
  'subscription.downgraded': {
    subscription: { ...subscription, ...starter },
    previous: { plan_id: 'plan_pro', plan_name: 'Pro', quantity: 1, amount: 4900 },
  },
  'subscription.cancelled': {
    subscription: { ...subscription, cancel_at: '2026-07-06T12:00:00.000Z', canceled_at: at },
  },
  'team_member.added': { team_member: { id: 'member_7', email: 'grace@example.com', role: 'admin' } },
  'tos.accepted': { tos: { version: '2026-01', accepted_at: at, ip: '203.0.113.7' } },
  'usage.metrics_updated': {
    usage: {
      metric: 'api_calls',
      value: 1204,
      unit: 'calls',
      period_start: '2026-06-01T00:00:00.000Z',
      period_end: '2026-07-01T00:00:00.000Z',
    },
  },
}

/** The body of an event type with believable values; docs, `event-types` and test events show it. */
export const florentinExample = (eventType: string): object => ({
  event: eventType,
  timestamp: at,
  data: data[eventType] ?? {},
})
