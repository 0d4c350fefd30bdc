import { idOfWords } from '../../domain/ids.ts'
import type { Json } from '../../domain/json.ts'
import { idInRealm, idUnder, type Realm, realmName } from '../../domain/realm.ts'
import type { ObjectKind } from '../../language/mapping.ts'
import { emptyMemory, type Memory } from '../../language/memory.ts'
import type { Facts } from '../../language/scope.ts'
import type { SourceEvent } from '../source-event.ts'
import type { Completion, FetchRequest } from '../stripe-fetch.ts'
import { type Lookups, noLookups } from './lookups.ts'
import type { Snapshot } from './snapshots.ts'
import { Users } from './users.ts'

/** One Stripe object as we know it. */
export interface KnownObject {
  sourceId: string
  /** The name of the account and mode that it belongs to (src/domain/realm.ts). */
  realm: string
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

/** A checkout as it is registered; `stripe_account` null: since before accounts were told apart, for any. */
export interface RegisteredCheckout {
  id: string
  stripe_account: string | null
}

/** What is known of a source. */
interface KnownSource {
  hasApiKey: boolean
  /** Why Stripe is not asked at present; null: it is. */
  openCircuitReason: string | null
  planRanks: Readonly<Record<string, number>>
  /** false: it is older than the telling apart of accounts and modes, so some of its objects and business keys name neither. */
  idsByRealm: boolean
  /** It is the operator's and routes its events: what belongs to nobody is known by the operator's client, for all. */
  isRouted?: boolean
}

/** What a batch of one client's events knows: loaded once, changed event by event, written back at its end. */
export interface World {
  clientId: string
  objects: Map<string, KnownObject>
  /** Registered checkouts, by Flo's id and by Stripe's, whatever the source. */
  checkouts: Map<string, RegisteredCheckout>
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
  /** Whom the client has deleted, of those that are looked up: customers in their account and mode, and the client's own ids. */
  forgotten: { key: Buffer | null | undefined; customers: Set<string>; clientUserIds: Set<string> }
  /** What kept us from finding out what an event reads. */
  lookupFaults: WeakMap<SourceEvent, unknown>
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

/** The source, and in it the account and mode, in which a Stripe id is read: a source event is in one. */
export interface SourceRealm extends Realm {
  sourceId: string
}

/** The key of what belongs to a source: an object, a fact, a fetch, each by its id in its realm. */
export const keyOf = (sourceId: string, id: string) => `${sourceId}|${id}`

/** The key of what an event means by an id. */
export const keyIn = (at: SourceRealm, id: string) => keyOf(at.sourceId, idInRealm(at, id))

const keysOfWorlds = new WeakMap<World, Map<string, (id: string) => string>>()

/** The keys of what ids mean in a realm, for all events of a world: each asks for the same ones again and again. */
function keysIn(world: World, sourceId: string, realm: string): (id: string) => string {
  const ofWorld = keysOfWorlds.get(world) ?? new Map<string, (id: string) => string>()
  keysOfWorlds.set(world, ofWorld)
  const name = keyOf(sourceId, realm)
  const known = ofWorld.get(name) ?? createKeys(sourceId, realm)
  ofWorld.set(name, known)
  return known
}

function createKeys(sourceId: string, realm: string): (id: string) => string {
  const keys = new Map<string, string>()
  return (id) => {
    const known = keys.get(id)
    if (known !== undefined) return known
    const key = keyOf(sourceId, idUnder(realm, id))
    keys.set(id, key)
    return key
  }
}

/** The key of a known object. */
export const objectKeyOf = ({ sourceId, realm, objectId }: Pick<KnownObject, 'sourceId' | 'realm' | 'objectId'>) =>
  keyOf(sourceId, idUnder(realm, objectId))

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
  lookupFaults: new WeakMap(),
  forgotten: { key: undefined, customers: new Set(), clientUserIds: new Set() },
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

/** The world as the evaluator of one event sees it: that of the event's source, account and mode. */
export function factsOf(
  world: World,
  at: SourceRealm,
  { onUserRead = () => {}, onUnknownObject = () => {} }: ReadListeners = {},
): Facts {
  const realm = realmName(at)
  // Of a source that is older than realms every object keeps the UUID that it was told with.
  const uuidOwner = `${at.sourceId}${world.sources.get(at.sourceId)?.idsByRealm === false ? '' : realm}`
  const keyOfId = keysIn(world, at.sourceId, realm)
  return {
    readSnapshot(kind, id) {
      const checkout = kind === 'checkout' ? world.checkouts.get(id) : undefined
      if (checkout && isCheckoutOf(checkout, id, at)) return { object: checkout, memory: emptyMemory() }
      const known = world.objects.get(keyOfId(id))
      if (known?.kind === kind) return { object: known.snapshot.object, memory: known.memory }
      onUnknownObject(kind, id)
      const fetched = world.fetchStates.get(keyOfId(`${kind}:${id}`))?.result
      return fetched ? { object: fetched, memory: emptyMemory() } : null
    },
    findUser(customer, clientUserId, email, floUserId) {
      const named = floUserId === null ? undefined : world.users.byId.get(floUserId)
      const user = named ?? world.users.resolveUser(customer === null ? null : idUnder(realm, customer), clientUserId)
      if (!named && (customer !== null || clientUserId !== null)) onUserRead({ customer, clientUserId })
      return {
        id: user.id,
        clientUserId: user.clientUserId,
        email: (user.registered ? user.email : null) ?? email,
      }
    },
    deriveUuid: (kind, key) => idOfWords(kind, uuidOwner, key),
    readRank: (plan) => world.sources.get(at.sourceId)?.planRanks[plan] ?? null,
    readTally: (payment) => world.objects.get(keyOfId(`tally:${payment}`))?.snapshot.object ?? null,
  }
}

/** Whether a checkout is meant: its own id names it everywhere, a Stripe session's only in the account of the session. */
const isCheckoutOf = ({ id, stripe_account: account }: RegisteredCheckout, key: string, at: Realm): boolean =>
  key === `checkout:${id}` || account === null || account === (at.account ?? '')

/** A customer's key among the users; null where there is none. */
export const customerIn = (realm: Realm, customer: string | null) =>
  customer === null ? null : idInRealm(realm, customer)

/** Puts a record of our own beside Stripe's objects: a link, a tally. */
export function putRecord(world: World, at: SourceRealm, record: { kind: string; objectId: string; object: unknown }) {
  const { kind, objectId, object } = record
  const key = keyIn(at, objectId)
  const snapshot = { object, tied: [], base: [] }
  const known = world.objects.get(key) ?? {
    sourceId: at.sourceId,
    realm: realmName(at),
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
