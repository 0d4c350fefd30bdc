import type { Json } from '../domain/json.ts'
import { keepPrototypeKeys } from '../domain/prototype-key.ts'
import { type Mapping, MappingError, type Node } from './mapping.ts'
import { memoizeByKey } from './memoized.ts'
import { copyMemory, digestOf, type Memory, type ObservationTime, recordOccasion } from './memory.ts'
import {
  buildShape,
  type EvaluationInput,
  type EvaluationScope,
  eventIdentity,
  isTrue,
  readId,
  readIfReadable,
  readMinorUnits,
  readValue,
  selectElements,
  tracePart,
} from './read.ts'
import {
  countShare,
  hasFailed,
  mergePayment,
  type RefundShare,
  type RefundTally,
  withdrawShare,
} from './refund-tally.ts'

import { kindOf, placesOf, UnreadableError } from './unreadable.ts'

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
/** The tallies after this event, of a payment and of the purchase that it paid, by the id of either. */
export type TallyUpdate = Readonly<Record<string, RefundTally>>
/** An event that a mapping wants to send. */
export interface EventDraft {
  type: string
  /** The business key: one event per key, for ever. */
  key: string
  /** Whose keys it is one of. */
  keyOwner: 'source' | 'client'
  userId: string | null
  body: Json
  /** What could not be read of the event: null in the body, which the contract may refuse. */
  unreadable: readonly UnreadableError[]
  /** Where in the event a field of the body was read; null: nowhere. */
  sourceOf: (field: readonly PropertyKey[]) => string | null
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
  const counted = emitRule && countRefund(emitRule, scope)
  if (counted && !counted.isNew) {
    const ignored = counted.hasFailed
      ? ignoreWith('refund_failed', 'Another event of the source said before that the refund did not take place.')
      : ignoreWith('already_emitted', 'Another event of the source reported the same refund before.')
    // What this event and the other have in common is no second refund's.
    return { ...ignored, tally: counted.update }
  }

  const told = rulesToEmit(emitRule, mapping, scope)
  const emissions = [
    ...(owed ? [draftEvent(mapping, owed.emit, { key: owed.key }, scope)] : []),
    ...told.flatMap((one) => draftEvents(mapping, one, scope)),
  ]
  if (emissions.length === 0)
    return ignoreWith('nothing_to_tell', 'The rule holds, but none of the lines is of the kind that it tells.')
  setFlags(memory, [owed, ...told], scope.event.id)
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

const isEmissionOwed = ({ when }: NonNullable<Mapping['owed']>, scope: EvaluationScope, mapping: Mapping): boolean =>
  tracePart({ op: 'owed' }, scope, () => isTrue(when, scope, mapping))

type EmitRule = Extract<Mapping['rules'][number], { emit: unknown }>

/** The rule that speaks and, where it names a fact, those after it of which each names one that the event shows as well. */
function rulesToEmit(spoken: EmitRule | null, mapping: Mapping, scope: EvaluationScope): EmitRule[] {
  if (!spoken) return []
  if (!spoken.isNamedFact) return [spoken]
  const isBeside = (rule: Mapping['rules'][number], at: number): rule is EmitRule =>
    at > mapping.rules.indexOf(spoken) &&
    'emit' in rule &&
    rule.isNamedFact === true &&
    tracePart({ op: 'rule', at }, scope, () => !rule.when || isTrue(rule.when, scope, mapping))
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
  const parts = key.map((node) => readKeyPart(node, draftScope)).filter((part) => part !== null)
  const unreadable: UnreadableError[] = []
  return {
    type,
    key: [type, ...parts].join(':'),
    keyOwner: acrossSources ? 'client' : 'source',
    userId: readValue(mapping.user.id, draftScope),
    body: buildShape(mapping.body, { ...draftScope, unreadable }),
    unreadable,
    sourceOf: (field) => findSource(mapping.body, field, { ...draftScope, trace: undefined }),
  }
}

/** Where in the event the field of a shape is read. */
function findSource(shape: Json, [name, ...below]: readonly PropertyKey[], scope: EvaluationScope): string | null {
  if (typeof shape !== 'object' || shape === null) return null
  if (!('op' in shape)) return name === undefined ? null : findSource(shape[name], below, scope)
  const node = shape as Node
  if (name === undefined) return placesOf(node, scope, readIfReadable)[0] ?? null
  if (node.op === 'object') return findSource(node.shape, [name, ...below], scope)
  if (node.op === 'each' && typeof name === 'number') {
    const item = selectElements(node, scope)[name]
    return findSource(node.shape, below, { ...scope, item, itemOf: node.list })
  }
  for (const choice of choicesOf(node)) {
    const found = findSource(choice, [name, ...below], scope)
    if (found !== null) return found
  }
  return placesOf(node, scope, readIfReadable)[0] ?? null
}

/** The nodes of which a node takes its value from one. */
function choicesOf(node: Node): readonly Node[] {
  if (node.op === 'given') return [node.then, node.otherwise]
  if (node.op === 'byEvent') return [...Object.values(node.table), node.otherwise]
  if (node.op === 'firstOf') return node.of
  return node.op === 'kept' || node.op === 'choose' ? [node.of] : []
}

/** A part of a business key: a text that names something, or a number. */
function readKeyPart(node: Node, scope: EvaluationScope): string | number | null {
  const part = readValue(node, scope)
  return typeof part === 'number' ? part : readId(node, scope)
}

/** The memory with this event as an occasion that was seen. */
function recordSeen(what: string, { memory, event }: EvaluationScope): Memory {
  recordOccasion(memory, what, eventIdentity(event))
  return memory
}

/** Counts what the rule gives back; bodies are read with it from then on. Null: the rule counts no money. */
function countRefund(
  rule: EmitRule,
  scope: EvaluationScope,
): { update: TallyUpdate; isNew: boolean; hasFailed: boolean } | null {
  const { once } = rule
  const payment = once ? readPayment(once, scope) : null
  if (!once || payment === null) return null
  const lines = rule.each ? selectElements(rule.each, scope) : []
  const share: RefundShare = {
    id: readId(once.id, scope),
    upTo: readMinorUnits(once.upTo, scope),
    amount: readMinorUnits(once.amount, scope) ?? 0,
    ...readMoment(once, scope),
    parts: lines.map((item) => ({
      line: readIfReadable(once.line, { ...scope, item }),
      amount: readMinorUnits(once.lineAmount, { ...scope, item }) ?? 0,
    })),
  }
  const { tally, isNew } = countShare(scope.facts.readTally(payment), share)
  const update = tallyUpdate(once, payment, tally, scope)
  const purchase = Object.entries(update).find(([id]) => id !== payment)?.[1]
  const others = { entries: (purchase?.entries ?? []).filter((entry) => entry.payment !== payment) }
  scope.counted = { share, tally, others }
  return { update, isNew, hasFailed: hasFailed(tally, share.id) }
}

type RefundNote = NonNullable<Extract<Mapping['rules'][number], { ignore: unknown }>['note']>
type RefundPayment = Pick<RefundNote, 'per' | 'purchase'>

const readPayment = ({ per }: RefundPayment, scope: EvaluationScope): string | null =>
  per.map((node) => readId(node, scope)).find((id) => id !== null) ?? null

function readMoment({ at }: Pick<RefundNote, 'at'>, scope: EvaluationScope): Pick<RefundShare, 'at'> {
  const seconds = readIfReadable(at, scope)
  return typeof seconds === 'number' ? { at: seconds } : {}
}

/** The tally of the payment, and that of the purchase which it paid a part of. */
function tallyUpdate(
  { purchase }: RefundPayment,
  payment: string,
  tally: RefundTally,
  scope: EvaluationScope,
): TallyUpdate {
  const bought = readId(purchase, scope)
  if (bought === null || bought === payment) return { [payment]: tally }
  return { [payment]: tally, [bought]: mergePayment(scope.facts.readTally(bought), payment, tally) }
}

function noteRefund(note: RefundNote, scope: EvaluationScope): TallyUpdate | null {
  const payment = readPayment(note, scope)
  if (payment === null) return null
  const known = scope.facts.readTally(payment)
  const share: RefundShare = {
    id: readId(note.id, scope),
    upTo: null,
    amount: readMinorUnits(note.amount, scope) ?? 0,
    ...readMoment(note, scope),
  }
  const tally =
    note.as === 'failed'
      ? withdrawShare(known, share, scope.event.created)
      : countShare(known, { ...share, pending: true }).tally
  return tallyUpdate(note, payment, tally, scope)
}

const missingFacts = (mapping: Mapping, scope: EvaluationScope): string[] =>
  mapping.waitFor
    .filter(({ unless }) => !isTrue(unless, scope, mapping))
    .map(({ fact, key }) => `${fact}:${readId(key, scope)}`)

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

/**
 * The body of an event as the contract has it, in the contract's key order. What the contract does not take and may be null is
 * null; throws `unreadable_value` where it may not, and `invalid_target` for a body that no value of the event explains.
 */
export function validateBody(
  mapping: Mapping,
  { body, unreadable, sourceOf }: Pick<EventDraft, 'body' | 'unreadable' | 'sourceOf'>,
): Json {
  const parsed = mapping.to.safeParse(body)
  if (parsed.success) return keepPrototypeKeys(body, parsed.data)
  const refused = parsed.error.issues.filter(({ code }) => code !== 'unrecognized_keys')
  const emptied = refused.reduce<Json>((one, { path }) => withoutValueAt(one, path), body)
  const again = mapping.to.safeParse(emptied)
  if (again.success) return keepPrototypeKeys(body, again.data)
  const [{ path, message } = { path: [], message: '' }] = again.error.issues
  // A part that has to be there whole may be left out as a whole: how it was paid.
  const outer = mapping.to.safeParse(withoutValueAt(emptied, path.slice(0, -1)))
  if (outer.success && path.length > 2) return outer.data
  const field = path.map(String).join('.')
  const known = unreadable.find(({ at }) => at !== '' && `.${field}`.endsWith(at))
  if (known) throw known
  const place = sourceOf(path)
  if (place === null) throw new MappingError('invalid_target', `${field}: ${message}`)
  throw new UnreadableError(place, `${kindOf(valueAt(body, path))} is no ${field}`)
}

const valueAt = (body: Json, path: readonly PropertyKey[]): Json =>
  path.reduce<Json>((value, name) => value?.[name] ?? null, body)

/** A copy of a body that is null at one place. */
function withoutValueAt(body: Json, [name, ...below]: readonly PropertyKey[]): Json {
  if (name === undefined || typeof body !== 'object' || body === null) return null
  const inner = withoutValueAt(body[name], below)
  return Array.isArray(body) ? body.map((one, at) => (at === name ? inner : one)) : { ...body, [name]: inner }
}
