import { awayNodesOf, noteAwayNodesOf } from '../database/away-nodes.ts'
import { type Db, isDeadlock, isNodeAway } from '../database/db.ts'
import { hasShards, readShardGroups } from '../database/shard-groups.ts'
import { splitUntilAlone } from '../database/split-until-alone.ts'
import { Refusal } from '../errors.ts'
import type { Log } from '../log.ts'
import type { ArrivalVia, RoutedEvent, StoredSourceEvent, Watch } from '../watch.ts'
import { type AddToBatch, createBatcher } from '../workers/batcher.ts'
import {
  type GroupResult,
  type IncomingEvent,
  insertGroups,
  isUnsettled,
  type StoreDeps,
  type StoreResult,
} from './insert-events.ts'
import { pairUp } from './pair-up.ts'
import type { ArrivedRoute } from './route-arrivals.ts'

interface Deps {
  db: Db
  log: Log
  /** Called after the commit for each client that has new source events; must not throw. */
  onStored: (clientId: string) => void
  /** Called after the commit for the operator's client when events of its sources are to be routed; must not throw. */
  onUnsettled?: (clientId: string) => void
  /** How long an event waits for its client. */
  holdSeconds?: number
  watch?: Watch | undefined
  /** How these events come in, for `watch`. */
  via?: ArrivalVia
  /** The database's clock. */
  now?: () => Date
}

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
  onUnsettled,
  holdSeconds = 10,
  watch,
  via = 'stripe',
  now = () => new Date(),
}: Deps): AddToBatch<readonly IncomingEvent[], StoreResult[]> => {
  const add = createBatcher(
    async (groups: EventGroup[]) => {
      const results = await storeGroups(
        { db, holdUntil: () => new Date(now().getTime() + holdSeconds * 1000) },
        groups.map(({ events }) => events),
      ).catch((cause) => {
        log.error({ err: cause, events: countEvents(groups) }, 'receive.store_unavailable')
        throw unavailableRefusal()
      })
      const refused = groups.filter((_, at) => results[at] === 'unavailable')
      if (refused.length > 0) log.error({ events: countEvents(refused) }, 'receive.store_partly_unavailable')
      const arrived = pairUp(groups, results).flatMap(([group, result]) => arrivedEventsOf(group, result))
      const fresh = arrived.map(({ event }) => event)
      const settled = arrived.filter(({ route }) => !isUnsettled(route))
      for (const clientId of new Set(settled.map(({ event }) => event.clientId))) onStored(clientId)
      const duplicates = results.flat().filter((result) => typeof result !== 'string' && result.duplicate).length
      reportRoutes({ onUnsettled, watch }, arrived)
      watch?.onSourceEventsStored?.({ via, events: fresh, duplicates, committedAt: now().getTime() })
      return results
    },
    {
      max: 250,
      inFlight: 2,
      spacingMs: 4,
      crowdedSpacingMs: 10,
      size: sizeOfGroup,
      groupOf: ({ events }) => events[0]?.clientId ?? '',
    },
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
/** A large event counts as many small ones: one transaction carries some megabytes at most. */
const sizeOfGroup = ({ events }: EventGroup) =>
  Math.max(events.length, Math.ceil(events.reduce((sum, { bytes }) => sum + bytes.length, 0) / BYTES_PER_UNIT))

const countEvents = (groups: readonly EventGroup[]) => groups.reduce((sum, { events }) => sum + events.length, 0)

/** An event that was stored, under the client whose it is. */
interface ArrivedEvent {
  event: StoredSourceEvent
  route: ArrivedRoute | undefined
  /** The operator, where its source routes; else its client. */
  ownerId: string
  hasNews: boolean
}

const arrivedEventsOf = ({ events, arrivedAt }: EventGroup, results: GroupResult): ArrivedEvent[] =>
  typeof results === 'string'
    ? []
    : pairUp(events, results).flatMap(([{ clientId: ownerId, sourceId, eventId, type }, result]) => {
        if (result.duplicate) return []
        const { id, clientId = ownerId, route, hasNews = false } = result
        return [{ event: { id, clientId, sourceId, eventId, type, arrivedAt }, route, ownerId, hasNews }]
      })

/** Tells where events of routed sources went, and has looked at what is to be routed. */
function reportRoutes({ onUnsettled, watch }: Pick<Deps, 'onUnsettled' | 'watch'>, arrived: readonly ArrivedEvent[]) {
  const toLookAt = arrived.filter(({ route, hasNews }) => hasNews || isUnsettled(route))
  for (const clientId of new Set(toLookAt.map(({ ownerId }) => ownerId))) onUnsettled?.(clientId)
  const events = arrived.flatMap(({ event, route, ownerId }): RoutedEvent[] =>
    route ? [{ ...event, state: route.state, code: route.code, message: route.message, ownerId }] : [],
  )
  if (events.length > 0) watch?.onEventsRouted?.(events)
}

const unavailableRefusal = () =>
  new Refusal('unavailable', { message: 'The event cannot be stored at present: send it again.' })

/** Stores each group or says why not: one with an event that PostgreSQL refuses is `unstorable`, the others are stored. */
const storeGroups = (deps: StoreDeps, groups: readonly (readonly IncomingEvent[])[]): Promise<GroupResult[]> =>
  splitUntilAlone<readonly IncomingEvent[], GroupResult>(groups, {
    work: (some) => storeTogether(deps, some),
    onAlone: () => 'unstorable',
  })

/**
 * Stores the groups in one transaction. While a node of a cluster is away its clients' groups are `unavailable` at once, and
 * nobody else waits for it. Two batches that share events may have locked them in different orders on different nodes, and Citus
 * ends one of them: then each client's groups are stored separately. The rows of one client are always locked in one order, unless
 * a partition changes meanwhile: then they are tried once more.
 */
async function storeTogether(deps: StoreDeps, groups: readonly (readonly IncomingEvent[])[]): Promise<GroupResult[]> {
  const { db } = deps
  if (awayNodesOf(db).areAny()) return storeByNode(deps, groups)
  try {
    return await insertGroups(deps, groups)
  } catch (error) {
    if (isNodeAway(error) && (await hasShards(db))) return storeByNode(deps, groups)
    if (!isDeadlock(error)) throw error
    const clients = [...Map.groupBy(groups, clientOf).values()]
    if (clients.length > 1) return storeByClient(deps, groups, clients)
    return insertGroups(deps, groups)
  }
}

const clientOf = ([first]: readonly IncomingEvent[]): string => first?.clientId ?? ''

/** Stores what lies on each node by itself, all at once. */
async function storeByNode(deps: StoreDeps, groups: readonly (readonly IncomingEvent[])[]): Promise<GroupResult[]> {
  const shards = await readShardGroups(deps.db, [...new Set(groups.map(clientOf))])
  const nodes = new Map(shards.flatMap(({ node, clientIds }) => clientIds.map((clientId) => [clientId, node])))
  const nodeOf = (group: readonly IncomingEvent[]) => nodes.get(clientOf(group)) ?? ''
  const stored = await Promise.all(
    [...Map.groupBy(groups, nodeOf)].map(async ([node, some]) => pairUp(some, await storeOnNode(deps, some, node))),
  )
  return inOrderOf(groups, stored.flat())
}

async function storeOnNode(
  deps: StoreDeps,
  groups: readonly (readonly IncomingEvent[])[],
  node: string,
): Promise<GroupResult[]> {
  const away = awayNodesOf(deps.db)
  if (away.isAway(node)) return groups.map(() => 'unavailable')
  for (;;) {
    const targets = new Set<string>()
    try {
      return await splitUntilAlone<readonly IncomingEvent[], GroupResult>(groups, {
        work: (some) => insertGroups(deps, some, targets),
        onAlone: () => 'unstorable',
      })
    } catch (error) {
      if (isNodeAway(error)) {
        // Of a source that routes it may be the node of a client that events go to: then it is tried again without these.
        if (await isNodeOfTargetsAway(deps, targets)) continue
        away.noteAway(node, clientOf(groups[0] ?? []))
      }
      return groups.map(() => 'unavailable')
    }
  }
}

/** Whether a node turns out to be away that was not known to be. Where that cannot be found out, nothing is stored. */
const isNodeOfTargetsAway = ({ db }: StoreDeps, targets: ReadonlySet<string>): Promise<boolean> =>
  noteAwayNodesOf(db, [...targets]).catch(() => false)

async function storeByClient(
  deps: StoreDeps,
  groups: readonly (readonly IncomingEvent[])[],
  clients: readonly (readonly IncomingEvent[])[][],
): Promise<GroupResult[]> {
  const stored: [readonly IncomingEvent[], GroupResult][] = []
  for (const some of clients) {
    const results = await storeGroups(deps, some).catch((): GroupResult[] => some.map(() => 'unavailable'))
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
