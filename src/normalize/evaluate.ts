import { isDeepStrictEqual } from 'node:util'
import { sumOf } from '../money.ts'
import { digest, lastMoment, type Memory, occasionOf } from './memory.ts'
import { counted, type Tally, totalOf, without } from './tally.ts'
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
  /** The UUID that follows from the source and the id of a Stripe object. */
  uuid(kind: string, key: string): string
  /** What was told as given back of a payment. */
  tally(payment: string): Tally | null
}

/** One source event, placed among what is known of its object. */
export interface Input {
  /** `id` is null for what our own timer says. */
  event: { id: string | null; type: string; created: number }
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
  | {
      kind: 'emit'
      rule: number
      /** Something was owed since an earlier event, beside what the rule says. */
      owed: boolean
      emissions: Emission[]
      memory: Memory
      missing: string[]
      tally: Counted | null
    }
  | { kind: 'ignore'; rule: number; code: string; message: string; missing: string[]; tally: Counted | null }
/** A payment's tally after this event. */
export type Counted = { payment: string; tally: Tally }
export interface Emission {
  type: string
  /** The business key: one event per key, for ever. */
  key: string
  body: Json
}

/** `borrowed`: another object's snapshot is being read, whose memory is not this event's to write. */
type Scope = Input & { item?: Json; emit?: string; tally?: Tally; borrowed?: true }

/** Pure: the same input gives the same verdict. Throws MappingError when the event holds what no mapping knows. */
export function evaluate(mapping: Mapping, input: Input): Verdict {
  const memory = structuredClone(input.memory)
  const scope: Scope = { ...input, memory }
  for (const node of mapping.total) value(node, scope)
  const at = mapping.rules.findIndex(({ when }) => !when || holds(when, scope, mapping))
  const rule = mapping.rules[at]
  const owed = mapping.owed && !input.late && holds(mapping.owed.when, scope, mapping) ? mapping.owed : null
  const ignore = (code: string, message: string, missing: string[] = []): Verdict => ({
    kind: 'ignore',
    rule: at,
    code,
    message,
    missing,
    tally: rule && 'ignore' in rule && rule.uncount ? uncounted(rule.uncount, scope) : null,
  })
  if (!owed && !rule) return ignore('no_rule', 'No rule of the mapping holds for this event.')
  if (!owed && rule && 'ignore' in rule)
    return ignore(rule.ignore, rule.because, rule.afterWaiting ? factsMissing(mapping, scope) : [])
  let speaking = rule && 'emit' in rule ? rule : null
  if (speaking?.overtakable && input.late) {
    if (!owed) return ignore('overtaken', 'A newer state of this object was already normalised.')
    speaking = null
  }
  const counted = speaking?.once ? share(speaking.once, scope) : null
  if (counted && !counted.fresh)
    return ignore('already_emitted', 'Another event of the source told the same refund before.')
  if (counted) scope.tally = counted.tally

  const emissions = [
    ...(owed ? [emission(mapping, owed.emit, owed.key, scope)] : []),
    ...(speaking ? emissionsOf(mapping, speaking, scope) : []),
  ]
  if (emissions.length === 0)
    return ignore('nothing_to_tell', 'The rule holds, but none of the lines is of the kind that it tells.')
  if (owed?.remember) memory.flags[owed.remember] = true
  if (speaking?.remember) memory.flags[speaking.remember] = true
  if (!input.late) memory.said[mapping.name] = digest(build(mapping.news, scope))
  const missing = missingOf(mapping, scope)
  return { kind: 'emit', rule: at, owed: owed !== null, emissions, memory, missing, tally: counted }
}

type Speaking = Extract<Mapping['rules'][number], { emit: unknown }>

function emissionsOf(mapping: Mapping, rule: Speaking, scope: Scope): Emission[] {
  const key = rule.key ?? [{ op: 'event', field: 'id' } as const]
  const scopes = rule.each ? elements(rule.each, scope).map((item) => ({ ...scope, item })) : [scope]
  return scopes.flatMap((one) => [rule.emit].flat().map((type) => emission(mapping, type, key, one)))
}

function emission(mapping: Mapping, type: string, key: readonly Node[], scope: Scope): Emission {
  const emitting = { ...scope, emit: type }
  const parts = key.map((node) => value(node, emitting)).filter((part) => part !== null)
  const body = build(mapping.body, emitting)
  return {
    type,
    key: [type, ...parts].join(':'),
    body: { eventVersion: 'v1', objectType: type.split('.')[0], eventType: type, ...body },
  }
}

function share(once: NonNullable<Speaking['once']>, scope: Scope): (Counted & { fresh: boolean }) | null {
  const payment = once.per.map((node) => value(node, scope)).find((id) => typeof id === 'string')
  if (payment === undefined) return null
  const told = { id: value(once.id, scope), upTo: value(once.upTo, scope), amount: value(once.amount, scope) }
  return { payment, ...counted(scope.facts.tally(payment), told) }
}

function uncounted({ per, id }: { per: readonly Node[]; id: Node }, scope: Scope): Counted | null {
  const payment: string | undefined = per.map((node) => value(node, scope)).find((one) => typeof one === 'string')
  const tally = payment === undefined ? null : scope.facts.tally(payment)
  return payment !== undefined && tally ? { payment, tally: without(tally, value(id, scope)) } : null
}

const factsMissing = (mapping: Mapping, scope: Scope): string[] =>
  mapping.waitFor
    .filter(({ unless }) => !holds(unless, scope, mapping))
    .map(({ fact, key }) => `${fact}:${value(key, scope)}`)

function missingOf(mapping: Mapping, scope: Scope): string[] {
  const missing = factsMissing(mapping, scope)
  for (const node of usersIn(mapping.body)) {
    const customer = value(node.customer, scope)
    if (customer !== null && value({ ...node, field: 'clientUserId' }, scope) === null)
      missing.push(`client_user_id:${customer}`)
  }
  return [...new Set(missing)]
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
      return scope.facts.user(value(node.customer, scope), asText(first(node.told)), asText(first(node.email)))[
        node.field
      ]
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

const named = ({ id, type, created }: Input['event']) => ({ id: id ?? type, type, created })

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
