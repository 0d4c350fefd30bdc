import type { Db, Queryable } from '../../src/database/db.ts'
import { type Asked, timeAnswer } from './api.ts'
import type { Filled } from './fill.ts'

/** What is measured: everything that `run` asks of the database, in a transaction that is rolled back. */
export interface Case {
  what: string
  run(db: Queryable): Promise<unknown>
  /** A page of a list; `judged`: a filter has no index of its own, and rows are looked at one by one. */
  page?: 'found' | 'judged'
  /** How often; twenty times when not said. */
  rounds?: number
}

const DAY_MS = 86_400_000
const NOBODY = '00000000-0000-7000-8000-00000000dead'

interface List extends Asked {
  what: string
  query: Record<string, unknown>
  page: 'found' | 'judged'
}

/** Every list, with each filter by itself, rare and common, and some of them together; in both orders, and from the middle on. */
export async function listCases(db: Db, filled: Filled): Promise<Case[]> {
  const cases: Case[] = []
  for (const { what, page, ...asked } of await lists(db, filled)) {
    cases.push({ what, page, run: (db) => timeAnswer(db, asked) })
    const inOrder = (order: string, cursor?: string) => ({ ...asked, query: { ...asked.query, order, cursor } })
    cases.push({ what: `${what}, oldest first`, page, run: (db) => timeAnswer(db, inOrder('asc')) })
    if (asked.query.until) continue
    const middle = new Date(Date.now() - (filled.days / 2) * DAY_MS)
    const { meta } = await timeAnswer(db, {
      ...asked,
      query: { ...asked.query, ...(hasWindow(asked) && { until: middle }) },
    })
    const cursor = (meta as { nextCursor?: string }).nextCursor
    if (cursor) cases.push({ what: `${what}, deep`, page, run: (db) => timeAnswer(db, inOrder('desc', cursor)) })
  }
  return cases
}

/** The paths of all lists that are asked for. */
export const listCase = async (db: Db, filled: Filled): Promise<string[]> => [
  ...(await lists(db, filled)).map(({ path }) => path),
  '/v1/deliveries/{id}/attempts',
]

const hasWindow = ({ path }: Asked) => /deliveries|events/.test(path)

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a table of cases, one a line.
async function lists(db: Db, filled: Filled): Promise<List[]> {
  const { big, small, days, endpoints, quiet, commonType, rareType, user, source, quietSource } = filled
  const { rows } = await db.query(
    `select d.event_id, e.source_event_id from deliveries d
       join events e on e.client_id = d.client_id and e.id = d.event_id
      where d.client_id = $1 order by d.id desc limit 1`,
    [big],
  )
  const [{ event_id: eventId, source_event_id: sourceEventId }] = rows
  const daysAgo = (share: number) => new Date(Date.now() - days * share * DAY_MS)
  const [old, window] = [
    { until: daysAgo(2 / 3) },
    { since: daysAgo(1 / 2), until: new Date(daysAgo(1 / 2).getTime() + DAY_MS) },
  ]
  const [endpointId] = endpoints
  const names = {
    [quiet]: 'quiet',
    [endpointId ?? '']: 'busy',
    [source]: 'busy',
    [quietSource]: 'quiet',
    [NOBODY]: 'nobody',
  }
  const listUrl =
    (path: string, clientId = big) =>
    (query: Record<string, unknown>, page: 'found' | 'judged' = 'found'): List => ({
      what: `${clientId === big ? '' : 'small: '}${path}${caseName(query, names)}`,
      path: `/v1/${path}`,
      clientId,
      query,
      page,
    })
  const [deliveries, events, sourceEvents] = [listUrl('deliveries'), listUrl('events'), listUrl('source-events')]
  const others = listUrl('deliveries', small.clientId)
  const states = ['pending', 'failed', 'skipped', 'cancelled']
  return [
    deliveries({}),
    deliveries(window),
    deliveries(old),
    ...states.map((state) => deliveries({ state })),
    deliveries({ state: 'delivered' }, 'judged'),
    ...states.map((state) => deliveries({ state, endpointId }, state === 'pending' ? 'judged' : 'found')),
    deliveries({ endpointId }),
    deliveries({ endpointId: quiet }),
    deliveries({ endpointId: quiet, state: 'failed' }),
    deliveries({ eventType: commonType }, 'judged'),
    deliveries({ eventType: rareType }, 'judged'),
    deliveries({ eventType: rareType, endpointId }, 'judged'),
    deliveries({ eventId }),
    deliveries({ eventId, state: 'failed' }, 'judged'),
    deliveries({ replayId: NOBODY }),
    others({}),
    others({ state: 'failed' }),
    others({ endpointId: small.endpointId }),
    others({ eventType: rareType }, 'judged'),
    events({}),
    events(old),
    events(window),
    events({ sourceEventId }),
    events({ userId: user }),
    events({ userId: NOBODY }),
    events({ eventType: commonType }),
    events({ eventType: rareType }),
    events({ contract: 'florentin.v1' }, 'judged'),
    events({ eventType: rareType, userId: user }, 'judged'),
    listUrl('events', small.clientId)({ contract: 'florentin.v1' }, 'judged'),
    sourceEvents({}),
    sourceEvents(old),
    sourceEvents(window),
    ...['failed', 'held', 'received'].map((state) => sourceEvents({ state })),
    ...['ignored', 'normalized'].map((state) => sourceEvents({ state }, 'judged')),
    sourceEvents({ eventId: `evt_${sourceEventId}` }),
    sourceEvents({ eventId: 'evt_nobody' }),
    sourceEvents({ sourceId: source }),
    sourceEvents({ sourceId: quietSource }),
    sourceEvents({ sourceId: quietSource, state: 'failed' }, 'judged'),
    sourceEvents({ type: 'customer.created' }, 'judged'),
    listUrl('source-events', small.clientId)({ type: 'customer.created' }, 'judged'),
    ...['users', 'checkouts/sessions', 'endpoints', 'sources', 'replays', 'backfills'].map((path) => listUrl(path)({})),
    listUrl('users')({ stripeCustomerId: 'cus_1' }),
    listUrl('checkouts/sessions')({ clientUserId: 'user_1' }),
    listUrl('checkouts/sessions')({ stripeSessionId: 'cs_1' }),
    listUrl('replays')({ endpointId, state: 'done' }),
    listUrl('replays')({ state: 'failed' }),
    listUrl('backfills')({ sourceId: source, state: 'failed' }),
  ]
}

const caseName = (query: Record<string, unknown>, names: Record<string, string>) =>
  Object.entries(query)
    .map(([name, value]) => (value instanceof Date ? ` ${name}` : ` ${name}=${shortName(String(value), names)}`))
    .join('')

const shortName = (value: string, names: Record<string, string>) =>
  names[value] ?? value.replace(/^(evt_)?[0-9a-f-]{36}$/, '…')
