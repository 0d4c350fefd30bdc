import { contracts } from '../../mappings/index.ts'
import type { Deps, Route } from '../../src/api/route.ts'
import { routes } from '../../src/api/routes.ts'
import type { Db } from '../../src/db.ts'
import { keys } from '../seed.ts'
import type { Filled } from './fill.ts'
import { type Ran, watched } from './plans.ts'

/** A request to the management API; `looks`: a filter has no index of its own, and rows are judged one by one. */
export interface Case {
  what: string
  path: string
  query?: Record<string, unknown>
  params?: Record<string, string>
  looks?: true
}

const DAY_MS = 86_400_000

/** Every list, with each filter by itself, rare and common, and some of them together. */
export async function casesFor(db: Db, filled: Filled): Promise<Case[]> {
  const { big, endpoints, quiet, commonType, rareType, user, source, quietSource } = filled
  const one = (
    await db.query('select id, event_id from deliveries where client_id = $1 order by id desc limit 1', [big])
  ).rows[0]
  const { source_event_id: sourceEventId } = (
    await db.query('select source_event_id from events where client_id = $1 and id = $2', [big, one.event_id])
  ).rows[0]
  const old = { until: new Date(Date.now() - 60 * DAY_MS) }
  const window = { since: new Date(Date.now() - 31 * DAY_MS), until: new Date(Date.now() - 30 * DAY_MS) }
  const [endpointId] = endpoints
  const list = (path: string) => (query: Record<string, unknown>, looks?: true) => ({
    what: `${path} ${words(query)}`.trim(),
    path: `/v1/${path}`,
    query,
    ...(looks && { looks }),
  })
  const [deliveries, events, sourceEvents] = [list('deliveries'), list('events'), list('source-events')]
  const states = ['pending', 'failed', 'skipped', 'cancelled']
  return [
    deliveries({}),
    deliveries({ order: 'asc' }),
    deliveries(window),
    deliveries(old),
    ...states.map((state) => deliveries({ state })),
    deliveries({ state: 'delivered' }, true),
    ...states.map((state) => deliveries({ state, endpointId }, state === 'pending' ? true : undefined)),
    deliveries({ endpointId }),
    deliveries({ endpointId: quiet }),
    deliveries({ endpointId: quiet, state: 'failed' }),
    deliveries({ eventType: commonType }, true),
    deliveries({ eventType: rareType }, true),
    deliveries({ eventType: rareType, ...old }, true),
    deliveries({ eventType: rareType, endpointId }, true),
    deliveries({ eventId: one.event_id }),
    deliveries({ eventId: one.event_id, state: 'failed' }, true),
    deliveries({ replayId: NOBODY }),
    events({}),
    events(old),
    events(window),
    events({ sourceEventId }),
    events({ userId: user }),
    events({ userId: NOBODY }),
    events({ eventType: commonType }),
    events({ eventType: rareType }),
    events({ contract: 'flo.v1' }, true),
    events({ contract: 'florentin.v1' }, true),
    events({ eventType: rareType, userId: user }, true),
    sourceEvents({}),
    sourceEvents(old),
    sourceEvents(window),
    ...['failed', 'held', 'received'].map((state) => sourceEvents({ state })),
    ...['ignored', 'normalized'].map((state) => sourceEvents({ state }, true)),
    sourceEvents({ eventId: `evt_${sourceEventId}` }),
    sourceEvents({ eventId: 'evt_nobody' }),
    sourceEvents({ sourceId: source }),
    sourceEvents({ sourceId: quietSource }),
    sourceEvents({ sourceId: quietSource, state: 'failed' }, true),
    sourceEvents({ type: 'invoice.paid' }, true),
    sourceEvents({ type: 'customer.created' }, true),
    ...['users', 'checkouts/sessions', 'endpoints', 'sources', 'replays', 'backfills'].map((path) => list(path)({})),
    list('users')({ stripeCustomerId: 'cus_nobody' }),
    list('checkouts/sessions')({ clientUserId: 'nobody' }),
    list('checkouts/sessions')({ stripeSessionId: 'nobody' }),
    list('replays')({ endpointId, state: 'done' }),
    list('backfills')({ sourceId: source, state: 'failed' }),
    { what: 'one delivery', path: '/v1/deliveries/{id}', params: { id: one.id } },
    { what: 'its attempts', path: '/v1/deliveries/{id}/attempts', params: { id: one.id } },
    { what: 'one event', path: '/v1/events/{id}', params: { id: one.event_id } },
    { what: 'one source event', path: '/v1/source-events/{id}', params: { id: sourceEventId } },
  ]
}

const NOBODY = '00000000-0000-7000-8000-00000000dead'

const words = (query: Record<string, unknown>) =>
  Object.entries(query)
    .map(
      ([name, value]) =>
        `${name}=${value instanceof Date ? value.toISOString().slice(0, 10) : String(value).slice(0, 24)}`,
    )
    .join(' ')

// Lists need nothing but these.
const adopted = async () => () => null
const declared = routes({ keyRing: keys, contracts, adopted, now: () => new Date() } as unknown as Deps)
const routeOf = (path: string): Route => declared.find((one) => one.method === 'get' && one.path === path)!

/** Lists of clients' things that no case asks for: a new list needs one. */
export const forgotten = (cases: readonly Case[]): string[] =>
  declared
    .filter(({ list, client, path }) => list && client !== 'none' && !cases.some((one) => one.path === path))
    .map(({ path }) => path)

/** Answers the case as the API would, and what statements that took. */
export async function asked(db: Db, clientId: string, { path, query = {}, params = {} }: Case): Promise<Ran[]> {
  const watch = watched(db)
  const page = { limit: 50, order: 'desc', ...query }
  await routeOf(path).run({ db: watch.db, clientId, query: page, params, body: {}, after: () => {} } as never)
  return watch.ran
}
