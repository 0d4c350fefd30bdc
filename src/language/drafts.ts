import type { Json } from '../domain/json.ts'
import type { Mapping, Node } from './mapping.ts'
import { buildShape, readId, readIfReadable, readValue, selectElements } from './read.ts'
import { type EvaluationScope, scopeAnew, tracePart } from './scope.ts'
import type { Strides } from './strides.ts'
import { placesOf, type UnreadableError } from './unreadable.ts'

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

/** A rule that speaks. */
export type EmitRule = Extract<Mapping['rules'][number], { emit: unknown }>

/** A body takes some tenths of a millisecond at most, as long as it tells of one line. */
const DRAFTS_PER_STRIDE = 8

/** The events of rules: one of each of their types, for each element where they tell of a list. */
export function* draftEvents(
  mapping: Mapping,
  rules: readonly EmitRule[],
  scope: EvaluationScope,
): Strides<EventDraft[]> {
  const drafts: EventDraft[] = []
  for (const rule of rules)
    for (const one of scopesOf(rule, scope))
      for (const type of [rule.emit].flat()) {
        if (drafts.length % DRAFTS_PER_STRIDE === DRAFTS_PER_STRIDE - 1) yield
        drafts.push(draftEvent(mapping, type, rule, one))
      }
  return drafts
}

const scopesOf = ({ each }: EmitRule, scope: EvaluationScope): EvaluationScope[] =>
  each ? selectElements(each, scope).map((item) => ({ ...scope, item })) : [scope]

type BusinessKeyRule = Pick<EmitRule, 'key' | 'acrossSources'>

/** One event, with its business key and its body. */
export function draftEvent(
  mapping: Mapping,
  type: string,
  keyRule: BusinessKeyRule,
  scope: EvaluationScope,
): EventDraft {
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
    sourceOf: (field) => findSource(mapping.body, field, scopeAnew(draftScope)),
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
