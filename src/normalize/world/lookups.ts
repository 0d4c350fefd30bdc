import { fetchedObjectPaths } from '../../../mappings/hydrate.ts'
import type { Mapping, Node, ObjectKind } from '../../language/mapping.ts'
import { memoizeByKey } from '../../language/memoized.ts'
import {
  type EvaluationInput,
  type EvaluationScope,
  type Facts,
  readValue,
  selectElements,
} from '../../language/read.ts'

type KeptNode = Extract<Node, { op: 'kept' }>
type UserNode = Extract<Node, { op: 'user' }>

/** What one event needs from outside, so that it can be resolved for a whole batch at once. */
export interface Lookups {
  /** Ids of Stripe objects whose snapshots are read. */
  objects: Set<string>
  customers: Set<string>
  /** clientUserIds that the event itself tells. */
  clientUserIds: Set<string>
  /** Flo's own ids of users that the event names. */
  userIds: Set<string>
  /** Sources, whether they have an API key. */
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

/** The nodes of a mapping that read beyond the event's own object. */
const lookupNodesOf = memoizeByKey((mapping: Mapping) => {
  const kept = new Set<KeptNode>()
  const users = new Set<UserNode>()
  const walk = (part: unknown) => {
    if (typeof part !== 'object' || part === null) return
    if ('op' in part && part.op === 'kept') kept.add(part as KeptNode)
    if ('op' in part && part.op === 'user' && (part as UserNode).field === 'id') users.add(part as UserNode)
    // What a kept object's reads need depends on that object: `want` goes there when it is at hand.
    if ('op' in part && part.op === 'kept') walk((part as KeptNode).key)
    else for (const inner of Object.values(part)) walk(inner)
  }
  for (const part of [mapping.rules, mapping.owed, mapping.waitFor, mapping.body, mapping.user, mapping.total])
    walk(part)
  return { kept: [...kept], users: [...users] }
})

/** Adds what the mapping reads of the world for this event; call again when more facts are at hand, until nothing is added. */
export function collectMappingLookups(mapping: Mapping, input: EvaluationInput, wants: Lookups): void {
  const { kept, users } = lookupNodesOf(mapping)
  const visit = (node: KeptNode, scope: EvaluationScope) => {
    const id = readValue(node.key, scope)
    if (typeof id !== 'string') return
    wants.objects.add(id)
    if (fetchedObjectPaths[node.kind]) wants.fetches.add(`${node.kind}:${id}`)
    const object = scope.facts.readSnapshot(node.kind, id)
    if (object === null) return
    for (const inner of innerKeptOf(node)) visit(inner, { ...scope, ...object, prior: null, stored: null })
  }
  // What is read of each element of a list, the product of a line say.
  const items = mapping.rules.flatMap((rule) => ('emit' in rule && rule.each ? selectElements(rule.each, input) : []))
  const before = input.prior === null ? [] : [{ ...input, object: input.prior }]
  for (const scope of [input, ...before, ...items.map((item) => ({ ...input, item }))])
    for (const node of kept) visit(node, scope)
  for (const rule of mapping.rules) {
    const per = 'emit' in rule ? rule.once?.per : rule.note?.per
    for (const node of per ?? []) {
      const payment = readValue(node, input)
      if (typeof payment === 'string') wants.objects.add(`tally:${payment}`)
    }
  }
  for (const { fact, key } of mapping.waitFor) {
    const id = readValue(key, input)
    if (id !== null) wants.facts.add(`${fact}:${id}`)
  }
  for (const node of users) {
    const customer = readValue(node.customer, input)
    if (typeof customer === 'string') wants.customers.add(customer)
    const named = node.floUserId && readValue(node.floUserId, input)
    if (typeof named === 'string') wants.userIds.add(named)
    for (const told of node.clientUserId) {
      const text = readValue(told, input)
      if (typeof text === 'string' && text !== '') wants.clientUserIds.add(text)
    }
  }
}

/** What a kept object's reads read of further objects. */
const innerKeptOf = memoizeByKey((node: KeptNode) => outermostKept(node.of))

function outermostKept(part: unknown): KeptNode[] {
  if (typeof part !== 'object' || part === null) return []
  if ('op' in part && part.op === 'kept') return [part as KeptNode]
  return Object.values(part).flatMap(outermostKept)
}

/** Facts of nobody: for the first look at what an event wants. */
export const noFacts: Facts = {
  readSnapshot: (_kind: ObjectKind, _id: string) => null,
  findUser: () => ({ id: '', clientUserId: null, email: null }),
  deriveUuid: () => '',
  readTally: () => null,
  readRank: () => null,
}
