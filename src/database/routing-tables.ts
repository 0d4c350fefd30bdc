import { type KnownRoutes, routeKey } from '../domain/route-decision.ts'
import type { RoutedBy, RoutingState } from '../domain/routing.ts'
import type { RoutingClues } from '../domain/routing-clues.ts'
import type { Queryable } from './db.ts'
import { createRowInsert } from './insert-rows.ts'
import { noteRoutingNews } from './routing-news.ts'

// Statements about sources that route their events: of the receiver, and of the room that looks at what waits. Their order is the order
// of locks: routings, then objects, then source events.

/** What one event of a routed source says; `clientId` is the operator's. */
export interface EventToRoute {
  clientId: string
  sourceId: string
  clues: RoutingClues
}

/**
 * Finds, in one statement for all of them, what the names and objects of events mean. An account is looked for among the routes alone,
 * a name in metadata among routes, clients' ids and external ids, in this order.
 */
export async function findKnownRoutes(db: Queryable, events: readonly EventToRoute[]): Promise<KnownRoutes> {
  const known: KnownRoutes = new Map()
  const asked = new Map<string, { sourceId: string; how: RoutedBy['by']; key: string }>()
  const ask = (sourceId: string, how: RoutedBy['by'], key: string) =>
    asked.set(routeKey(sourceId, how, key), { sourceId, how, key })
  for (const { sourceId, clues } of events) {
    for (const { by, name } of clues.names) ask(sourceId, by, name)
    for (const { key } of clues.objects) ask(sourceId, 'object', key)
  }
  const [first] = events
  if (!first || asked.size === 0) return known
  const rows = [...asked.values()]
  const found = await db.query<{
    sourceId: string
    how: RoutedBy['by']
    key: string
    name: string
    targetId: string | null
    toldBy: string | null
  }>({
    name: 'routing.find_routes',
    // Each look-up is by itself, so that it is one in an index, however many objects are known and whatever is believed of the tables.
    text: `with told as materialized (
             select a.source_id, a.how, a.key, o.name, o.told_by
               from unnest($2::uuid[], $3::text[], $4::text[]) a(source_id, how, key)
              cross join lateral (
                select a.key as name, null::text as told_by where a.how <> 'object'
                union all
                select o.name, o.told_by from routed_objects o
                 where o.client_id = $1 and a.how = 'object' and o.source_id = a.source_id and o.object_id = a.key
                   and o.name is not null
                offset 0) o),
           named as materialized (
             select n.source_id, n.name, n.is_account,
                    coalesce(
                      (select c.id from source_routes s join clients c on c.id = s.target_id
                        where s.client_id = $1 and s.source_id = n.source_id and s.value = n.name),
                      case when not n.is_account then coalesce(
                        (select c.id from clients c
                          where c.id = case when length(n.name) = 36 then case when n.name ~ $5 then n.name::uuid end end and c.id <> $1),
                        (select c.id from clients c where c.external_id = n.name)) end) as target_id
               from (select distinct source_id, name, how = 'account' as is_account from told) n)
           select t.source_id as "sourceId", t.how, t.key, t.name, t.told_by as "toldBy", n.target_id as "targetId"
             from told t join named n on n.source_id = t.source_id and n.name = t.name and n.is_account = (t.how = 'account')`,
    values: [
      first.clientId,
      rows.map(({ sourceId }) => sourceId),
      rows.map(({ how }) => how),
      rows.map(({ key }) => key),
      UUID,
    ],
  })
  for (const { sourceId, how, key, name, targetId, toldBy } of found.rows)
    known.set(routeKey(sourceId, how, key), { name, targetId, toldBy })
  return known
}

const UUID = '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$'

/** What becomes of one event, as it is written down. */
export interface RoutingRow {
  clientId: string
  sourceId: string
  account: string
  livemode: boolean
  eventId: string
  sourceEventId: string
  state: RoutingState
  targetId: string | null
  routedBy: RoutedBy | null
}

/** Writes down what becomes of events that arrive. Answers those that were not there yet: all others are duplicates. */
export const insertRoutings = createRowInsert<RoutingRow, { source_event_id: string }>({
  name: 'routing.routings',
  table: 'routings',
  columns: {
    client_id: (row) => row.clientId,
    source_id: (row) => row.sourceId,
    account: (row) => row.account,
    livemode: (row) => row.livemode,
    event_id: (row) => row.eventId,
    source_event_id: (row) => row.sourceEventId,
    state: (row) => row.state,
    target_id: (row) => row.targetId,
    routed_by: (row) => (row.routedBy ? JSON.stringify(row.routedBy) : null),
    due_at: (row) => (row.state === 'waiting' ? LONG_AGO : null),
  },
  end: 'on conflict do nothing returning source_event_id',
})

/** Due at once: the room looks at what waits when the transaction is committed, and sees all that was committed before. */
const LONG_AGO = '1970-01-01T00:00:00Z'

/** Something that a routed event tells of an object. */
export interface ToldObject {
  clientId: string
  sourceId: string
  key: string
  name: string
  toldBy: string
}

/**
 * Writes down whose objects are, and what events wait for. Where events wait for an object that was told, that is news: answers whether
 * there is any; wake the room that routes then. What was told before stays. An object that is not known gets a row all the same: whoever
 * tells of it meets the row, or its own is met, so that neither overlooks the other.
 *
 * All rows are inserted in one order before any is updated: whoever inserts waits for those with later rows, whoever updates for those
 * that update alone, so that nobody waits in a ring.
 */
export async function learnObjects(
  db: Queryable,
  told: readonly ToldObject[],
  waits: readonly RoutingWait[] = [],
): Promise<boolean> {
  const awaited = waits.filter(({ key }) => !/^(name|fetch):/.test(key))
  const objects = new Map<string, ObjectRow>(
    awaited.map((one) => [objectKeyOf(one), { ...one, name: null, toldBy: null }]),
  )
  for (const one of told) objects.set(objectKeyOf(one), one)
  const inserted = new Set((await insertObjects(db, [...objects.values()].toSorted(byObject))).map(objectKeyOf))
  const ordered = [...new Map(told.map((one) => [objectKeyOf(one), one])).values()].toSorted(byObject)
  const hasNews = await tellAwaited(
    db,
    ordered.filter((one) => !inserted.has(objectKeyOf(one))),
  )
  await insertWaitRows(db, waits)
  return hasNews
}

/** Tells whose objects are of which there is a row, where nothing has told it before. */
async function tellAwaited(db: Queryable, others: readonly ToldObject[]): Promise<boolean> {
  const [first] = others
  if (!first) return false
  const { rows } = await db.query<{ clientId: string; sourceId: string; key: string }>({
    name: 'routing.tell_awaited',
    text: `update routed_objects o set name = t.name, told_by = t.told_by, updated_at = now()
             from unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) t(source_id, key, name, told_by)
            where o.client_id = $1 and o.source_id = t.source_id and o.object_id = t.key and o.name is null
            returning o.client_id as "clientId", o.source_id as "sourceId", o.object_id as key`,
    values: [
      first.clientId,
      others.map(({ sourceId }) => sourceId),
      others.map(({ key }) => key),
      others.map(({ name }) => name),
      others.map(({ toldBy }) => toldBy),
    ],
  })
  await noteRoutingNews(db, rows.toSorted(byObject))
  return rows.length > 0
}

const objectKeyOf = ({ sourceId, key }: { sourceId: string; key: string }) => `${sourceId} ${key}`
const byObject = (a: { sourceId: string; key: string }, b: { sourceId: string; key: string }) =>
  objectKeyOf(a) < objectKeyOf(b) ? -1 : 1

/** An object that was told, or one that is waited for. */
type ObjectRow = Pick<RoutingWait, 'clientId' | 'sourceId' | 'key'> & { name: string | null; toldBy: string | null }

const insertObjects = createRowInsert<ObjectRow, { sourceId: string; key: string }>({
  name: 'routing.objects',
  table: 'routed_objects',
  columns: {
    client_id: (row) => row.clientId,
    source_id: (row) => row.sourceId,
    object_id: (row) => row.key,
    name: (row) => row.name,
    told_by: (row) => row.toldBy,
    awaited: (row) => row.name === null,
  },
  end: 'on conflict do nothing returning source_id as "sourceId", object_id as key',
})

/** That an event waits for a key of routing_waits. */
export interface RoutingWait {
  clientId: string
  sourceId: string
  key: string
  sourceEventId: string
}

const insertWaitRows = createRowInsert<RoutingWait>({
  name: 'routing.waits',
  table: 'routing_waits',
  columns: {
    client_id: (row) => row.clientId,
    source_id: (row) => row.sourceId,
    key: (row) => row.key,
    source_event_id: (row) => row.sourceEventId,
  },
  end: 'on conflict do nothing',
})

/** Looks once more whose unrouted events of the operator's client are, Stripe included; wake the room that routes afterwards. */
export async function routeAgain(db: Queryable, clientId: string, ids: readonly string[]): Promise<void> {
  const { rows } = await db.query<{ id: string }>({
    name: 'routing.again',
    text: `update routings set state = 'waiting', due_at = now()
            where client_id = $1 and source_event_id = any($2::uuid[]) and state = 'unrouted' returning source_event_id as id`,
    values: [clientId, ids],
  })
  if (rows.length > 0)
    await db.query({
      name: 'routing.held_again',
      text: `update source_events set state = 'held', held_until = now(), held_for = '{}', due_at = 'infinity'
              where client_id = $1 and id = any($2::uuid[]) and state = 'unrouted'`,
      values: [clientId, rows.map(({ id }) => id)],
    })
}
