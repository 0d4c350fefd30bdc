import { isDeepStrictEqual } from 'node:util'
import { sumOf } from '../money.ts'
import { digest, emptyMemory, lastMoment, type Memory, momentOf } from './memory.ts'
import { type Kept, type Mapping, MappingError, type Node, set, unset, type When } from './words.ts'

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
  ): { id: string; clientUserId: string | null; email: string | null }
  /** Flo's UUID of a Stripe object. */
  uuid(kind: string, key: string): string
}

/** One source event, placed among what is known of its object. */
export interface Input {
  event: { id: string; type: string; created: number }
  object: Json
  /** The state that the event left behind; null when nobody can tell. */
  prior: Json | null
  /** Our snapshot from before the event, null when the object was never seen. */
  stored: Json | null
  /** A newer state of the object is known already. */
  late: boolean
  memory: Memory
  facts: Facts
}

/** What one mapping says of one source event. */
export type Verdict =
  | { kind: 'emit'; rule: number; emissions: Emission[]; memory: Memory; missing: string[] }
  | { kind: 'ignore'; rule: number; code: string; message: string }
export interface Emission {
  type: string
  /** The business key: one event per key, for ever. */
  key: string
  body: Json
}

type Scope = Input & { item?: Json; emit?: string }

/** Pure: the same input gives the same verdict. Throws MappingError when the event holds what no mapping knows. */
export function evaluate(mapping: Mapping, input: Input): Verdict {
  const memory = structuredClone(input.memory ?? emptyMemory())
  const scope: Scope = { ...input, memory }
  for (const node of mapping.total) value(node, scope)
  const at = mapping.rules.findIndex(({ when }) => !when || holds(when, scope, mapping))
  const rule = mapping.rules[at]
  const owed = mapping.owed && !input.late && holds(mapping.owed.when, scope, mapping) ? mapping.owed : null
  const overtaken = rule && 'emit' in rule && rule.overtakable && input.late
  const types = !rule || !('emit' in rule) || overtaken ? [] : [rule.emit].flat()
  if (!owed && types.length === 0) {
    if (overtaken)
      return {
        kind: 'ignore',
        rule: at,
        code: 'overtaken',
        message: 'A newer state of this object was already normalised.',
      }
    if (rule && 'ignore' in rule) return { kind: 'ignore', rule: at, code: rule.ignore, message: rule.because }
    return { kind: 'ignore', rule: -1, code: 'no_rule', message: 'No rule of the mapping holds for this event.' }
  }
  const missing: string[] = []
  const emissions: Emission[] = []
  const emit = (type: string, key: readonly Node[]) => {
    const emitting = { ...scope, emit: type }
    const parts = key.map((node) => value(node, emitting) ?? '')
    const body = build(mapping.body, emitting)
    emissions.push({
      type,
      key: [type, ...parts].join(':'),
      body: { eventVersion: 'v1', objectType: type.split('.')[0], eventType: type, ...body },
    })
  }
  if (owed) emit(owed.emit, owed.key)
  if (rule && 'emit' in rule) for (const type of types) emit(type, rule.key ?? [{ op: 'event', field: 'id' }])
  if (owed?.remember) memory.flags[owed.remember] = true
  if (rule && 'remember' in rule && rule.remember && types.length > 0) memory.flags[rule.remember] = true
  if (!input.late) memory.said[mapping.name] = digest(build(mapping.news, scope))
  for (const { kind, key } of mapping.waitFor) {
    const id = value(key, scope)
    if (id !== null && input.facts.kept(kind, id) === null) missing.push(`${kind}:${id}`)
  }
  for (const node of usersIn(mapping.body)) {
    const customer = value(node.customer, scope)
    if (customer !== null && value({ ...node, field: 'clientUserId' }, scope) === null)
      missing.push(`client_user_id:${customer}`)
  }
  return { kind: 'emit', rule: at, emissions, memory, missing: [...new Set(missing)] }
}

const usersIn = (shape: Json): Extract<Node, { op: 'user' }>[] =>
  'op' in shape ? (shape.op === 'user' && shape.field === 'id' ? [shape] : []) : Object.values(shape).flatMap(usersIn)

/** A shape with every leaf read. */
export function build(shape: Json, scope: Scope): Json {
  if ('op' in shape) return value(shape as Node, scope)
  const built: Record<string, Json> = {}
  for (const key of Object.keys(shape)) built[key] = build(shape[key], scope)
  return built
}

/** Reads one node; absent is null. */
export function value(node: Node, scope: Scope): Json {
  switch (node.op) {
    case 'from':
      return get(node.scope === 'item' ? scope.item : scope.object, node.keys)
    case 'event':
      return scope.event[node.field]
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
        if (present === null) return null
        values.push(present)
      }
      return node.fn(...values)
    }
    case 'given':
      return value(holds(node.when, scope) ? node.then : node.otherwise, scope)
    case 'byEvent':
      return value((scope.emit !== undefined && node.table[scope.emit]) || node.otherwise, scope)
    case 'kept': {
      const id = value(node.key, scope)
      const found = typeof id === 'string' ? scope.facts.kept(node.kind, id) : null
      return found === null ? null : value(node.of, { ...scope, ...found, prior: null, stored: null })
    }
    case 'user': {
      const first = (nodes: readonly Node[]) => value({ op: 'firstOf', of: nodes }, scope)
      return scope.facts.user(value(node.customer, scope), asText(first(node.told)), asText(first(node.email)))[
        node.field
      ]
    }
    case 'uuid':
      return scope.facts.uuid(node.kind, String(value(node.key, scope)))
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
      return node.mark
        ? momentOf(scope.memory, node.what, scope.event.type, scope.event.created, true)
        : lastMoment(scope.memory, node.what, scope.event.created)
    case 'prior':
      return scope.prior === null ? null : value(node.of, { ...scope, object: scope.prior })
  }
}

const asText = (told: Json): string | null =>
  typeof told === 'string' && told !== '' ? told : typeof told === 'number' ? String(told) : null

function elements(node: { list: Node; where: When | null }, scope: Scope): Json[] {
  const list = value(node.list, scope)
  if (!Array.isArray(list)) return []
  const { where } = node
  return where ? list.filter((item) => holds(where, { ...scope, item })) : list
}

export function holds(when: When, scope: Scope, mapping?: Mapping): boolean {
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
      return a !== null && b !== null && (when.op === 'more' ? a > b : a === b)
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
      return scope.memory.said[mapping?.name ?? ''] !== digest(build(when.shape, scope))
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

/** The emission's body as the contract says it, in the contract's key order; throws `invalid_target` otherwise. */
export function checked(mapping: Mapping, body: Json): Json {
  const parsed = mapping.to.safeParse(body)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new MappingError('invalid_target', `${issue?.path.join('.')}: ${issue?.message}`)
}
