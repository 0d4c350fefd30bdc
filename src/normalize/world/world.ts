import { idOfWords } from '../../domain/ids.ts'
import type { Json } from '../../domain/json.ts'
import type { ObjectKind } from '../../language/mapping.ts'
import { emptyMemory, type Memory } from '../../language/memory.ts'
import type { Facts } from '../../language/read.ts'
import type { SourceEvent } from '../source-event.ts'
import type { Completion, FetchRequest } from '../stripe-fetch.ts'
import { type Lookups, noLookups } from './lookups.ts'
import type { Snapshot } from './snapshots.ts'
import { Users } from './users.ts'

/** One Stripe object as we know it. */
export interface KnownObject {
  sourceId: string
  objectId: string
  kind: string
  customerId: string | null
  snapshot: Snapshot
  memory: Memory
}

/** How far something is that was asked of Stripe; the result of an earlier time stays until there is a new one. */
export interface FetchState {
  state: 'pending' | 'done' | 'failed'
  waitUntil: Date
  askAgainAt: Date | null
  fetchedAt: Date | null
  result: Json
  code: string | null
  message: string | null
}

/** What is known of a source. */
interface KnownSource {
  hasApiKey: boolean
  /** Why Stripe is not asked at present; null: it is. */
  openCircuitReason: string | null
  planRanks: Readonly<Record<string, number>>
}

/** What a batch of one client's events knows: loaded once, changed event by event, written back at its end. */
export interface World {
  clientId: string
  objects: Map<string, KnownObject>
  /** Registered checkouts, by Flo's id and by Stripe's, whatever the source. */
  checkouts: Map<string, object>
  users: Users
  /** Deadlines of missing facts, by source and fact. */
  holds: Map<string, Date>
  sources: Map<string, KnownSource>
  /** What was asked of Stripe, by source and key. */
  fetchStates: Map<string, FetchState>
  /** Snapshot events that have arrived of those that thin ones name, by source and id. */
  twins: Set<string>
  /** Events with what was fetched for them, as far as it has been loaded. */
  completions: WeakMap<SourceEvent, Completion>
  dirty: {
    objects: Set<KnownObject>
    holds: Map<string, Date>
    /** When our timer looks at an invoice, by source and invoice; null: no longer. The source event says its account and lane. */
    timers: Map<string, { sourceEventId: string; at: Date | null }>
    /** What is to be fetched, by source and key. */
    fetchRequests: Map<string, FetchRequest>
  }
  /** Facts that this batch has brought, by source and fact. */
  arrivedFacts: Set<string>
  loaded: Lookups
}

/** The key of what belongs to a source: an object, a fact, a fetch. */
export const keyOf = (sourceId: string, id: string) => `${sourceId}|${id}`

/** The source, a UUID, and the id of a key that `keyOf` made. */
export const splitKey = (key: string) => ({ sourceId: key.slice(0, 36), id: key.slice(37) })

export const emptyWorld = (clientId: string): World => ({
  clientId,
  objects: new Map(),
  checkouts: new Map(),
  users: new Users(clientId),
  holds: new Map(),
  sources: new Map(),
  fetchStates: new Map(),
  twins: new Set(),
  completions: new WeakMap(),
  dirty: { objects: new Set(), holds: new Map(), timers: new Map(), fetchRequests: new Map() },
  arrivedFacts: new Set(),
  loaded: noLookups(),
})

/** A user that was read: by its customer, by the id that the event carries, or both. */
export interface UserQuery {
  customer: string | null
  clientUserId: string | null
}

interface ReadListeners {
  /** A user was read, of this customer and with this id. */
  onUserRead?: (query: UserQuery) => void
  /** An object was read that no event has shown. */
  onUnknownObject?: (kind: ObjectKind, id: string) => void
}

/** The world as the evaluator of one source's event sees it. */
export function factsOf(
  world: World,
  sourceId: string,
  { onUserRead = () => {}, onUnknownObject = () => {} }: ReadListeners = {},
): Facts {
  return {
    readSnapshot(kind, id) {
      const checkout = kind === 'checkout' ? world.checkouts.get(id) : undefined
      if (checkout) return { object: checkout, memory: emptyMemory() }
      const known = world.objects.get(keyOf(sourceId, id))
      if (known?.kind === kind) return { object: known.snapshot.object, memory: known.memory }
      onUnknownObject(kind, id)
      const fetched = world.fetchStates.get(keyOf(sourceId, `${kind}:${id}`))?.result
      return fetched ? { object: fetched, memory: emptyMemory() } : null
    },
    findUser(customer, clientUserId, email, floUserId) {
      const named = floUserId === null ? undefined : world.users.byId.get(floUserId)
      const user = named ?? world.users.resolveUser(customer, clientUserId)
      if (!named && (customer !== null || clientUserId !== null)) onUserRead({ customer, clientUserId })
      return {
        id: user.id,
        clientUserId: user.clientUserId,
        email: (user.registered ? user.email : null) ?? email,
      }
    },
    deriveUuid: (kind, key) => idOfWords(kind, sourceId, key),
    readRank: (plan) => world.sources.get(sourceId)?.planRanks[plan] ?? null,
    readTally: (payment) => world.objects.get(keyOf(sourceId, `tally:${payment}`))?.snapshot.object ?? null,
  }
}

/** Puts a record of our own beside Stripe's objects: a link, a tally. */
export function putRecord(world: World, sourceId: string, record: { kind: string; objectId: string; object: unknown }) {
  const { kind, objectId, object } = record
  const key = keyOf(sourceId, objectId)
  const snapshot = { object, tied: [], base: [] }
  const known = world.objects.get(key) ?? {
    sourceId,
    objectId,
    kind,
    customerId: null,
    snapshot,
    memory: emptyMemory(),
  }
  known.snapshot = snapshot
  world.objects.set(key, known)
  world.dirty.objects.add(known)
}
