import { type Mapping, MappingError, type Node } from './mapping.ts'
import { onceFor } from './memoized.ts'
import { copyOf, digest, type Memory, type Moment, occasionOf } from './memory.ts'
import { build, elements, heard, holds, type Input, named, type Scope, value } from './read.ts'
import { counted, failed, type Share, type Tally } from './refund-tally.ts'

type Json = any

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
  | {
      kind: 'ignore'
      rule: number
      code: string
      message: string
      missing: string[]
      tally: Counted | null
      /** With what was seen, where the rule asks for it. */
      memory: Memory | null
    }
/** A payment's tally after this event. */
export type Counted = { payment: string; tally: Tally }
/** An event that a mapping wants to be told. */
export interface Emission {
  type: string
  /** The business key: one event per key, for ever. */
  key: string
  /** Whose keys it is one of. */
  per: 'source' | 'client'
  userId: string | null
  body: Json
}

/** A business key as it is stored: a client's keys begin with whose they are. */
export const storedKey = ({ key, per }: Pick<Emission, 'key' | 'per'>, clientId: string, sourceId: string): string =>
  `${per === 'client' ? clientId : sourceId}:${key}`

/** When the event's state was, and whether this mapping has told a later one. */
export interface Turn {
  moment: Moment
  overtaken: boolean
}

/** Pure: the same input gives the same verdict. Throws MappingError when the event holds what no mapping knows. */
export function evaluate(mapping: Mapping, input: Input, turn: Turn): Verdict {
  const memory = copyOf(input.memory)
  const scope: Scope = { ...input, memory }
  return heard({ op: 'mapping', mapping }, scope, () => verdict(mapping, scope, memory, turn))
}

function verdict(mapping: Mapping, scope: Scope, memory: Memory, { moment, overtaken }: Turn): Verdict {
  for (const node of mapping.total) value(node, scope)
  const at = mapping.rules.findIndex(({ when }, at) =>
    heard({ op: 'rule', at }, scope, () => !when || holds(when, scope, mapping)),
  )
  const rule = mapping.rules[at]
  const owed = mapping.owed && !scope.late && isOwed(mapping.owed, scope, mapping) ? mapping.owed : null
  const ignore = (code: string, message: string, missing: string[] = []): Verdict => ({
    kind: 'ignore',
    rule: at,
    code,
    message,
    missing,
    tally: rule && 'ignore' in rule && rule.note ? noted(rule.note, scope) : null,
    memory: rule && 'ignore' in rule && rule.sees !== undefined ? seen(rule.sees, scope) : null,
  })
  if (!owed && !rule) return ignore('no_rule', 'No rule of the mapping holds for this event.')
  if (!owed && rule && 'ignore' in rule)
    return ignore(rule.ignore, rule.because, rule.afterWaiting ? factsMissing(mapping, scope) : [])
  let speaking = rule && 'emit' in rule ? rule : null
  if (speaking?.overtakable && overtaken) {
    if (!owed) return ignore('overtaken', 'A newer state of this object was already told.')
    speaking = null
  }
  const counted = speaking?.once ? share(speaking.once, scope) : null
  if (counted && !counted.fresh)
    return ignore('already_emitted', 'Another event of the source told the same refund before.')
  if (counted) scope.tally = counted.tally

  const emissions = [
    ...(owed ? [emission(mapping, owed.emit, { key: owed.key }, scope)] : []),
    ...(speaking ? emissionsOf(mapping, speaking, scope) : []),
  ]
  if (emissions.length === 0)
    return ignore('nothing_to_tell', 'The rule holds, but none of the lines is of the kind that it tells.')
  if (owed?.remember) memory.flags[owed.remember] = true
  if (speaking?.remember) memory.flags[speaking.remember] = true
  if (!overtaken) memory.said[mapping.name] = { ...moment, digest: digest(build(mapping.news, scope)) }
  const missing = missingOf(mapping, scope)
  return { kind: 'emit', rule: at, owed: owed !== null, emissions, memory, missing, tally: counted }
}

const isOwed = ({ when }: NonNullable<Mapping['owed']>, scope: Scope, mapping: Mapping): boolean =>
  heard({ op: 'owed' }, scope, () => holds(when, scope, mapping))

type Speaking = Extract<Mapping['rules'][number], { emit: unknown }>

function emissionsOf(mapping: Mapping, rule: Speaking, scope: Scope): Emission[] {
  const scopes = rule.each ? elements(rule.each, scope).map((item) => ({ ...scope, item })) : [scope]
  return scopes.flatMap((one) => [rule.emit].flat().map((type) => emission(mapping, type, rule, one)))
}

type Keyed = Pick<Speaking, 'key' | 'acrossSources'>

function emission(mapping: Mapping, type: string, keyed: Keyed, scope: Scope): Emission {
  return heard({ op: 'emission', type }, scope, () => emitted(mapping, type, keyed, { ...scope, emit: type }))
}

const EVENT_ID: readonly Node[] = [{ op: 'event', field: 'id' }]

function emitted(mapping: Mapping, type: string, { key = EVENT_ID, acrossSources }: Keyed, emitting: Scope): Emission {
  const parts = key.map((node) => value(node, emitting)).filter((part) => part !== null)
  return {
    type,
    key: [type, ...parts].join(':'),
    per: acrossSources ? 'client' : 'source',
    userId: value(mapping.user.id, emitting),
    body: build(mapping.body, emitting),
  }
}

/** The memory with this event as an occasion that was seen. */
function seen(what: string, { memory, event }: Scope): Memory {
  occasionOf(memory, what, named(event))
  return memory
}

function share(once: NonNullable<Speaking['once']>, scope: Scope): (Counted & { fresh: boolean }) | null {
  const payment = once.per.map((node) => value(node, scope)).find((id) => typeof id === 'string')
  if (payment === undefined) return null
  const told = { id: value(once.id, scope), upTo: value(once.upTo, scope), amount: value(once.amount, scope) }
  return { payment, ...counted(scope.facts.tally(payment), told) }
}

type Note = NonNullable<Extract<Mapping['rules'][number], { ignore: unknown }>['note']>

function noted({ as, per, id, amount }: Note, scope: Scope): Counted | null {
  const payment: string | undefined = per.map((node) => value(node, scope)).find((one) => typeof one === 'string')
  if (payment === undefined) return null
  const tally = scope.facts.tally(payment)
  const share: Share = { id: value(id, scope), upTo: null, amount: value(amount, scope) }
  return { payment, tally: as === 'failed' ? failed(tally, share) : counted(tally, { ...share, pending: true }).tally }
}

const factsMissing = (mapping: Mapping, scope: Scope): string[] =>
  mapping.waitFor
    .filter(({ unless }) => !holds(unless, scope, mapping))
    .map(({ fact, key }) => `${fact}:${value(key, scope)}`)

function missingOf(mapping: Mapping, scope: Scope): string[] {
  const missing = factsMissing(mapping, scope)
  for (const node of usersOf(mapping)) {
    const customer = value(node.customer, scope)
    if (customer !== null && value(node, scope) === null) missing.push(`client_user_id:${customer}`)
  }
  return [...new Set(missing)]
}

/** The users whose clientUserId a mapping's bodies show. */
const usersOf = onceFor((mapping: Mapping) => usersIn(mapping.body))

const usersIn = (shape: Json): Extract<Node, { op: 'user' }>[] =>
  'op' in shape
    ? shape.op === 'user' && shape.field === 'clientUserId'
      ? [shape]
      : []
    : Object.values(shape).flatMap(usersIn)

/** The emission's body as the contract says it, in the contract's key order; throws `invalid_target` otherwise. */
export function checked(mapping: Mapping, body: Json): Json {
  const parsed = mapping.to.safeParse(body)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new MappingError('invalid_target', `${issue?.path.join('.')}: ${issue?.message}`)
}
