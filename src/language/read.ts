import { isDeepStrictEqual } from 'node:util'
import type { Json } from '../domain/json.ts'
import { isGreater, sumAmounts } from '../domain/money.ts'
import {
  type Mapping,
  MappingError,
  type Node,
  type NodeOf,
  type ObjectKind,
  set,
  unset,
  type When,
} from './mapping.ts'
import { memoizeByKey } from './memoized.ts'
import { digestOf, lastOccasionTime, type Memory, recordOccasion } from './memory.ts'
import { type CountedShare, type RefundTally, refundedOf } from './refund-tally.ts'
import { isIdText, kindOf, placeOf, placesOf, UnreadableError } from './unreadable.ts'

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
  /** What was refunded so far of a payment, or of a purchase with all of its payments. */
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
  /** The list that the item is an element of. */
  itemOf?: Node
  /** What could not be read for a body, which has null there. */
  unreadable?: UnreadableError[]
  emittedType?: string
  counted?: CountedShare
  isBorrowed?: true
}

/** Reads a part of an evaluation, through the trace where there is one. */
export const tracePart = <T>(part: TracedPart, scope: EvaluationScope, read: () => T): T =>
  scope.trace ? scope.trace(part, scope, read) : read()

/** A shape with every leaf read; one that cannot be read is null. `at` is where the shape stands in a body. */
export function buildShape(shape: Json, scope: EvaluationScope, at = ''): Json {
  if ('op' in shape) return readLeaf(shape as Node, scope, at)
  const fields: Record<string, Json> = {}
  for (const name of Object.keys(shape))
    fields[name] = tracePart({ op: 'field', name }, scope, () => buildShape(shape[name], scope, `${at}.${name}`))
  return fields
}

function readLeaf(node: Node, scope: EvaluationScope, at: string): Json {
  try {
    return readValue(node, scope)
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error
    error.at = at
    scope.unreadable?.push(error)
    return null
  }
}

/** Reads what an event may do without: what cannot be read is null. */
export function readIfReadable(node: Node, scope: EvaluationScope): Json {
  try {
    return readValue(node, scope)
  } catch (error) {
    if (error instanceof MappingError) return null
    throw error
  }
}

/** Whether a condition is true; one that cannot be read is not. */
export function isReadablyTrue(when: When, scope: EvaluationScope, mapping?: Mapping): boolean {
  try {
    return isTrue(when, scope, mapping)
  } catch (error) {
    if (error instanceof MappingError) return false
    throw error
  }
}

/** Where in the event a node is read. */
const findPlace = (node: Node, scope: EvaluationScope) => placeOf(node, { ...scope, trace: undefined }, readNode)

/** A value that cannot be read, with the place where it stands. */
const unreadable = (node: Node, scope: EvaluationScope, message: string) =>
  new UnreadableError(findPlace(node, scope), message)

/** Reads something that names an object or a user: a text, or null. */
export function readId(node: Node, scope: EvaluationScope): string | null {
  const id = readValue(node, scope)
  if (id === null || isIdText(id)) return id
  throw unreadable(node, scope, `${kindOf(id)} is no id`)
}

/** Reads a whole number of minor units, or null. */
export function readMinorUnits(node: Node, scope: EvaluationScope): number | null {
  const amount = readValue(node, scope)
  if (amount === null || Number.isSafeInteger(amount)) return amount
  throw unreadable(node, scope, `${kindOf(amount)} is no amount`)
}

/** Reads one node; absent is null. */
export const readValue = (node: Node, scope: EvaluationScope): Json =>
  // Spelt out, since this is the hot path: `tracePart` would create a closure for every node.
  scope.trace ? scope.trace(node, scope, () => readNode(node, scope)) : readNode(node, scope)

function readNode(node: Node, scope: EvaluationScope): Json {
  switch (node.op) {
    case 'from':
      return readPath(node, scope)
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
      return selectElements(node, scope).map((item) => buildShape(node.shape, { ...scope, item, itemOf: node.list }))
    case 'fold':
      return readFold(node, scope)
    case 'choose':
      return readChosen(node, scope)
    case 'occasion':
      return readOccasion(node, scope)
    case 'tallied':
      return scope.counted ? refundedOf(scope.counted, node.line && readValue(node.line, scope)) : 0
    case 'rank':
      return readRank(node, scope)
    case 'prior':
      return scope.prior === null ? null : readIfReadable(node.of, { ...scope, object: scope.prior })
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
  return computeOrRefuse(node, scope, () => node.compute(...values)) ?? null
}

/** What a computation makes of values, of which some may be none that it can read. */
function computeOrRefuse<T>(node: Node, scope: EvaluationScope, compute: () => T): T {
  try {
    return compute()
  } catch (error) {
    if (error instanceof MappingError) throw error
    throw refusalOf(node, scope)
  }
}

/** That a computation could not read its values: which they are, and of what kind. */
function refusalOf(node: Node, scope: EvaluationScope): UnreadableError {
  const parts = 'list' in node ? [node.list] : 'of' in node ? [node.of].flat() : [node]
  const untraced = { ...scope, trace: undefined }
  const values = (parts as Node[]).map((part) => {
    const [place = 'a constant'] = placesOf(part, untraced, readNode)
    return `${place} is ${kindOf(readIfReadable(part, untraced))}`
  })
  const name = 'name' in node ? node.name : node.op
  return unreadable(node, scope, `cannot be read by “${name}”: ${values.join(', ')}`)
}

function readStored(node: NodeOf<'kept'>, scope: EvaluationScope): Json {
  const id = readValue(node.key, scope)
  const found = typeof id === 'string' ? scope.facts.readSnapshot(node.kind, id) : null
  // What another event has brought and nobody can read is no fault of this one.
  return found === null
    ? null
    : readIfReadable(node.of, { ...scope, ...found, prior: null, stored: null, isBorrowed: true })
}

/** Its parts are read in this order: an explanation takes them from the trace by their places. */
function readUser(node: NodeOf<'user'>, scope: EvaluationScope): Json {
  const readFirstOf = (of: readonly Node[]) => asText(readValue({ op: 'firstOf', of }, scope))
  const customer = readId(node.customer, scope)
  const clientUserId = readFirstOf(node.clientUserId)
  if (clientUserId !== null && !isIdText(clientUserId))
    throw unreadable({ op: 'firstOf', of: node.clientUserId }, scope, `${kindOf(clientUserId)} is no id of a user`)
  const email = node.field === 'email' ? readFirstOf(node.email) : null
  const floUserId = node.floUserId === null ? null : asText(readValue(node.floUserId, scope))
  return scope.facts.findUser(customer, clientUserId, email, floUserId)[node.field]
}

function readFold(node: NodeOf<'fold'>, scope: EvaluationScope): Json {
  if (!Array.isArray(readValue(node.list, scope))) return null
  const values = selectElements(node, scope).map((item) => readValue(node.of, { ...scope, item, itemOf: node.list }))
  if (node.name === 'sum') return values.includes(null) ? null : computeOrRefuse(node, scope, () => sumAmounts(values))
  const present = values.filter((one) => typeof one === 'number')
  return present.length === 0 ? null : Math[node.name](...present)
}

function readChosen(node: NodeOf<'choose'>, scope: EvaluationScope): Json {
  const list = readList(node.list, scope)
  const item = list ? computeOrRefuse(node, scope, () => node.choose(list)) : null
  return item === null ? null : readValue(node.of, { ...scope, item, itemOf: node.list })
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
    typeof linked === 'string' ? linked : scope.facts.deriveUuid(node.kind, String(readId(node.key, scope)))
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
  const list = readList(node.list, scope)
  if (!list) return []
  const { where, list: itemOf } = node
  return where ? list.filter((item) => isTrue(where, { ...scope, item, itemOf })) : list
}

/** Where a list holds what is no element, -1 where it does not: it is asked again for every element. */
const findHole = memoizeByKey((list: Json[]) =>
  list.findIndex((one) => typeof one !== 'string' && (typeof one !== 'object' || one === null)),
)

/** A list of objects or of ids, null when it is absent. */
function readList(node: Node, scope: EvaluationScope): Json[] | null {
  const list = readValue(node, scope)
  if (list === null) return null
  if (!Array.isArray(list)) throw unreadable(node, scope, `${kindOf(list)} is no list`)
  const hole = findHole(list)
  if (hole < 0) return list
  throw new UnreadableError(`${findPlace(node, scope)}.${hole}`, `${kindOf(list[hole])} is no element of a list`)
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
      if (a === null || b === null) return false
      return when.op === 'more' ? computeOrRefuse(when.node, scope, () => isGreater(a, b)) : a === b
    }
    case 'any':
      return when.of.some((of) => isTrue(of, scope, mapping))
    case 'all':
      return when.of.every((of) => isTrue(of, scope, mapping))
    case 'not':
      return !isTrue(when.of, scope, mapping)
    case 'was':
      return scope.prior !== null && isReadablyTrue(when.of, { ...scope, object: scope.prior }, mapping)
    case 'became':
      return (
        isTrue(when.of, scope, mapping) &&
        scope.prior !== null &&
        !isReadablyTrue(when.of, { ...scope, object: scope.prior }, mapping)
      )
    case 'ceased':
      return (
        !isTrue(when.of, scope, mapping) &&
        scope.prior !== null &&
        isReadablyTrue(when.of, { ...scope, object: scope.prior }, mapping)
      )
    case 'stored':
      return scope.stored !== null && isReadablyTrue(when.of, { ...scope, object: scope.stored }, mapping)
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
      const list = readList(when.list, scope)
      return !!list?.some((item) => isTrue(when.where, { ...scope, item, itemOf: when.list }, mapping))
    }
    default:
      return when satisfies never
  }
}

function readPath(node: NodeOf<'from'>, scope: EvaluationScope): Json {
  let at = node.scope === 'item' ? scope.item : scope.object
  for (const key of node.keys) {
    if (at === null || at === undefined) return null
    // Below a text or number there is nothing to read: an id that was not expanded. A list is never one.
    if (typeof at !== 'object') {
      if (key !== 'data') return null
      throw new UnreadableError(findPlace(node, scope), `stands below ${kindOf(at)} instead of a list`)
    }
    at = at[key]
  }
  return at ?? null
}
