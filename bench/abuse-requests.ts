import { randomUUID } from 'node:crypto'
import type { AttackRequest } from './abuse-attacker.ts'
import { stripeEvent } from './stripe-event.ts'

/** What the one who attacks owns, by the name of the parameter or the folder of the path. */
export interface Owned {
  clientId: string
  sourceId: string
  endpointId: string
  sourceEventId: string
  eventId: string
  deliveryId: string
}

/** One route of /openapi.json with the most expensive requests that its client may send. */
export interface RouteAttack {
  route: string
  requests: (key: string) => AttackRequest[]
}

interface Operation {
  requestBody?: object
  parameters?: { name: string; in: string }[]
}

const YEAR_AGO = new Date(Date.now() - 365 * 86_400_000).toISOString()
const MONTH_AGO = new Date(Date.now() - 30 * 86_400_000).toISOString()

const ALMOST_MONTH_AGO = new Date(Date.now() - 29 * 86_400_000).toISOString()

/** Filters that no index serves, and as much of a page as there is. */
const LIST_QUERY = 'limit=250'
const QUERIES: Record<string, string[]> = {
  'GET /v1/source-events': [`${LIST_QUERY}&type=no.such&since=${YEAR_AGO}`, `${LIST_QUERY}&order=asc`],
  'GET /v1/events': [`${LIST_QUERY}&type=no.such`, `${LIST_QUERY}&order=asc`],
  'GET /v1/deliveries': [`${LIST_QUERY}&state=cancelled`, `${LIST_QUERY}&order=asc`],
  'GET /v1/endpoints/{id}/stats': [`since=${MONTH_AGO}`],
}

const largeDryRun = (owned: Owned) => {
  const event = JSON.parse(stripeEvent('abuse'))
  const [item] = event.data.object.items.data
  event.data.object.items.data = Array.from({ length: 150 }, (_, at) => ({ ...item, id: `si_${at}` }))
  return JSON.stringify({ clientId: owned.clientId, sourceId: owned.sourceId, event })
}

const appEvent = (at: number) => ({
  type: 'user.login',
  clientUserId: `abuse_${at}`,
  data: { at: '2026-06-06T12:00:00Z', ip: '203.0.113.7', user_agent: 'x'.repeat(200) },
})

/** As much metadata as there may be. */
const metadata = Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`key_${at}`, 'x'.repeat(500)]))
const planRanks = Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`price_${at}_${'x'.repeat(150)}`, at]))
/** Kept under a key of its own, each time. */
const ONCE = { 'idempotency-key': 'abuse-%n%' }
const bodyOnce = (body: object) => [{ body: JSON.stringify(body), headers: ONCE }]

/** The largest valid body of every route that writes; what would end the measurement gets what is refused after it was read. */
const bodiesOf: Record<string, (owned: Owned) => { body: string; headers?: Record<string, string> }[]> = {
  'POST /v1/endpoints': ({ clientId }) =>
    bodyOnce({ clientId, url: 'http://127.0.0.1:10009/', contract: 'flo.v1', eventTypes: ['item.refunded'], metadata }),
  'PATCH /v1/endpoints/{id}': () => bodyOnce({ metadata }),
  'POST /v1/endpoints/{id}/enable': () => bodyOnce({}),
  'POST /v1/endpoints/{id}/test': () => bodyOnce({}),
  'POST /v1/endpoints/{id}/secret/rotate': () => bodyOnce({ gracePeriodSeconds: 0, revokePrevious: true }),
  'POST /v1/sources': ({ clientId }) => bodyOnce({ clientId, signingSecrets: ['whsec_abuse'], planRanks }),
  'PATCH /v1/sources/{id}': () => bodyOnce({ planRanks }),
  'PUT /v1/users/{clientUserId}': ({ clientId }) => [
    { body: JSON.stringify({ clientId, email: 'abuse@example.com', stripeCustomerId: 'cus_abuse' }) },
  ],
  'POST /v1/checkouts/sessions': ({ clientId }) =>
    bodyOnce({
      clientId,
      clientUserId: 'abuse',
      items: Array.from({ length: 100 }, () => ({ id: randomUUID() })),
      metadata,
    }),
  'POST /v1/source-events/{id}/renormalize': () => bodyOnce({}),
  'POST /v1/source-events/renormalize': ({ clientId }) => bodyOnce({ clientId, state: 'failed' }),
  'POST /v1/deliveries/{id}/resend': () => bodyOnce({}),
  'POST /v1/backfills': ({ sourceId }) => bodyOnce({ sourceId, since: ALMOST_MONTH_AGO }),
  'POST /v1/mappings/dry-run': (owned) => [
    { body: largeDryRun(owned) },
    { body: largeDryRun(owned), headers: { 'idempotency-key': 'abuse-%n%' } },
  ],
  'POST /v1/replays': ({ clientId, endpointId }) => [
    { body: JSON.stringify({ clientId, endpointId, mode: 'all', dryRun: true }) },
    { body: JSON.stringify({ clientId, endpointId, mode: 'missing', dryRun: true }) },
    { body: JSON.stringify({ clientId, endpointId, mode: 'all' }) },
  ],
  'POST /v1/app-events': () => [{ body: JSON.stringify(appEvent(1)) }],
  'POST /v1/app-events/batch': () => [
    { body: JSON.stringify({ events: Array.from({ length: 1000 }, (_, at) => appEvent(at)) }) },
  ],
}

/** Every operation of the document, except those that would end what is measured. */
export function routeAttacks(
  document: { paths: Record<string, Record<string, Operation>> },
  owned: Owned,
): RouteAttack[] {
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]): RouteAttack => {
      const route = `${method.toUpperCase()} ${path}`
      const filled = fillPath(path, method, owned)
      const paths = (
        QUERIES[route] ?? [operation.parameters?.some(({ name }) => name === 'limit') ? LIST_QUERY : '']
      ).map((query) => (query ? `${filled}?${query}` : filled))
      const fallback = operation.requestBody
        ? [{ body: JSON.stringify({ clientId: owned.clientId, note: 'x'.repeat(200_000) }) }]
        : [{ body: '' }]
      const bodies = bodiesOf[route]?.(owned) ?? fallback
      return {
        route,
        requests: (key) =>
          paths.flatMap((to) => bodies.map((one) => ({ method: method.toUpperCase(), path: to, key, ...one }))),
      }
    }),
  )
}

/** Ids of the attacker's own; what would delete or disable gets ids of nothing. */
function fillPath(path: string, method: string, owned: Owned): string {
  const isEnding = method === 'delete' || /\/(disable|revoke|expunge|cancel)/.test(path)
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    if (isEnding) return randomUUID()
    const folder = path.split('/')[2]
    if (name !== 'id') return (owned as unknown as Record<string, string>)[name] ?? randomUUID()
    const byFolder: Record<string, string> = {
      endpoints: owned.endpointId,
      sources: owned.sourceId,
      clients: owned.clientId,
      events: owned.eventId,
      deliveries: owned.deliveryId,
      'source-events': owned.sourceEventId,
    }
    return byFolder[folder ?? ''] ?? randomUUID()
  })
}
