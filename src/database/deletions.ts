import type { Queryable } from './db.ts'

/** What can be deleted on request; `payload`: the content of one event or source event, whose states stay. */
export type DeletionKind = 'client' | 'source' | 'user' | 'payload'

/** By what the payloads of a deleted user are found. */
export interface LooksFor {
  /** Ids of the user's Stripe customers, without account and mode. */
  customers: string[]
  /** The same as keys in their account and mode. */
  customerKeys: string[]
  clientUserId: string | null
  email: string | null
  /** Of a client instead: the values that named it to sources that route. */
  routeNames?: string[]
}

/** The tables whose rows are shown by the API, and may belong to what was deleted while they wait to be purged. */
export type ShownTable = 'source_events' | 'events' | 'deliveries' | 'backfills'

/** As SQL: an open deletion `d` of a row's client; `of` what it has to be about. The row's columns are those of `t`. */
const openDeletionOf = (of: string) =>
  `select from deletions d where d.client_id = t.client_id and d.finished_at is null and ${of}`

const isOfSource = `d.kind = 'source' and d.subject_id = t.source_id`
const isOfEvent = (event: string) =>
  `(d.kind = 'user' and d.subject_id = ${event}.user_id or d.kind = 'source' and exists (
     select from source_events s
      where s.client_id = t.client_id and s.id = ${event}.source_event_id and s.source_id = d.subject_id))`

const conditions: Readonly<Record<ShownTable, string>> = {
  source_events: `not exists (${openDeletionOf(isOfSource)})`,
  backfills: `not exists (${openDeletionOf(isOfSource)})`,
  events: `not exists (${openDeletionOf(`d.kind in ('user', 'source') and ${isOfEvent('t')}`)})`,
  deliveries: `not exists (${openDeletionOf(`d.kind in ('user', 'source') and exists (
    select from events ev where ev.client_id = t.client_id and ev.id = t.event_id and ${isOfEvent('ev')})`)})`,
}

/**
 * As SQL, of a row `t`: it belongs to nothing that was deleted and is still to be purged. While nothing of the client is being
 * deleted it costs a look at an index without rows. undefined: no row of the table can outlive what it belongs to.
 */
export const keptCondition = (table: string): string | undefined =>
  Object.hasOwn(conditions, table) ? conditions[table as ShownTable] : undefined

/** The same in a statement that names the client so. */
export const keptConditionOf = (table: ShownTable, client: string): string =>
  conditions[table].replaceAll('t.client_id', client)

/** As SQL: something of the client that is named so is being deleted. */
export const hasOpenDeletions = (client: string): string =>
  `exists (select from deletions o where o.client_id = ${client} and o.finished_at is null)`

/** Those of these events that are deleted or expunged, or are not there any more. */
export async function findDeletedEvents(
  db: Queryable,
  clientId: string,
  eventIds: readonly string[],
): Promise<Set<string>> {
  const { rows } = await db.query<{ id: string }>({
    name: 'deletions.kept_events',
    text: `select t.id from events t
            where t.client_id = $1 and t.id = any($2::uuid[]) and ${keptConditionOf('events', '$1::uuid')}
              and not exists (select from deletions d where d.client_id = $1 and d.finished_at is null
                                 and d.kind = 'payload' and d.subject_id in (t.id, t.source_event_id))`,
    values: [clientId, eventIds],
  })
  const kept = new Set(rows.map(({ id }) => id))
  return new Set(eventIds.filter((id) => !kept.has(id)))
}

/** Those of these clients and sources whose deletion is under way: nothing is taken in for them. */
export async function findDeletedOwners(db: Queryable, ids: readonly string[]): Promise<Set<string>> {
  const { rows } = await db.query<{ id: string }>({
    name: 'deletions.owners',
    text: `select subject_id as id from deletions
            where subject_id = any($1::uuid[]) and finished_at is null and kind in ('client', 'source')`,
    values: [ids],
  })
  return new Set(rows.map(({ id }) => id))
}

/** Whether raw bytes are of a user of the client that is being deleted: they are shown no more, and go. */
export async function isOfDeletedUser(db: Queryable, clientId: string, bytes: Buffer): Promise<boolean> {
  const { rows } = await db.query<{ looksFor: LooksFor }>(
    `select looks_for as "looksFor" from deletions
      where client_id = $1 and finished_at is null and kind = 'user' and looks_for is not null`,
    [clientId],
  )
  return rows.some(({ looksFor }) => tellsOf(bytes, looksFor))
}

/**
 * Whether a payload tells of a user: it has the id of one of its customers as a value, its e-mail address, or its own id where
 * Stripe's objects and app events carry that.
 */
export function tellsOf(bytes: Buffer, looksFor: LooksFor): boolean {
  const { customers, clientUserId, email } = looksFor
  const wanted = new Set([...customers, ...(email === null ? [] : [email])])
  // Most payloads are of others: they are not parsed.
  const isNamed = [...wanted, ...(clientUserId === null ? [] : [clientUserId])].some((text) =>
    bytes.includes(JSON.stringify(text).slice(1, -1)),
  )
  if (!isNamed && !bytes.includes('\\u')) return false
  try {
    return holdsAny(JSON.parse(bytes.toString('utf8')), { wanted, clientUserId })
  } catch {
    return false
  }
}

/** Where the client's own id of a user stands in payloads. */
const OWN_ID_FIELDS = new Set(['client_user_id', 'clientUserId', 'client_reference_id'])

function holdsAny(
  root: unknown,
  { wanted, clientUserId }: { wanted: ReadonlySet<string>; clientUserId: string | null },
) {
  // By a list, since a payload may be nested deeper than the stack.
  const left: unknown[] = [root]
  while (left.length > 0) {
    const value = left.pop()
    if (typeof value === 'string' && wanted.has(value)) return true
    if (typeof value !== 'object' || value === null) continue
    for (const [field, inner] of Object.entries(value)) {
      if (clientUserId !== null && inner === clientUserId && OWN_ID_FIELDS.has(field)) return true
      left.push(inner)
    }
  }
  return false
}

/** When, and by which API key, the payload of a source event was expunged; null: it was not. */
export async function findErasure(
  db: Queryable,
  clientId: string,
  sourceEventId: string,
): Promise<{ at: Date; by: string } | null> {
  const { rows } = await db.query<{ at: Date; by: string }>(
    `select requested_at as at, requested_by as by from deletions
      where client_id = $1 and subject_id = $2 and kind = 'payload' order by id limit 1`,
    [clientId, sourceEventId],
  )
  return rows[0] ?? null
}
