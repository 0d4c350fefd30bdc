import { isDeepStrictEqual } from 'node:util'
import { isMore, sumOf } from '../domain/money.ts'
import { type Kept, type Mapping, type Node, set, unset, type When } from './mapping.ts'
import { digest, lastMoment, type Memory, occasionOf } from './memory.ts'
import { type Tally, totalOf } from './refund-tally.ts'

type Json = any

/** What an evaluation may ask about the world. Everything is at hand: the pipeline has resolved it before. */
export interface Facts {
  /** The latest snapshot of another object and what is remembered of it, null while it is unknown. */
  kept(kind: Kept, id: string): { object: Json; memory: Memory } | null
  /** The Flo user behind a customer; `told` and `email` are what the event itself says, in order. */
  user(
    customer: string | null,
    told: string | null,
    email: string | null,
    named: string | null,
  ): { id: string; clientUserId: string | null; email: string | null }
  /** The UUID that follows from the source and the id of a Stripe object. */
  uuid(kind: string, key: string): string
  /** What was told as given back of a payment. */
  tally(payment: string): Tally | null
  /** The rank of a plan by the source's configuration, null when it has none. */
  rank(plan: string): number | null
}

/** One source event, placed among what is known of its object. */
export interface Input {
  /** `id` is null for what our own timer says. */
  event: { id: string | null; type: string; created: number; at: string }
  object: Json
  /** The state that the event left behind; null when nobody can tell. */
  prior: Json | null
  /** Our snapshot from before the event, null when the object was never seen. */
  stored: Json | null
  /** A newer state of the object is known already. */
  late: boolean
  memory: Memory
  facts: Facts
  listen?: Listener | undefined
}

/** Hears an evaluation from within, for explanations: `read` gives the value of `part` in `scope`. */
export type Listener = <T>(part: Part, scope: Scope, read: () => T) => T
/** What an evaluation is made of, from the whole to the leaf. */
export type Part =
  | { op: 'mapping'; mapping: Mapping }
  | { op: 'rule'; at: number }
  | { op: 'owed' }
  | { op: 'emission'; type: string }
  | { op: 'field'; name: string }
  | Node
  | When

/** An input on the way through a mapping: the element of a list, the event being emitted. `borrowed`: another object's snapshot is being read, whose memory is not this event's to write. */
export type Scope = Input & { item?: Json; emit?: string; tally?: Tally; borrowed?: true }

/** Reads a part of an evaluation, with the listener's ears on it where there is one. */
export const heard = <T>(part: Part, scope: Scope, read: () => T): T =>
  scope.listen ? scope.listen(part, scope, read) : read()

/** A shape with every leaf read. */
export function build(shape: Json, scope: Scope): Json {
  if ('op' in shape) return value(shape as Node, scope)
  const built: Record<string, Json> = {}
  for (const name of Object.keys(shape))
    built[name] = heard({ op: 'field', name }, scope, () => build(shape[name], scope))
  return built
}

/** Reads one node; absent is null. */
export const value = (node: Node, scope: Scope): Json =>
  // Spelt out: this is the hot path, and `heard` would make a closure for every node.
  scope.listen ? scope.listen(node, scope, () => read(node, scope)) : read(node, scope)

function read(node: Node, scope: Scope): Json {
  switch (node.op) {
    case 'from':
      return get(node.scope === 'item' ? scope.item : scope.object, node.keys)
    case 'event':
      return scope.event[node.field]
    case 'emitted':
      return scope.emit ?? null
    case 'always':
      return node.value
    case 'firstOf': {
      for (const of of node.of) {
        const present = value(of, scope)
        if (present !== null) return present
      }
      return null
    }
    case 'convert': {
      const values: Json[] = []
      for (const of of node.of) {
        const present = value(of, scope)
        if (present === null && !node.nulls) return null
        values.push(present)
      }
      return node.fn(...values) ?? null
    }
    case 'given':
      return value(holds(node.when, scope) ? node.then : node.otherwise, scope)
    case 'byEvent':
      return value((scope.emit !== undefined && node.table[scope.emit]) || node.otherwise, scope)
    case 'kept': {
      const id = value(node.key, scope)
      const found = typeof id === 'string' ? scope.facts.kept(node.kind, id) : null
      return found === null ? null : value(node.of, { ...scope, ...found, prior: null, stored: null, borrowed: true })
    }
    case 'user': {
      const first = (nodes: readonly Node[]) => value({ op: 'firstOf', of: nodes }, scope)
      const email = node.field === 'email' ? asText(first(node.email)) : null
      const named = node.named === null ? null : asText(value(node.named, scope))
      return scope.facts.user(value(node.customer, scope), asText(first(node.told)), email, named)[node.field]
    }
    case 'uuid':
      return uuid(node, scope)
    case 'object':
      return build(node.shape, scope)
    case 'each':
      return elements(node, scope).map((item) => build(node.shape, { ...scope, item }))
    case 'fold': {
      if (!Array.isArray(value(node.list, scope))) return null
      const values = elements(node, scope).map((item) => value(node.of, { ...scope, item }))
      if (node.name === 'sum') return values.includes(null) ? null : sumOf(values)
      const present = values.filter((one) => typeof one === 'number')
      return present.length === 0 ? null : Math[node.name](...present)
    }
    case 'choose': {
      const list = value(node.list, scope)
      const item = Array.isArray(list) ? node.fn(list) : null
      return item === null ? null : value(node.of, { ...scope, item })
    }
    case 'occasion':
      if (!node.mark) return lastMoment(scope.memory, node.what, scope.event.created)
      return occasionOf(
        scope.memory,
        node.what,
        named(scope.event),
        node.of ? digest(build(node.of, scope)) : undefined,
      )
    case 'tallied':
      return totalOf(scope.tally ?? null)
    case 'rank': {
      const plan = value(node.plan, scope)
      return typeof plan === 'string' ? scope.facts.rank(plan) : null
    }
    case 'prior':
      return scope.prior === null ? null : value(node.of, { ...scope, object: scope.prior })
  }
}

/** What was told once stays; a checkout's own record stands before what follows from the id. */
function uuid(node: Extract<Node, { op: 'uuid' }>, scope: Scope): string {
  const first = scope.memory.uuids[node.kind]
  if (first !== undefined && scope.item === undefined) return first
  const linked = node.linked === null ? null : value(node.linked, scope)
  const chosen = typeof linked === 'string' ? linked : scope.facts.uuid(node.kind, String(value(node.key, scope)))
  if (scope.item === undefined && scope.emit !== undefined && !scope.borrowed) scope.memory.uuids[node.kind] = chosen
  return chosen
}

/** An event by what tells it from others: our own timer's by its type. */
export const named = ({ id, type, created }: Input['event']) => ({ id: id ?? type, type, created })

const asText = (told: Json): string | null =>
  typeof told === 'string' && told !== '' ? told : typeof told === 'number' ? String(told) : null

/** The elements of a list that `where` takes. */
export function elements(node: { list: Node; where: When | null }, scope: Scope): Json[] {
  const list = value(node.list, scope)
  if (!Array.isArray(list)) return []
  const { where } = node
  return where ? list.filter((item) => holds(where, { ...scope, item })) : list
}

/** Whether a condition is true of an event. */
export const holds = (when: When, scope: Scope, mapping?: Mapping): boolean =>
  scope.listen ? scope.listen(when, scope, () => isTrue(when, scope, mapping)) : isTrue(when, scope, mapping)

function isTrue(when: When, scope: Scope, mapping?: Mapping): boolean {
  switch (when.op) {
    case 'type':
      return when.types.includes(scope.event.type)
    case 'is': {
      const actual = value(when.node, scope)
      return when.values.some((wanted) =>
        wanted === set ? actual !== null : wanted === unset ? actual === null : actual === wanted,
      )
    }
    case 'more':
    case 'same': {
      const [a, b] = [value(when.node, scope), value(when.than, scope)]
      return a !== null && b !== null && (when.op === 'more' ? isMore(a, b) : a === b)
    }
    case 'any':
      return when.of.some((of) => holds(of, scope, mapping))
    case 'all':
      return when.of.every((of) => holds(of, scope, mapping))
    case 'not':
      return !holds(when.of, scope, mapping)
    case 'was':
      return scope.prior !== null && holds(when.of, { ...scope, object: scope.prior }, mapping)
    case 'became':
      return (
        holds(when.of, scope, mapping) &&
        scope.prior !== null &&
        !holds(when.of, { ...scope, object: scope.prior }, mapping)
      )
    case 'ceased':
      return (
        !holds(when.of, scope, mapping) &&
        scope.prior !== null &&
        holds(when.of, { ...scope, object: scope.prior }, mapping)
      )
    case 'stored':
      return scope.stored !== null && holds(when.of, { ...scope, object: scope.stored }, mapping)
    case 'changed':
      return (
        scope.prior !== null &&
        !isDeepStrictEqual(build(when.shape, scope), build(when.shape, { ...scope, object: scope.prior }))
      )
    case 'differsFromLast':
      return scope.memory.said[mapping?.name ?? '']?.digest !== digest(build(when.shape, scope))
    case 'seen':
      return scope.stored !== null
    case 'priorKnown':
      return scope.prior !== null
    case 'memory':
      return scope.memory.flags[when.flag] === true
    case 'some': {
      const list = value(when.list, scope)
      return Array.isArray(list) && list.some((item) => holds(when.where, { ...scope, item }, mapping))
    }
  }
}

function get(root: Json, keys: readonly string[]): Json {
  let at = root
  for (const key of keys) {
    if (at === null || at === undefined || typeof at !== 'object') return null
    at = at[key]
  }
  return at ?? null
}
