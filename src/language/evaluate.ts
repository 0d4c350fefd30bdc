import type { Json } from '../domain/json.ts'
import { countRefund, noteRefund, type TallyUpdate } from './counted-refunds.ts'
import { draftEvent, draftEvents, type EmitRule, type EventDraft } from './drafts.ts'
import type { Mapping, Node } from './mapping.ts'
import { memoizeByKey } from './memoized.ts'
import { copyMemory, digestOf, type Memory, type ObservationTime, recordOccasion } from './memory.ts'
import { buildShape, isTrue, readId, readValue } from './read.ts'
import { createScope, type EvaluationInput, type EvaluationScope, eventIdentity, tracePart } from './scope.ts'
import type { Strides } from './strides.ts'

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

/** When the event's state was, and whether this mapping has sent a later one. */
export interface EventOrder {
  observedAt: ObservationTime
  isOvertaken: boolean
}

/** Pure: the same input gives the same verdict. Throws MappingError when the event holds what no mapping knows. */
export function evaluateMapping(mapping: Mapping, input: EvaluationInput, turn: EventOrder): Strides<Verdict> {
  const memory = copyMemory(input.memory)
  const scope: EvaluationScope = { ...createScope(input), memory, mapping: mapping.name }
  const deciding = decideVerdict(mapping, scope, memory, turn)
  return scope.trace ? scope.trace.hearStrides({ op: 'mapping', mapping }, scope, deciding) : deciding
}

function* decideVerdict(
  mapping: Mapping,
  scope: EvaluationScope,
  memory: Memory,
  { observedAt: moment, isOvertaken: overtaken }: EventOrder,
): Strides<Verdict> {
  for (const node of mapping.total) readValue(node, scope)
  const at = mapping.rules.findIndex(({ when }, at) =>
    tracePart({ op: 'rule', at }, scope, () => !when || isTrue(when, scope)),
  )
  const rule = mapping.rules[at]
  const owed = mapping.owed && !scope.isLate && isEmissionOwed(mapping.owed, scope) ? mapping.owed : null
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
  const counted = emitRule && countRefund(emitRule, scope)
  if (counted && !counted.isNew) {
    const ignored = counted.hasFailed
      ? ignoreWith('refund_failed', 'Another event of the source said before that the refund did not take place.')
      : ignoreWith('already_emitted', 'Another event of the source reported the same refund before.')
    // What this event and the other have in common is no second refund's.
    return { ...ignored, tally: counted.update }
  }

  const told = rulesToEmit(emitRule, mapping, scope)
  yield
  const owedDrafts = owed ? [draftEvent(mapping, owed.emit, { key: owed.key }, scope)] : []
  const emissions = owedDrafts.concat(yield* draftEvents(mapping, told, scope))
  if (emissions.length === 0)
    return ignoreWith('nothing_to_tell', 'The rule holds, but none of the lines is of the kind that it tells.')
  setFlags(memory, [owed, ...told], scope.event.id)
  yield
  if (!overtaken) memory.said[mapping.name] = { ...moment, digest: digestOf(buildShape(mapping.news, scope)) }
  const missing = allMissingFacts(mapping, scope)
  return {
    kind: 'emit',
    rule: at,
    owed: owed !== null,
    drafts: emissions,
    memory,
    missing,
    tally: counted?.update ?? null,
  }
}

const isEmissionOwed = ({ when }: NonNullable<Mapping['owed']>, scope: EvaluationScope): boolean =>
  tracePart({ op: 'owed' }, scope, () => isTrue(when, scope))

/** The rule that speaks and, where it names a fact, those after it of which each names one that the event shows as well. */
function rulesToEmit(spoken: EmitRule | null, mapping: Mapping, scope: EvaluationScope): EmitRule[] {
  if (!spoken) return []
  if (!spoken.isNamedFact) return [spoken]
  const isBeside = (rule: Mapping['rules'][number], at: number): rule is EmitRule =>
    at > mapping.rules.indexOf(spoken) &&
    'emit' in rule &&
    rule.isNamedFact === true &&
    tracePart({ op: 'rule', at }, scope, () => !rule.when || isTrue(rule.when, scope))
  return [spoken, ...mapping.rules.filter(isBeside)]
}

function setFlags(
  memory: Memory,
  emitted: readonly (Pick<EmitRule, 'remember'> | null)[],
  eventId: string | null,
): void {
  for (const one of emitted) {
    if (!one?.remember || memory.flags[one.remember]) continue
    memory.flags[one.remember] = true
    if (eventId !== null) memory.flaggedBy = { ...memory.flaggedBy, [one.remember]: eventId }
  }
}

/** The memory with this event as an occasion that was seen. */
function recordSeen(what: string, { memory, event }: EvaluationScope): Memory {
  recordOccasion(memory, what, eventIdentity(event))
  return memory
}

const missingFacts = (mapping: Mapping, scope: EvaluationScope): string[] =>
  mapping.waitFor.filter(({ unless }) => !isTrue(unless, scope)).map(({ fact, key }) => `${fact}:${readId(key, scope)}`)

function allMissingFacts(mapping: Mapping, scope: EvaluationScope): string[] {
  const missing = missingFacts(mapping, scope)
  for (const node of clientUserIdNodes(mapping)) {
    const customer = readId(node.customer, scope)
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
