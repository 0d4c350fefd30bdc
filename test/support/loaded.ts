import { simulate } from '../../simulator/simulate.ts'
import type { Json } from '../../src/domain/json.ts'
import { appEvent } from './app-events.ts'
import { eventually } from './eventually.ts'
import type { startTestGateway } from './gateway.ts'
import { startReceiver } from './receiver.ts'
import { API_KEY, type startStripeApi } from './stripe-api.ts'
import { layWay } from './way.ts'

type Gateway = Awaited<ReturnType<typeof startTestGateway>>
type Stripe = Awaited<ReturnType<typeof startStripeApi>>

const SCENARIOS = [
  'checkout-subscription',
  'renewal',
  'refund-partial-then-full',
  'sent-invoices',
  'dunning-to-canceled',
]

/**
 * Everything that a gateway does for a client: webhooks with duplicates, holds, timers and fetched objects, both contracts, an
 * endpoint in order of its users, one that refuses at first and one that is gone, app events, users and checkouts, resends,
 * replays, renormalisation, a backfill, every list and every read.
 */
export async function livedThrough({ api, url }: Gateway, stripe: Stripe, name: string): Promise<{ clientId: string }> {
  const said = async (method: string, path: string, body?: unknown) => {
    const reply = await api(method, path, body)
    if (reply.status >= 400)
      throw new Error(`${method} ${path} answered ${reply.status}: ${JSON.stringify(reply.body)}`)
    return reply.body?.data
  }
  const receiver = await startReceiver()
  const reluctant = await startReceiver((_, count) => ({ status: count <= 3 ? 500 : 200 }))
  const dead = await startReceiver({ status: 500 })
  const gone = await startReceiver({ status: 410 })
  const way = await layWay(api, receiver.url)
  const { clientId, sourceId, endpointId } = way
  await said('PATCH', `/v1/sources/${sourceId}`, { apiKey: API_KEY })
  const endpoint = (more: object) => said('POST', '/v1/endpoints', { clientId, retrySchedule: [1, 1, 1], ...more })
  const theirs = await endpoint({ url: receiver.url, contract: 'florentin.v1', ordering: 'user' })
  const late = await endpoint({ url: reluctant.url, contract: 'flo.v1', rateLimit: { count: 1000, seconds: 1 } })
  await endpoint({ url: gone.url, contract: 'flo.v1' })
  await endpoint({ url: dead.url, contract: 'flo.v1', retrySchedule: [] })
  const closed = await endpoint({ url: receiver.url, contract: 'flo.v1' })
  await said('POST', `/v1/endpoints/${closed.id}/disable`)

  await sendStories((body) => way.post(url, body), name)
  await api('POST', `/webhooks/stripe/${sourceId}`, { id: 'evt_unsigned', type: 'customer.created' })
  await said('PUT', `/v1/users/user_${name}`, { clientId, stripeCustomerId: `cus_${name}`, email: 'ada@example.com' })
  await said('PUT', `/v1/users/user_${name}`, { clientId, stripeCustomerId: `cus_${name}` })
  await said('POST', '/v1/app-events', { clientId, ...appEvent('user.login') })
  await said('POST', '/v1/app-events/batch', { clientId, events: [appEvent('user.login'), appEvent('tos.accepted')] })
  const checkout = await said('POST', '/v1/checkouts/sessions', {
    clientId,
    clientUserId: `user_${name}`,
    subscriptions: [{ id: 'price_1' }],
  })
  await said('PATCH', `/v1/checkouts/sessions/${checkout.id}`, { stripeSessionId: `cs_test_${name}` })
  await eventually(async () => (await list('deliveries', 'state=delivered')).length > 20)

  async function list(what: string, more = '') {
    return (await said('GET', `/v1/${what}?clientId=${clientId}&limit=100&${more}`)) as Json[]
  }
  await said('POST', `/v1/endpoints/${endpointId}/test`, {})
  await said('POST', `/v1/endpoints/${endpointId}/secret/rotate`, {})
  await said('PATCH', `/v1/endpoints/${endpointId}`, { description: 'changed', maxInFlight: 20 })
  await said('POST', `/v1/endpoints/${closed.id}/enable`)
  await said('PATCH', `/v1/endpoints/${closed.id}`, { url: `${receiver.url}/moved` })
  const [delivered] = await list('deliveries', `state=delivered&endpointId=${endpointId}`)
  await said('POST', `/v1/deliveries/${delivered.id}/resend`)
  for (const mode of ['failed', 'missing', 'all'])
    await said('POST', '/v1/replays', { endpointId: closed.id, mode, dryRun: true })
  const replay = await said('POST', '/v1/replays', { endpointId: closed.id, mode: 'missing' })
  await eventually(async () => (await said('GET', `/v1/replays/${replay.id}`)).state === 'done')
  const cancelled = await said('POST', '/v1/replays', { endpointId: theirs.id, mode: 'all' })
  await api('POST', `/v1/replays/${cancelled.id}/cancel`)
  const [ignored] = await list('source-events', 'state=ignored')
  if (ignored) await said('POST', `/v1/source-events/${ignored.id}/renormalize`)
  await said('POST', '/v1/source-events/renormalize', { clientId, state: 'failed' })
  stripe.events.push(
    ...simulate('immediate-cancel', { seed: `backfilled ${name}`, start: new Date(Date.now() - 86_400_000) }),
  )
  const backfill = await said('POST', '/v1/backfills', {
    sourceId,
    since: new Date(Date.now() - 3 * 86_400_000).toISOString(),
  })
  await eventually(async () => (await said('GET', `/v1/backfills/${backfill.id}`)).state !== 'running')
  await eventually(async () => (await list('source-events', 'state=received')).length === 0)

  const ids = { clientId, sourceId, endpointId, name }
  const made = { lateId: late.id, replayId: replay.id, backfillId: backfill.id, checkoutId: checkout.id }
  await readEverything({ said, list }, { ...ids, ...made, deliveryId: delivered.id, ignoredId: ignored?.id })
  await said('DELETE', `/v1/endpoints/${closed.id}`)
  return { clientId }
}

interface Reads {
  said: (method: string, path: string, body?: unknown) => Promise<Json>
  list: (what: string, more?: string) => Promise<Json[]>
}

type Ids = Record<
  'clientId' | 'sourceId' | 'endpointId' | 'name' | 'lateId' | 'replayId' | 'backfillId' | 'checkoutId' | 'deliveryId',
  string
> & { ignoredId: string | undefined }

async function readEverything({ said, list }: Reads, ids: Ids): Promise<void> {
  const { clientId, sourceId, endpointId, name, lateId, replayId, backfillId, checkoutId, deliveryId, ignoredId } = ids
  // Every list, of this client and for the operator of all, with the filters that indexes find and those that they do not.
  const filters: Record<string, string[]> = {
    'source-events': [
      '',
      'state=failed',
      'type=customer.created',
      `sourceId=${sourceId}`,
      'eventId=evt_1',
      'since=2026-01-01T00:00:00Z',
    ],
    events: ['', 'eventType=invoice.paid', `sourceEventId=${ignoredId ?? sourceId}`, 'contract=flo.v1', 'order=asc'],
    deliveries: [
      '',
      'state=failed',
      `endpointId=${lateId}&state=skipped`,
      `replayId=${replayId}`,
      'eventType=invoice.paid',
    ],
    users: ['', `stripeCustomerId=cus_${name}`],
    'checkouts/sessions': ['', `clientUserId=user_${name}`],
    endpoints: [''],
    sources: [''],
    replays: ['', 'state=done'],
    backfills: ['', `sourceId=${sourceId}`],
  }
  for (const [what, all] of Object.entries(filters))
    for (const filter of all) {
      await list(what, filter)
      await said('GET', `/v1/${what}?limit=2&${filter}`)
    }
  const [sourceEvent] = await list('source-events', 'state=normalized')
  const [event] = await list('events')
  // By an operator, who names no client: whose it is has to be found.
  for (const path of [
    `source-events/${sourceEvent.id}`,
    `source-events/${sourceEvent.id}/explain`,
    `events/${event.id}`,
    `deliveries/${deliveryId}`,
    `deliveries/${deliveryId}/attempts`,
    `endpoints/${endpointId}`,
    `endpoints/${endpointId}/stats`,
    `endpoints/${endpointId}/secret`,
    `sources/${sourceId}`,
    `users/user_${name}?clientId=${clientId}`,
    `checkouts/sessions/${checkoutId}`,
    `replays/${replayId}`,
    `backfills/${backfillId}`,
    `clients/${clientId}`,
  ])
    await said('GET', `/v1/${path}`)
}

/** Sends the stories over six connections, every fifth event twice, and a thin event. */
async function sendStories(post: (body: string) => Promise<unknown>, name: string): Promise<void> {
  const stories = SCENARIOS.map((scenario) => simulate(scenario, { seed: `${name} ${scenario}` }))
  // An invoice that is open, and stays so: its timer is set.
  const unpaid = simulate('overdue', { seed: name })
  stories.push(unpaid.slice(0, unpaid.findIndex(({ type }) => type === 'invoice.finalized') + 1))
  const bodies = stories.flat().map((event) => JSON.stringify(event))
  const thin = {
    id: `evt_thin_${name}`,
    object: 'v2.core.event',
    type: 'v1.customer.created',
    created: '2026-05-01T00:00:00Z',
  }
  const senders = Array.from({ length: 6 }, async () => {
    for (let body = bodies.pop(); body; body = bodies.pop()) {
      await post(body)
      if (bodies.length % 5 === 0) await post(body)
    }
  })
  await Promise.all(senders)
  await post(
    JSON.stringify({
      ...thin,
      livemode: false,
      related_object: { id: 'cus_thin', type: 'customer', url: '/v1/customers/cus_thin' },
    }),
  )
}
