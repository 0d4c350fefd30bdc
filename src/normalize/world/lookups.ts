import { objects } from '../../../mappings/hydrate.ts'
import type { Kept, Mapping, Node } from '../../language/mapping.ts'
import { onceFor } from '../../language/memoized.ts'
import { elements, type Facts, type Input, type Scope, value } from '../../language/read.ts'

type KeptNode = Extract<Node, { op: 'kept' }>
type UserNode = Extract<Node, { op: 'user' }>

/** What one event needs from outside, so that it can be resolved for a whole batch at once. */
export interface Wants {
  /** Ids of Stripe objects whose snapshots are read. */
  objects: Set<string>
  customers: Set<string>
  /** clientUserIds that the event itself tells. */
  told: Set<string>
  /** Flo's own ids of users that the event names. */
  named: Set<string>
  /** Sources, whether they have an API key. */
  sources: Set<string>
  /** Snapshot events that thin ones are twins of. */
  twins: Set<string>
  /** What may have been fetched from Stripe. */
  needs: Set<string>
  /** What the event may have to wait for, and what it may end the wait for: whether its deadline has passed. */
  facts: Set<string>
}
export const noWants = (): Wants => ({
  objects: new Set(),
  customers: new Set(),
  told: new Set(),
  named: new Set(),
  sources: new Set(),
  twins: new Set(),
  needs: new Set(),
  facts: new Set(),
})

/** The nodes of a mapping that read beyond the event's own object. */
const nodesOf = onceFor((mapping: Mapping) => {
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
export function want(mapping: Mapping, input: Input, wants: Wants): void {
  const { kept, users } = nodesOf(mapping)
  const visit = (node: KeptNode, scope: Scope) => {
    const id = value(node.key, scope)
    if (typeof id !== 'string') return
    wants.objects.add(id)
    if (objects[node.kind]) wants.needs.add(`${node.kind}:${id}`)
    const object = scope.facts.kept(node.kind, id)
    if (object === null) return
    for (const inner of innerOf(node)) visit(inner, { ...scope, ...object, prior: null, stored: null })
  }
  // What is read of each element of a list, the product of a line say.
  const items = mapping.rules.flatMap((rule) => ('emit' in rule && rule.each ? elements(rule.each, input) : []))
  const before = input.prior === null ? [] : [{ ...input, object: input.prior }]
  for (const scope of [input, ...before, ...items.map((item) => ({ ...input, item }))])
    for (const node of kept) visit(node, scope)
  for (const rule of mapping.rules) {
    const per = 'emit' in rule ? rule.once?.per : rule.note?.per
    for (const node of per ?? []) {
      const payment = value(node, input)
      if (typeof payment === 'string') wants.objects.add(`tally:${payment}`)
    }
  }
  for (const { fact, key } of mapping.waitFor) {
    const id = value(key, input)
    if (id !== null) wants.facts.add(`${fact}:${id}`)
  }
  for (const node of users) {
    const customer = value(node.customer, input)
    if (typeof customer === 'string') wants.customers.add(customer)
    const named = node.named && value(node.named, input)
    if (typeof named === 'string') wants.named.add(named)
    for (const told of node.told) {
      const text = value(told, input)
      if (typeof text === 'string' && text !== '') wants.told.add(text)
    }
  }
}

/** What a kept object's reads read of further objects. */
const innerOf = onceFor((node: KeptNode) => outermostKept(node.of))

function outermostKept(part: unknown): KeptNode[] {
  if (typeof part !== 'object' || part === null) return []
  if ('op' in part && part.op === 'kept') return [part as KeptNode]
  return Object.values(part).flatMap(outermostKept)
}

/** Facts of nobody: for the first look at what an event wants. */
export const noFacts: Facts = {
  kept: (_kind: Kept, _id: string) => null,
  user: () => ({ id: '', clientUserId: null, email: null }),
  uuid: () => '',
  tally: () => null,
  rank: () => null,
}
