import type { Json } from '../domain/json.ts'
import { type Mapping, MappingError, type Node } from './mapping.ts'
import { memoizeByKey } from './memoized.ts'
import { copyMemory, digestOf, type Memory, type ObservationTime, recordOccasion } from './memory.ts'
import {
  buildShape,
  type EvaluationInput,
  type EvaluationScope,
  eventIdentity,
  isTrue,
  readValue,
  selectElements,
  tracePart,
} from './read.ts'
import { countShare, type RefundShare, type RefundTally, withdrawShare } from './refund-tally.ts'

/** What one mapping says of one source event. */
export type Verdict =
  | {
      kind: 'emit'
      rule: number
      /** Something was owed since an earlier event, beside what the rule says. */
      owed: boolean
      drafts: EventDraft[]
      memory: Memory
      missing: string[]
      tally: TallyUpdate | null
    }
  | {
      kind: 'ignore'
      rule: number
      code: string
      message: string
      missing: string[]
      tally: TallyUpdate | null
      /** With what was seen, where the rule asks for it. */
      memory: Memory | null
    }
/** A payment's tally after this event. */
export type TallyUpdate = { payment: string; tally: RefundTally }
/** An event that a mapping wants to send. */
export interface EventDraft {
  type: string
  /** The business key: one event per key, for ever. */
  key: string
  /** Whose keys it is one of. */
  keyOwner: 'source' | 'client'
  userId: string | null
  body: Json
}

/** A business key as it is stored: a client's keys begin with whose they are. */
export const storedKey = (
  { key, keyOwner }: Pick<EventDraft, 'key' | 'keyOwner'>,
  clientId: string,
  sourceId: string,
): string => `${keyOwner === 'client' ? clientId : sourceId}:${key}`

/** When the event's state was, and whether this mapping has sent a later one. */
export interface EventOrder {
  observedAt: ObservationTime
  isOvertaken: boolean
}

/** Pure: the same input gives the same verdict. Throws MappingError when the event holds what no mapping knows. */
export function evaluateMapping(mapping: Mapping, input: EvaluationInput, turn: EventOrder): Verdict {
  const memory = copyMemory(input.memory)
  const scope: EvaluationScope = { ...input, memory }
  return tracePart({ op: 'mapping', mapping }, scope, () => decideVerdict(mapping, scope, memory, turn))
}

function decideVerdict(
  mapping: Mapping,
  scope: EvaluationScope,
  memory: Memory,
  { observedAt: moment, isOvertaken: overtaken }: EventOrder,
): Verdict {
  for (const node of mapping.total) readValue(node, scope)
  const at = mapping.rules.findIndex(({ when }, at) =>
    tracePart({ op: 'rule', at }, scope, () => !when || isTrue(when, scope, mapping)),
  )
  const rule = mapping.rules[at]
  const owed = mapping.owed && !scope.isLate && isEmissionOwed(mapping.owed, scope, mapping) ? mapping.owed : null
  const ignoreWith = (code: string, message: string, missing: string[] = []): Verdict => ({
    kind: 'ignore',
    rule: at,
    code,
    message,
    missing,
    tally: rule && 'ignore' in rule && rule.note ? noteRefund(rule.note, scope) : null,
    memory: rule && 'ignore' in rule && rule.sees !== undefined ? recordSeen(rule.sees, scope) : null,
  })
  if (!owed && !rule) return ignoreWith('no_rule', 'No rule of the mapping holds for this event.')
  if (!owed && rule && 'ignore' in rule)
    return ignoreWith(rule.ignore, rule.because, rule.afterWaiting ? missingFacts(mapping, scope) : [])
  let emitRule = rule && 'emit' in rule ? rule : null
  if (emitRule?.overtakable && overtaken) {
    if (!owed) return ignoreWith('overtaken', 'A newer state of this object was already sent.')
    emitRule = null
  }
  const counted = emitRule?.once ? countRefund(emitRule.once, scope) : null
  if (counted && !counted.isNew)
    return ignoreWith('already_emitted', 'Another event of the source reported the same refund before.')
  if (counted) scope.tally = counted.tally

  const emissions = [
    ...(owed ? [draftEvent(mapping, owed.emit, { key: owed.key }, scope)] : []),
    ...(emitRule ? draftEvents(mapping, emitRule, scope) : []),
  ]
  if (emissions.length === 0)
    return ignoreWith('nothing_to_tell', 'The rule holds, but none of the lines is of the kind that it tells.')
  if (owed?.remember) memory.flags[owed.remember] = true
  if (emitRule?.remember) memory.flags[emitRule.remember] = true
  if (!overtaken) memory.said[mapping.name] = { ...moment, digest: digestOf(buildShape(mapping.news, scope)) }
  const missing = allMissingFacts(mapping, scope)
  return { kind: 'emit', rule: at, owed: owed !== null, drafts: emissions, memory, missing, tally: counted }
}

const isEmissionOwed = ({ when }: NonNullable<Mapping['owed']>, scope: EvaluationScope, mapping: Mapping): boolean =>
  tracePart({ op: 'owed' }, scope, () => isTrue(when, scope, mapping))

type EmitRule = Extract<Mapping['rules'][number], { emit: unknown }>

function draftEvents(mapping: Mapping, rule: EmitRule, scope: EvaluationScope): EventDraft[] {
  const scopes = rule.each ? selectElements(rule.each, scope).map((item) => ({ ...scope, item })) : [scope]
  return scopes.flatMap((one) => [rule.emit].flat().map((type) => draftEvent(mapping, type, rule, one)))
}

type BusinessKeyRule = Pick<EmitRule, 'key' | 'acrossSources'>

function draftEvent(mapping: Mapping, type: string, keyRule: BusinessKeyRule, scope: EvaluationScope): EventDraft {
  return tracePart({ op: 'emission', type }, scope, () =>
    buildDraft(mapping, type, keyRule, { ...scope, emittedType: type }),
  )
}

const EVENT_ID: readonly Node[] = [{ op: 'event', field: 'id' }]

function buildDraft(
  mapping: Mapping,
  type: string,
  { key = EVENT_ID, acrossSources }: BusinessKeyRule,
  draftScope: EvaluationScope,
): EventDraft {
  const parts = key.map((node) => readValue(node, draftScope)).filter((part) => part !== null)
  return {
    type,
    key: [type, ...parts].join(':'),
    keyOwner: acrossSources ? 'client' : 'source',
    userId: readValue(mapping.user.id, draftScope),
    body: buildShape(mapping.body, draftScope),
  }
}

/** The memory with this event as an occasion that was seen. */
function recordSeen(what: string, { memory, event }: EvaluationScope): Memory {
  recordOccasion(memory, what, eventIdentity(event))
  return memory
}

function countRefund(
  once: NonNullable<EmitRule['once']>,
  scope: EvaluationScope,
): (TallyUpdate & { isNew: boolean }) | null {
  const payment = once.per.map((node) => readValue(node, scope)).find((id) => typeof id === 'string')
  if (payment === undefined) return null
  const shared = {
    id: readValue(once.id, scope),
    upTo: readValue(once.upTo, scope),
    amount: readValue(once.amount, scope),
  }
  return { payment, ...countShare(scope.facts.readTally(payment), shared) }
}

type RefundNote = NonNullable<Extract<Mapping['rules'][number], { ignore: unknown }>['note']>

function noteRefund({ as, per, id, amount }: RefundNote, scope: EvaluationScope): TallyUpdate | null {
  const payment: string | undefined = per.map((node) => readValue(node, scope)).find((one) => typeof one === 'string')
  if (payment === undefined) return null
  const tally = scope.facts.readTally(payment)
  const share: RefundShare = { id: readValue(id, scope), upTo: null, amount: readValue(amount, scope) }
  return {
    payment,
    tally: as === 'failed' ? withdrawShare(tally, share) : countShare(tally, { ...share, pending: true }).tally,
  }
}

const missingFacts = (mapping: Mapping, scope: EvaluationScope): string[] =>
  mapping.waitFor
    .filter(({ unless }) => !isTrue(unless, scope, mapping))
    .map(({ fact, key }) => `${fact}:${readValue(key, scope)}`)

function allMissingFacts(mapping: Mapping, scope: EvaluationScope): string[] {
  const missing = missingFacts(mapping, scope)
  for (const node of clientUserIdNodes(mapping)) {
    const customer = readValue(node.customer, scope)
    if (customer !== null && readValue(node, scope) === null) missing.push(`client_user_id:${customer}`)
  }
  return [...new Set(missing)]
}

/** The users whose clientUserId a mapping's bodies show. */
const clientUserIdNodes = memoizeByKey((mapping: Mapping) => findClientUserIdNodes(mapping.body))

const findClientUserIdNodes = (shape: Json): Extract<Node, { op: 'user' }>[] =>
  'op' in shape
    ? shape.op === 'user' && shape.field === 'clientUserId'
      ? [shape]
      : []
    : Object.values(shape).flatMap(findClientUserIdNodes)

/** The body of an event as the contract has it, in the contract's key order; throws `invalid_target` otherwise. */
export function validateBody(mapping: Mapping, body: Json): Json {
  const parsed = mapping.to.safeParse(body)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new MappingError('invalid_target', `${issue?.path.join('.')}: ${issue?.message}`)
}
