import { idOfWords } from '../../domain/ids.ts'
import type { ObjectKind } from '../../language/mapping.ts'
import { emptyMemory, type Memory } from '../../language/memory.ts'
import type { Facts } from '../../language/read.ts'
import type { FetchRequest } from '../stripe-fetch.ts'
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
  result: any
  code: string | null
  message: string | null
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
  /** Whether a source has an API key, and why its calls are not made at present; the ranks of its plans. */
  sources: Map<string, { hasApiKey: boolean; shutReason: string | null; planRanks: Readonly<Record<string, number>> }>
  /** What was asked of Stripe, by source and need. */
  fetchStates: Map<string, FetchState>
  /** Snapshot events that have arrived of those that thin ones name, by source and id. */
  twins: Set<string>
  dirty: {
    objects: Set<KnownObject>
    holds: Map<string, Date>
    /** When our timer looks at an invoice, by source and invoice; null: no longer. The source event told of it. */
    timers: Map<string, { sourceEventId: string; at: Date | null }>
    /** What is to be fetched, by source and need. */
    fetchRequests: Map<string, FetchRequest>
  }
  /** Facts that this batch has brought, by source and fact. */
  arrivedFacts: Set<string>
  loaded: Lookups
}

export const keyOf = (sourceId: string, id: string) => `${sourceId}|${id}`

export const emptyWorld = (clientId: string): World => ({
  clientId,
  objects: new Map(),
  checkouts: new Map(),
  users: new Users(clientId),
  holds: new Map(),
  sources: new Map(),
  fetchStates: new Map(),
  twins: new Set(),
  dirty: { objects: new Set(), holds: new Map(), timers: new Map(), fetchRequests: new Map() },
  arrivedFacts: new Set(),
  loaded: noLookups(),
})

/** A user that was read: by its customer, by what the event tells, or both. */
export interface UserQuery {
  customer: string | null
  clientUserId: string | null
}

/** The world as the evaluator of one source's event sees it; `asked` collects whose users were read, `untold` hears what no event has told. */
export function factsOf(
  world: World,
  sourceId: string,
  asked: UserQuery[] = [],
  untold: (kind: ObjectKind, id: string) => void = () => {},
): Facts {
  return {
    readSnapshot(kind, id) {
      const checkout = kind === 'checkout' ? world.checkouts.get(id) : undefined
      if (checkout) return { object: checkout, memory: emptyMemory() }
      const known = world.objects.get(keyOf(sourceId, id))
      if (known?.kind === kind) return { object: known.snapshot.object, memory: known.memory }
      untold(kind, id)
      const fetched = world.fetchStates.get(keyOf(sourceId, `${kind}:${id}`))?.result
      return fetched ? { object: fetched, memory: emptyMemory() } : null
    },
    findUser(customer, told, email, named) {
      const known = named === null ? undefined : world.users.byId.get(named)
      const person = known ?? world.users.resolveUser(customer, told)
      const again = asked.some((one) => one.customer === customer && one.clientUserId === told)
      if (!known && !again && (customer !== null || told !== null)) asked.push({ customer, clientUserId: told })
      return {
        id: person.id,
        clientUserId: person.clientUserId,
        email: (person.registered ? person.email : null) ?? email,
      }
    },
    deriveUuid: (kind, key) => idOfWords(kind, sourceId, key),
    readRank: (plan) => world.sources.get(sourceId)?.planRanks[plan] ?? null,
    readTally: (payment) => world.objects.get(keyOf(sourceId, `tally:${payment}`))?.snapshot.object ?? null,
  }
}

/** Puts a record of our own beside Stripe's objects: a link, a tally. */
export function putRecord(world: World, sourceId: string, kind: string, objectId: string, object: unknown) {
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
