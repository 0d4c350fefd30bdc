import { awayNodesOf } from '../database/away-nodes.ts'
import { type Db, inTransaction, isDeadlock, isNodeAway, type Tx } from '../database/db.ts'
import { findDeletedOwners } from '../database/deletions.ts'
import { createRowInsert } from '../database/insert-rows.ts'
import { hasShards, readShardGroups } from '../database/shard-groups.ts'
import { splitUntilAlone } from '../database/split-until-alone.ts'
import { newId } from '../domain/ids.ts'
import { Refusal } from '../errors.ts'
import type { Log } from '../log.ts'
import type { ArrivalVia, StoredSourceEvent, Watch } from '../watch.ts'
import { type AddToBatch, createBatcher } from '../workers/batcher.ts'
import type { Envelope } from './envelope.ts'
import { pairUp } from './pair-up.ts'

/** An event to store: verified, its envelope read, with the bytes as signed. */
export interface IncomingEvent extends Envelope {
  clientId: string
  sourceId: string
  bytes: Buffer
}

interface Deps {
  db: Db
  log: Log
  /** Called after the commit for each client that has new source events; must not throw. */
  onStored: (clientId: string) => void
  watch?: Watch | undefined
  /** How these events come in, for `watch`. */
  via?: ArrivalVia
  /** The database's clock. */
  now?: () => Date
}

/** What became of an event: the row it was stored as, or that it was there already. */
export type StoreResult = { duplicate: false; id: string; receivedAt: Date } | { duplicate: true }

/** `groupStore` for events that come one by one. */
export const createEventStore = (deps: Deps): AddToBatch<IncomingEvent, StoreResult> => {
  const storeGroup = createGroupStore(deps)
  return async (event) => {
    const [result] = await storeGroup([event])
    if (!result) throw new Error('The store gave no result for an event.')
    return result
  }
}

/**
 * Stores groups of events durably, all of a group or none. The promise settles after the commit and says of each event whether
 * it was there already. Groups that arrive within a few milliseconds share one transaction, since a commit costs as much for
 * one event as for a hundred. Throws `event_unstorable` for a group that PostgreSQL cannot hold (the others of its transaction
 * are stored), and `unavailable` when nothing can be stored, or nothing of this client: the sender has to send it again.
 */
export const createGroupStore = ({
  db,
  log,
  onStored,
  watch,
  via = 'stripe',
  now = () => new Date(),
}: Deps): AddToBatch<readonly IncomingEvent[], StoreResult[]> => {
  const add = createBatcher(
    async (groups: EventGroup[]) => {
      const results = await storeGroups(
        db,
        groups.map(({ events }) => events),
      ).catch((cause) => {
        log.error({ err: cause, events: countEvents(groups) }, 'receive.store_unavailable')
        throw unavailableRefusal()
      })
      const refused = groups.filter((_, at) => results[at] === 'unavailable')
      if (refused.length > 0) log.error({ events: countEvents(refused) }, 'receive.store_partly_unavailable')
      const fresh = pairUp(groups, results).flatMap(([group, result]) => arrivedEventsOf(group, result))
      for (const clientId of new Set(fresh.map((event) => event.clientId))) onStored(clientId)
      const duplicates = results.flat().filter((result) => typeof result !== 'string' && result.duplicate).length
      watch?.onSourceEventsStored?.({ via, events: fresh, duplicates, committedAt: now().getTime() })
      return results
    },
    { max: 250, inFlight: 2, spacingMs: 4, size: sizeOfGroup, groupOf: ({ events }) => events[0]?.clientId ?? '' },
  )
  return async (events) => {
    const result = await add({ events, arrivedAt: now().getTime() })
    if (result === 'unstorable') throw new Refusal('event_unstorable')
    if (result === 'unavailable') throw unavailableRefusal()
    if (result === 'deleted') throw new Refusal('source_not_found')
    return result
  }
}

const BYTES_PER_UNIT = 16 * 1024

type EventGroup = { events: readonly IncomingEvent[]; arrivedAt: number }
type GroupResult = StoreResult[] | 'unstorable' | 'unavailable' | 'deleted'
type SourceEventRow = IncomingEvent & { id: string; identity: string }

/** A large event counts as many small ones: one transaction carries some megabytes at most. */
const sizeOfGroup = ({ events }: EventGroup) =>
  Math.max(events.length, Math.ceil(events.reduce((sum, { bytes }) => sum + bytes.length, 0) / BYTES_PER_UNIT))

const countEvents = (groups: readonly EventGroup[]) => groups.reduce((sum, { events }) => sum + events.length, 0)

const arrivedEventsOf = ({ events, arrivedAt }: EventGroup, results: GroupResult): StoredSourceEvent[] =>
  typeof results === 'string'
    ? []
    : pairUp(events, results).flatMap(([{ clientId, sourceId, eventId, type }, result]) =>
        result.duplicate ? [] : [{ id: result.id, clientId, sourceId, eventId, type, arrivedAt }],
      )

const assignId = (event: IncomingEvent): SourceEventRow => ({
  ...event,
  id: newId(),
  identity: `${event.eventId} ${event.sourceId} ${event.account} ${event.livemode}`,
})

const unavailableRefusal = () =>
  new Refusal('unavailable', { message: 'The event cannot be stored at present: send it again.' })

/** Stores each group or says why not: one with an event that PostgreSQL refuses is `unstorable`, the others are stored. */
const storeGroups = (db: Db, groups: readonly (readonly IncomingEvent[])[]): Promise<GroupResult[]> =>
  splitUntilAlone<readonly IncomingEvent[], GroupResult>(groups, {
    work: (some) => storeTogether(db, some),
    onAlone: () => 'unstorable',
  })

/**
 * Stores the groups in one transaction. While a node of a cluster is away its clients' groups are `unavailable` at once, and
 * nobody else waits for it. Two batches that share events may have locked them in different orders on different nodes, and Citus
 * ends one of them: then each client's groups are stored separately. The rows of one client are always locked in one order, unless
 * a partition changes meanwhile: then they are tried once more.
 */
async function storeTogether(db: Db, groups: readonly (readonly IncomingEvent[])[]): Promise<GroupResult[]> {
  if (awayNodesOf(db).areAny()) return storeByNode(db, groups)
  try {
    return await insertGroups(db, groups)
  } catch (error) {
    if (isNodeAway(error) && (await hasShards(db))) return storeByNode(db, groups)
    if (!isDeadlock(error)) throw error
    const clients = [...Map.groupBy(groups, clientOf).values()]
    if (clients.length > 1) return storeByClient(db, groups, clients)
    return insertGroups(db, groups)
  }
}

const clientOf = ([first]: readonly IncomingEvent[]): string => first?.clientId ?? ''

/** Stores what lies on each node by itself, all at once. */
async function storeByNode(db: Db, groups: readonly (readonly IncomingEvent[])[]): Promise<GroupResult[]> {
  const shards = await readShardGroups(db, [...new Set(groups.map(clientOf))])
  const nodes = new Map(shards.flatMap(({ node, clientIds }) => clientIds.map((clientId) => [clientId, node])))
  const nodeOf = (group: readonly IncomingEvent[]) => nodes.get(clientOf(group)) ?? ''
  const stored = await Promise.all(
    [...Map.groupBy(groups, nodeOf)].map(async ([node, some]) => pairUp(some, await storeOnNode(db, some, node))),
  )
  return inOrderOf(groups, stored.flat())
}

async function storeOnNode(
  db: Db,
  groups: readonly (readonly IncomingEvent[])[],
  node: string,
): Promise<GroupResult[]> {
  const away = awayNodesOf(db)
  if (away.isAway(node)) return groups.map(() => 'unavailable')
  try {
    return await splitUntilAlone<readonly IncomingEvent[], GroupResult>(groups, {
      work: (some) => insertGroups(db, some),
      onAlone: () => 'unstorable',
    })
  } catch (error) {
    if (isNodeAway(error)) away.noteAway(node, clientOf(groups[0] ?? []))
    return groups.map(() => 'unavailable')
  }
}

async function storeByClient(
  db: Db,
  groups: readonly (readonly IncomingEvent[])[],
  clients: readonly (readonly IncomingEvent[])[][],
): Promise<GroupResult[]> {
  const stored: [readonly IncomingEvent[], GroupResult][] = []
  for (const some of clients) {
    const results = await storeGroups(db, some).catch((): GroupResult[] => some.map(() => 'unavailable'))
    stored.push(...pairUp(some, results))
  }
  return inOrderOf(groups, stored)
}

function inOrderOf(
  groups: readonly (readonly IncomingEvent[])[],
  stored: readonly [readonly IncomingEvent[], GroupResult][],
): GroupResult[] {
  const results = new Map(stored)
  return groups.map((group) => results.get(group) ?? 'unavailable')
}

/** Nothing is stored for a client or a source that was deleted since the request began. */
async function insertGroups(db: Db, groups: readonly (readonly IncomingEvent[])[]): Promise<GroupResult[]> {
  const { rowsOfGroups, stored } = await inTransaction(db, async (tx) => {
    const deleted = await findDeletedOwners(tx, [
      ...new Set(groups.flatMap((events) => events.flatMap(({ clientId, sourceId }) => [clientId, sourceId]))),
    ])
    const isDeleted = ({ clientId, sourceId }: IncomingEvent) => deleted.has(clientId) || deleted.has(sourceId)
    // Within the transaction, however long it waited for a connection: lists end before transactions that are open.
    const rowsOfGroups = groups.map((events) => (events.some(isDeleted) ? null : events.map(assignId)))
    return {
      rowsOfGroups,
      stored: await insertSourceEvents(
        tx,
        rowsOfGroups.flatMap((rows) => rows ?? []),
      ),
    }
  })
  return rowsOfGroups.map(
    (rows): GroupResult =>
      rows?.map(({ id }) => {
        const receivedAt = stored.get(id)
        return receivedAt ? { duplicate: false, id, receivedAt } : { duplicate: true }
      }) ?? 'deleted',
  )
}

const insertRowsOfEvents = createRowInsert<SourceEventRow, { id: string; received_at: Date }>({
  name: 'receive.source_events',
  table: 'source_events',
  columns: {
    client_id: (row) => row.clientId,
    id: (row) => row.id,
    source_id: (row) => row.sourceId,
    account: (row) => row.account,
    livemode: (row) => row.livemode,
    event_id: (row) => row.eventId,
    type: (row) => row.type,
    api_version: (row) => row.apiVersion,
    lane: (row) => row.lane,
    created_at: (row) => row.createdAt.toISOString(),
  },
  end: 'on conflict do nothing returning id, received_at',
})

const insertBodies = createRowInsert<SourceEventRow>({
  name: 'receive.source_event_bodies',
  table: 'source_event_bodies',
  columns: { client_id: (row) => row.clientId, source_event_id: (row) => row.id, body: (row) => row.bytes },
})

// Two statements rather than a CTE that writes: the tables may be distributed by client, and a batch holds many clients.
async function insertSourceEvents(tx: Tx, rows: SourceEventRow[]): Promise<Map<string, Date>> {
  // All processes insert in the same order: two batches with the same events in different orders would deadlock.
  const ordered = rows.toSorted((a, b) => (a.identity < b.identity ? -1 : 1))
  const inserted = await insertRowsOfEvents(tx, ordered)
  const receivedAtById = new Map(inserted.map(({ id, received_at }) => [id, received_at]))
  await insertBodies(
    tx,
    ordered.filter(({ id }) => receivedAtById.has(id)),
  )
  return receivedAtById
}
