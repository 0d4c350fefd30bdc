import { fetchedObjectPaths } from '../../../mappings/hydrate.ts'
import type { Json } from '../../domain/json.ts'
import { type ElementList, readOrNull } from '../../language/compiler.ts'
import { readsElement } from '../../language/element-reads.ts'
import type { Mapping, Node, NodeOf, ObjectKind } from '../../language/mapping.ts'
import { memoizeByKey } from '../../language/memoized.ts'
import { readIfReadable, selectElements } from '../../language/read.ts'
import { type EvaluationInput, type EvaluationScope, type Facts, scopeOfState } from '../../language/scope.ts'
import type { Strides } from '../../language/strides.ts'
import { isIdText } from '../../language/unreadable.ts'

type KeptNode = NodeOf<'kept'>
type UserNode = NodeOf<'user'>

/**
 * What events read beyond themselves, by id, so that it is loaded for all of a batch at once. A single event names all by their ids.
 * Collected of several, customers are named by their ids in the event's account and mode (src/domain/realm.ts), and so are objects,
 * fetches and facts, each in its source: the keys of `keyOf`, as those of twins.
 */
export interface Lookups {
  /** Ids of Stripe objects whose snapshots are read. */
  objects: Set<string>
  customers: Set<string>
  /** clientUserIds that the event itself carries. */
  clientUserIds: Set<string>
  /** Flo's own ids of users that the event names. */
  userIds: Set<string>
  /** Sources: their API keys and plan ranks. */
  sources: Set<string>
  /** Snapshot events that thin ones are twins of. */
  twins: Set<string>
  /** What may have been fetched from Stripe. */
  fetches: Set<string>
  /** What the event may have to wait for, and what it may end the wait for: whether its deadline has passed. */
  facts: Set<string>
}
export const noLookups = (): Lookups => ({
  objects: new Set(),
  customers: new Set(),
  clientUserIds: new Set(),
  userIds: new Set(),
  sources: new Set(),
  twins: new Set(),
  fetches: new Set(),
  facts: new Set(),
})

/** What each kind of node reads beyond the event; a kind that is missing here does not compile. */
const LOOKUP_BY_KIND: Readonly<Record<Node['op'], 'object' | 'user' | null>> = {
  kept: 'object',
  user: 'user',
  from: null,
  event: null,
  emitted: null,
  always: null,
  firstOf: null,
  convert: null,
  given: null,
  byEvent: null,
  // A UUID follows from the id, and tallies and ranks are loaded with the rule's payment and the source.
  uuid: null,
  tallied: null,
  rank: null,
  object: null,
  each: null,
  fold: null,
  choose: null,
  occasion: null,
  prior: null,
}

/** The nodes of a mapping that read beyond the event's own object. */
const lookupNodesOf = memoizeByKey((mapping: Mapping) => {
  const kept = new Set<KeptNode>()
  const users = new Set<UserNode>()
  const walk = (part: unknown) => {
    if (typeof part !== 'object' || part === null) return
    const lookup = 'op' in part ? LOOKUP_BY_KIND[part.op as Node['op']] : null
    if (lookup === 'object') kept.add(part as KeptNode)
    if (lookup === 'user' && (part as UserNode).field === 'id') users.add(part as UserNode)
    // What is read of a stored object depends on that object: `visitStored` goes there when it is loaded.
    if (lookup === 'object') walk((part as KeptNode).key)
    else for (const inner of Object.values(part)) walk(inner)
  }
  for (const part of [mapping.rules, mapping.owed, mapping.waitFor, mapping.body, mapping.user, mapping.total])
    walk(part)
  return { kept: [...kept], users: [...users] }
})

/** Adds what the mapping reads of the world for this event; call again when more is loaded, until nothing is added. */
export function* collectMappingLookups(mapping: Mapping, input: EvaluationInput, lookups: Lookups): Strides<void> {
  const { kept, users } = lookupNodesOf(mapping)
  for (const scope of momentsOf(input)) for (const node of kept) visitStored(node, scope, lookups)
  const perElement = kept.filter(readsElement)
  for (const scope of elementScopesOf(mapping, input)) {
    yield
    for (const node of perElement) visitStored(node, scope, lookups)
  }
  for (const rule of mapping.rules) {
    const counted = 'emit' in rule ? rule.once : rule.note
    for (const node of counted ? [...counted.per, counted.purchase] : []) {
      const id = readIfReadable(node, input)
      if (typeof id === 'string') lookups.objects.add(`tally:${id}`)
    }
  }
  for (const { fact, key } of mapping.waitFor) {
    const id = readIfReadable(key, input)
    if (isIdText(id)) lookups.facts.add(`${fact}:${id}`)
  }
  for (const node of users) collectUserNodeLookups(node, input, lookups)
}

/** The event as it is, and its state before. */
const momentsOf = (input: EvaluationInput): EvaluationScope[] =>
  input.prior === null ? [input] : [input, scopeOfState(input, 'prior')]

/** Each element of a list that a rule reads: the product of a line, say. */
const elementScopesOf = (mapping: Mapping, input: EvaluationInput): EvaluationScope[] =>
  mapping.rules
    .flatMap((rule) => ('emit' in rule && rule.each ? elementsOf(rule.each, input) : []))
    .map((item) => ({ ...input, item }))

/** The elements of a list that can be read. */
const elementsOf = (each: ElementList, input: EvaluationInput): Json[] =>
  readOrNull(() => selectElements(each, input)) ?? []

function visitStored(node: KeptNode, scope: EvaluationScope, lookups: Lookups): void {
  const id = readIfReadable(node.key, scope)
  if (typeof id !== 'string') return
  lookups.objects.add(id)
  if (fetchedObjectPaths[node.kind]) lookups.fetches.add(`${node.kind}:${id}`)
  const stored = scope.facts.readSnapshot(node.kind, id)
  if (stored === null) return
  const storedScope = { ...scope, ...stored, prior: null, stored: null, readings: undefined }
  for (const inner of innerKeptOf(node)) visitStored(inner, storedScope, lookups)
}

function collectUserNodeLookups(node: UserNode, input: EvaluationInput, lookups: Lookups): void {
  const customer = readIfReadable(node.customer, input)
  if (typeof customer === 'string') lookups.customers.add(customer)
  const floUserId = node.floUserId && readIfReadable(node.floUserId, input)
  if (typeof floUserId === 'string') lookups.userIds.add(floUserId)
  for (const part of node.clientUserId) {
    const clientUserId = readIfReadable(part, input)
    if (typeof clientUserId === 'string' && clientUserId !== '') lookups.clientUserIds.add(clientUserId)
  }
}

/** What is read of further objects where a stored object is read. */
const innerKeptOf = memoizeByKey((node: KeptNode) => outermostKept(node.of))

function outermostKept(part: unknown): KeptNode[] {
  if (typeof part !== 'object' || part === null) return []
  if ('op' in part && part.op === 'kept') return [part as KeptNode]
  return Object.values(part).flatMap(outermostKept)
}

/** A world that knows nothing: for reads that find out what is to be looked up. */
export const noFacts: Facts = {
  readSnapshot: (_kind: ObjectKind, _id: string) => null,
  findUser: () => ({ id: '', clientUserId: null, email: null }),
  deriveUuid: () => '',
  readTally: () => null,
  readRank: () => null,
}
