import { isDeepStrictEqual } from 'node:util'
import type { Json } from '../domain/json.ts'
import { isGreater, sumAmounts } from '../domain/money.ts'
import { type Mapping, type Node, type NodeOf, type ObjectKind, set, unset, type When } from './mapping.ts'
import { digestOf, lastOccasionTime, type Memory, recordOccasion } from './memory.ts'
import { type RefundTally, totalRefunded } from './refund-tally.ts'

/** What an evaluation may ask about the world. Everything is at hand: the pipeline has resolved it before. */
export interface Facts {
  /** The latest snapshot of another object and what is remembered of it, null while it is unknown. */
  readSnapshot(kind: ObjectKind, id: string): { object: Json; memory: Memory } | null
  /** The Flo user behind a customer; `clientUserId`, `email` and `floUserId` are what the event itself says. */
  findUser(
    customer: string | null,
    clientUserId: string | null,
    email: string | null,
    floUserId: string | null,
  ): { id: string; clientUserId: string | null; email: string | null }
  /** The UUID that follows from the source and the id of a Stripe object. */
  deriveUuid(kind: string, key: string): string
  /** What was refunded of a payment so far. */
  readTally(payment: string): RefundTally | null
  /** The rank of a plan by the source's configuration, null when it has none. */
  readRank(plan: string): number | null
}

/** One source event, placed among what is known of its object. */
export interface EvaluationInput {
  /** `id` is null for what our own timer says. */
  event: { id: string | null; type: string; created: number; at: string }
  object: Json
  /** The state that the event left behind; null when it is not known. */
  prior: Json | null
  /** Our snapshot from before the event, null when the object was never seen. */
  stored: Json | null
  /** A newer state of the object is known already. */
  isLate: boolean
  memory: Memory
  facts: Facts
  trace?: Trace | undefined
}

/** Hears an evaluation from within, for explanations: `read` gives the value of `part` in `scope`. */
export type Trace = <T>(part: TracedPart, scope: EvaluationScope, read: () => T) => T
/** What an evaluation is made of, from the mapping down to its leaves. */
export type TracedPart =
  | { op: 'mapping'; mapping: Mapping }
  | { op: 'rule'; at: number }
  | { op: 'owed' }
  | { op: 'emission'; type: string }
  | { op: 'field'; name: string }
  | Node
  | When

/** An input on the way through a mapping: the element of a list, the event being emitted. `borrowed`: another object's snapshot is being read, whose memory is not this event's to write. */
export type EvaluationScope = EvaluationInput & {
  item?: Json
  emittedType?: string
  tally?: RefundTally
  isBorrowed?: true
}

/** Reads a part of an evaluation, through the trace where there is one. */
export const tracePart = <T>(part: TracedPart, scope: EvaluationScope, read: () => T): T =>
  scope.trace ? scope.trace(part, scope, read) : read()

/** A shape with every leaf read. */
export function buildShape(shape: Json, scope: EvaluationScope): Json {
  if ('op' in shape) return readValue(shape as Node, scope)
  const fields: Record<string, Json> = {}
  for (const name of Object.keys(shape))
    fields[name] = tracePart({ op: 'field', name }, scope, () => buildShape(shape[name], scope))
  return fields
}

/** Reads one node; absent is null. */
export const readValue = (node: Node, scope: EvaluationScope): Json =>
  // Spelt out, since this is the hot path: `tracePart` would create a closure for every node.
  scope.trace ? scope.trace(node, scope, () => readNode(node, scope)) : readNode(node, scope)

function readNode(node: Node, scope: EvaluationScope): Json {
  switch (node.op) {
    case 'from':
      return readPath(node.scope === 'item' ? scope.item : scope.object, node.keys)
    case 'event':
      return scope.event[node.field]
    case 'emitted':
      return scope.emittedType ?? null
    case 'always':
      return node.value
    case 'firstOf':
      return readFirst(node.of, scope)
    case 'convert':
      return readConversion(node, scope)
    case 'given':
      return readValue(isTrue(node.when, scope) ? node.then : node.otherwise, scope)
    case 'byEvent':
      return readValue((scope.emittedType !== undefined && node.table[scope.emittedType]) || node.otherwise, scope)
    case 'kept':
      return readStored(node, scope)
    case 'user':
      return readUser(node, scope)
    case 'uuid':
      return chooseUuid(node, scope)
    case 'object':
      return buildShape(node.shape, scope)
    case 'each':
      return selectElements(node, scope).map((item) => buildShape(node.shape, { ...scope, item }))
    case 'fold':
      return readFold(node, scope)
    case 'choose':
      return readChosen(node, scope)
    case 'occasion':
      return readOccasion(node, scope)
    case 'tallied':
      return totalRefunded(scope.tally ?? null)
    case 'rank':
      return readRank(node, scope)
    case 'prior':
      return scope.prior === null ? null : readValue(node.of, { ...scope, object: scope.prior })
    default:
      return node satisfies never
  }
}

function readFirst(nodes: readonly Node[], scope: EvaluationScope): Json {
  for (const node of nodes) {
    const present = readValue(node, scope)
    if (present !== null) return present
  }
  return null
}

function readConversion(node: NodeOf<'convert'>, scope: EvaluationScope): Json {
  const values: Json[] = []
  for (const of of node.of) {
    const present = readValue(of, scope)
    if (present === null && !node.nulls) return null
    values.push(present)
  }
  return node.compute(...values) ?? null
}

function readStored(node: NodeOf<'kept'>, scope: EvaluationScope): Json {
  const id = readValue(node.key, scope)
  const found = typeof id === 'string' ? scope.facts.readSnapshot(node.kind, id) : null
  return found === null ? null : readValue(node.of, { ...scope, ...found, prior: null, stored: null, isBorrowed: true })
}

/** Its parts are read in this order: an explanation takes them from the trace by their places. */
function readUser(node: NodeOf<'user'>, scope: EvaluationScope): Json {
  const readFirstOf = (of: readonly Node[]) => asText(readValue({ op: 'firstOf', of }, scope))
  const customer = readValue(node.customer, scope)
  const clientUserId = readFirstOf(node.clientUserId)
  const email = node.field === 'email' ? readFirstOf(node.email) : null
  const floUserId = node.floUserId === null ? null : asText(readValue(node.floUserId, scope))
  return scope.facts.findUser(customer, clientUserId, email, floUserId)[node.field]
}

function readFold(node: NodeOf<'fold'>, scope: EvaluationScope): Json {
  if (!Array.isArray(readValue(node.list, scope))) return null
  const values = selectElements(node, scope).map((item) => readValue(node.of, { ...scope, item }))
  if (node.name === 'sum') return values.includes(null) ? null : sumAmounts(values)
  const present = values.filter((one) => typeof one === 'number')
  return present.length === 0 ? null : Math[node.name](...present)
}

function readChosen(node: NodeOf<'choose'>, scope: EvaluationScope): Json {
  const list = readValue(node.list, scope)
  const item = Array.isArray(list) ? node.choose(list) : null
  return item === null ? null : readValue(node.of, { ...scope, item })
}

function readOccasion({ what, of, mark }: NodeOf<'occasion'>, scope: EvaluationScope): Json {
  if (!mark) return lastOccasionTime(scope.memory, what, scope.event.created)
  return recordOccasion(
    scope.memory,
    what,
    eventIdentity(scope.event),
    of ? digestOf(buildShape(of, scope)) : undefined,
  )
}

function readRank(node: NodeOf<'rank'>, scope: EvaluationScope): number | null {
  const plan = readValue(node.plan, scope)
  return typeof plan === 'string' ? scope.facts.readRank(plan) : null
}

/** The UUID that was sent first stays; the record of a checkout comes before what follows from the id. */
function chooseUuid(node: NodeOf<'uuid'>, scope: EvaluationScope): string {
  const first = scope.memory.uuids[node.kind]
  if (first !== undefined && scope.item === undefined) return first
  const linked = node.linked === null ? null : readValue(node.linked, scope)
  const chosen =
    typeof linked === 'string' ? linked : scope.facts.deriveUuid(node.kind, String(readValue(node.key, scope)))
  if (scope.item === undefined && scope.emittedType !== undefined && !scope.isBorrowed)
    scope.memory.uuids[node.kind] = chosen
  return chosen
}

/** What identifies an event; an event of our own timer is identified by its type. */
export const eventIdentity = ({ id, type, created }: EvaluationInput['event']) => ({ id: id ?? type, type, created })

const asText = (field: Json): string | null =>
  typeof field === 'string' && field !== '' ? field : typeof field === 'number' ? String(field) : null

/** The elements of a list that `where` takes. */
export function selectElements(node: { list: Node; where: When | null }, scope: EvaluationScope): Json[] {
  const list = readValue(node.list, scope)
  if (!Array.isArray(list)) return []
  const { where } = node
  return where ? list.filter((item) => isTrue(where, { ...scope, item })) : list
}

/** Whether a condition is true of an event. */
export const isTrue = (when: When, scope: EvaluationScope, mapping?: Mapping): boolean =>
  scope.trace
    ? scope.trace(when, scope, () => readCondition(when, scope, mapping))
    : readCondition(when, scope, mapping)

function readCondition(when: When, scope: EvaluationScope, mapping?: Mapping): boolean {
  switch (when.op) {
    case 'type':
      return when.types.includes(scope.event.type)
    case 'is': {
      const actual = readValue(when.node, scope)
      return when.values.some((wanted) =>
        wanted === set ? actual !== null : wanted === unset ? actual === null : actual === wanted,
      )
    }
    case 'more':
    case 'same': {
      const [a, b] = [readValue(when.node, scope), readValue(when.than, scope)]
      return a !== null && b !== null && (when.op === 'more' ? isGreater(a, b) : a === b)
    }
    case 'any':
      return when.of.some((of) => isTrue(of, scope, mapping))
    case 'all':
      return when.of.every((of) => isTrue(of, scope, mapping))
    case 'not':
      return !isTrue(when.of, scope, mapping)
    case 'was':
      return scope.prior !== null && isTrue(when.of, { ...scope, object: scope.prior }, mapping)
    case 'became':
      return (
        isTrue(when.of, scope, mapping) &&
        scope.prior !== null &&
        !isTrue(when.of, { ...scope, object: scope.prior }, mapping)
      )
    case 'ceased':
      return (
        !isTrue(when.of, scope, mapping) &&
        scope.prior !== null &&
        isTrue(when.of, { ...scope, object: scope.prior }, mapping)
      )
    case 'stored':
      return scope.stored !== null && isTrue(when.of, { ...scope, object: scope.stored }, mapping)
    case 'changed':
      return (
        scope.prior !== null &&
        !isDeepStrictEqual(buildShape(when.shape, scope), buildShape(when.shape, { ...scope, object: scope.prior }))
      )
    case 'differsFromLast':
      return scope.memory.said[mapping?.name ?? '']?.digest !== digestOf(buildShape(when.shape, scope))
    case 'priorKnown':
      return scope.prior !== null
    case 'memory':
      return scope.memory.flags[when.flag] === true
    case 'some': {
      const list = readValue(when.list, scope)
      return Array.isArray(list) && list.some((item) => isTrue(when.where, { ...scope, item }, mapping))
    }
    default:
      return when satisfies never
  }
}

function readPath(root: Json, keys: readonly string[]): Json {
  let at = root
  for (const key of keys) {
    if (at === null || at === undefined || typeof at !== 'object') return null
    at = at[key]
  }
  return at ?? null
}
