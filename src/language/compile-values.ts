import type { Json } from '../domain/json.ts'
import { compileChosen, compileEach, compileFold } from './compile-lists.ts'
import { type CompiledNode, type Compiler, findPlace, readOrNull, refusalFrom, unreadableAt } from './compiler.ts'
import type { Node, NodeOf } from './mapping.ts'
import { digestOf, lastOccasionTime, recordOccasion } from './memory.ts'
import { refundedOf } from './refund-tally.ts'
import { type EvaluationScope, eventIdentity, scopeOfState } from './scope.ts'
import { isIdText, kindOf, UnreadableError } from './unreadable.ts'

/** The function of a node, by its kind. */
export function compileNode(node: Node, compiler: Compiler): CompiledNode {
  switch (node.op) {
    case 'from':
      return compilePath(node, compiler)
    case 'event': {
      const { field } = node
      return (scope) => scope.event[field]
    }
    case 'emitted':
      return (scope) => scope.emittedType ?? null
    case 'always': {
      const { value } = node
      return () => value
    }
    case 'firstOf':
      return compileFirst(node.of, compiler)
    case 'convert':
      return compileConversion(node, compiler)
    case 'given':
      return compileGiven(node, compiler)
    case 'byEvent':
      return compileByEvent(node, compiler)
    case 'kept':
      return compileStored(node, compiler)
    case 'user':
      return compileUser(node, compiler)
    case 'uuid':
      return compileUuid(node, compiler)
    case 'object':
      return compiler.compileShape(node.shape)
    case 'each':
      return compileEach(node, compiler)
    case 'fold':
      return compileFold(node, compiler)
    case 'choose':
      return compileChosen(node, compiler)
    case 'occasion':
      return compileOccasion(node, compiler)
    case 'tallied':
      return compileTallied(node, compiler)
    case 'rank':
      return compileRank(node, compiler)
    case 'prior':
      return compilePrior(node, compiler)
    default:
      return node satisfies never
  }
}

function compilePath(node: NodeOf<'from'>, compiler: Compiler): CompiledNode {
  const { keys } = node
  const start: CompiledNode = node.scope === 'item' ? (scope) => scope.item : (scope) => scope.object
  const [only] = keys
  const readBelow = (value: Json, key: string, scope: EvaluationScope): Json => {
    // Below a text or number there is nothing to read: an id that was not expanded. A list is never one.
    if (typeof value === 'object') return value[key]
    if (key !== 'data') return null
    throw new UnreadableError(findPlace({ node, compiler }, scope), `stands below ${kindOf(value)} instead of a list`)
  }
  if (only !== undefined && keys.length === 1)
    return (scope) => {
      const value = start(scope)
      return value === null || value === undefined ? null : (readBelow(value, only, scope) ?? null)
    }
  return (scope) => {
    let at = start(scope)
    for (const key of keys) {
      if (at === null || at === undefined) return null
      at = readBelow(at, key, scope)
    }
    return at ?? null
  }
}

function compileFirst(nodes: readonly Node[], compiler: Compiler): CompiledNode {
  const readers = nodes.map(compiler.compileValue)
  return (scope) => {
    for (const read of readers) {
      const present = read(scope)
      if (present !== null) return present
    }
    return null
  }
}

function compileConversion(node: NodeOf<'convert'>, compiler: Compiler): CompiledNode {
  const { compute, nulls = false } = node
  const refusing = { node, compiler }
  const readers = node.of.map(compiler.compileValue)
  const [readOnly] = readers
  if (readOnly && readers.length === 1)
    return (scope) => {
      const value = readOnly(scope)
      if (value === null && !nulls) return null
      try {
        return compute(value) ?? null
      } catch (error) {
        throw refusalFrom(error, refusing, scope)
      }
    }
  return (scope) => {
    const values: Json[] = []
    for (const read of readers) {
      const present = read(scope)
      if (present === null && !nulls) return null
      values.push(present)
    }
    try {
      return compute(...values) ?? null
    } catch (error) {
      throw refusalFrom(error, refusing, scope)
    }
  }
}

function compileGiven({ when, then, otherwise }: NodeOf<'given'>, compiler: Compiler): CompiledNode {
  const holds = compiler.compileCondition(when)
  const [readThen, readOtherwise] = [compiler.compileValue(then), compiler.compileValue(otherwise)]
  return (scope) => (holds(scope) ? readThen(scope) : readOtherwise(scope))
}

function compileByEvent({ table, otherwise }: NodeOf<'byEvent'>, compiler: Compiler): CompiledNode {
  const readers = new Map(Object.entries(table).map(([type, node]) => [type, compiler.compileValue(node)]))
  const readOtherwise = compiler.compileValue(otherwise)
  return (scope) => ((scope.emittedType !== undefined && readers.get(scope.emittedType)) || readOtherwise)(scope)
}

function compileStored({ kind, key, of }: NodeOf<'kept'>, compiler: Compiler): CompiledNode {
  const [readKey, readOf] = [compiler.compileValue(key), compiler.compileValue(of)]
  return (scope) => {
    const id = readKey(scope)
    const found = typeof id === 'string' ? scope.facts.readSnapshot(kind, id) : null
    if (found === null) return null
    const { object, memory } = found
    // What another event has brought and nobody can read is no fault of this one.
    return readOrNull(() =>
      readOf({ ...scope, object, memory, prior: null, stored: null, isBorrowed: true, readings: undefined }),
    )
  }
}

/** Its parts are read in this order: an explanation takes them from the trace by their places. */
function compileUser(node: NodeOf<'user'>, compiler: Compiler): CompiledNode {
  const compileFirstOf = (of: readonly Node[]) => compiler.compileValue({ op: 'firstOf', of })
  const readCustomer = compileId(node.customer, compiler)
  const claimed: Node = { op: 'firstOf', of: node.clientUserId }
  const readClientUserId = compiler.compileValue(claimed)
  const readEmail = node.field === 'email' ? compileFirstOf(node.email) : () => null
  const readFloUserId = node.floUserId === null ? () => null : compiler.compileValue(node.floUserId)
  const { field } = node
  return (scope) => {
    const customer = readCustomer(scope)
    const clientUserId = asText(readClientUserId(scope))
    if (clientUserId !== null && !isIdText(clientUserId))
      throw unreadableAt({ node: claimed, compiler }, scope, `${kindOf(clientUserId)} is no id of a user`)
    const email = asText(readEmail(scope))
    const floUserId = asText(readFloUserId(scope))
    return scope.facts.findUser(customer, clientUserId, email, floUserId)[field]
  }
}

const asText = (field: Json): string | null =>
  typeof field === 'string' && field !== '' ? field : typeof field === 'number' ? String(field) : null

/** Something that names an object or a user: a text, or null. */
export function compileId(node: Node, compiler: Compiler): (scope: EvaluationScope) => string | null {
  const read = compiler.compileValue(node)
  return (scope) => {
    const id = read(scope)
    if (id === null || isIdText(id)) return id
    throw unreadableAt({ node, compiler }, scope, `${kindOf(id)} is no id`)
  }
}

/** The UUID that was sent first stays; the record of a checkout comes before what follows from the id. */
function compileUuid({ kind, key, linked }: NodeOf<'uuid'>, compiler: Compiler): CompiledNode {
  const readLinked = linked === null ? () => null : compiler.compileValue(linked)
  const readKey = compileId(key, compiler)
  return (scope) => {
    const { memory, item } = scope
    const first = memory.uuids[kind]
    if (first !== undefined && item === undefined) return first
    const given = readLinked(scope)
    const chosen = typeof given === 'string' ? given : scope.facts.deriveUuid(kind, String(readKey(scope)))
    if (item === undefined && scope.emittedType !== undefined && !scope.isBorrowed) memory.uuids[kind] = chosen
    return chosen
  }
}

function compileOccasion({ what, of, mark }: NodeOf<'occasion'>, compiler: Compiler): CompiledNode {
  if (!mark) return ({ memory, event }) => lastOccasionTime(memory, what, event.created)
  const readShown = of && compiler.compileShape(of)
  return (scope) => {
    const digest = readShown ? digestOf(readShown(scope)) : undefined
    return recordOccasion(scope.memory, what, eventIdentity(scope.event), digest)
  }
}

function compileTallied({ line }: NodeOf<'tallied'>, compiler: Compiler): CompiledNode {
  const readLine = line ? compiler.compileValue(line) : () => null
  return (scope) => (scope.counted ? refundedOf(scope.counted, readLine(scope)) : 0)
}

function compileRank({ plan }: NodeOf<'rank'>, compiler: Compiler): CompiledNode {
  const readPlan = compiler.compileValue(plan)
  return (scope) => {
    const id = readPlan(scope)
    return typeof id === 'string' ? scope.facts.readRank(id) : null
  }
}

function compilePrior({ of }: NodeOf<'prior'>, compiler: Compiler): CompiledNode {
  const read = compiler.compileValue(of)
  return (scope) => (scope.prior === null ? null : readOrNull(() => read(scopeOfState(scope, 'prior'))))
}
