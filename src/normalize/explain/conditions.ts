import { differingFields } from '../../domain/body-differences.ts'
import type { When } from '../../language/mapping.ts'
import { conditionWords, valueWords } from '../../language/wording.ts'
import type { ExplainedCondition } from './explanation.ts'
import { nameOfList, nameOfRead } from './read-names.ts'
import { placeOfList, type ReadPlace } from './read-place.ts'
import type { TraceFrame } from './trace.ts'

type ConditionState = 'now' | 'before' | 'stored'

/** Elements of a list that are shown of a condition over all of them. */
const MAX_ELEMENTS = 10

/** A condition as it was judged: its words, its truth, and of each leaf the value that was read. */
export function explainCondition(
  frame: TraceFrame,
  moment: ConditionState = 'now',
  place?: ReadPlace,
): ExplainedCondition {
  const { called } = frame.part as When
  const condition = explainByKind(frame, moment, place)
  return called === undefined ? condition : { called, ...condition }
}

function explainByKind(frame: TraceFrame, moment: ConditionState, place?: ReadPlace): ExplainedCondition {
  const { inner } = frame
  const when = frame.part as When
  const holds = frame.result === true
  const explainParts = (parts: readonly TraceFrame[], at: ConditionState = moment) =>
    parts.map((part) => explainCondition(part, at, place))
  const [first, second] = inner
  switch (when.op) {
    case 'type':
      return { words: conditionWords(when), holds, now: frame.scope.event.type }
    case 'is':
      return first && first.part.op !== 'occasion'
        ? {
            words: `${nameOfRead(first, place)} is ${valueWords(when.values)}`,
            holds,
            [moment]: displayValue(first.result),
          }
        : { words: conditionWords(when), holds }
    case 'more':
    case 'same': {
      const names = inner
        .map((part) => nameOfRead(part, place))
        .join(when.op === 'more' ? ' is more than ' : ' equals ')
      return { words: names, holds, ...comparedValues(inner, moment) }
    }
    case 'any':
    case 'all': {
      const needs = when.op === 'any' ? 'one' : 'all'
      const [only, ...others] = explainParts(inner)
      return only && others.length === 0 ? only : { words: `${needs} of`, holds, needs, of: explainParts(inner) }
    }
    case 'not':
      return negateCondition(explainParts(inner)[0], holds)
    case 'was':
      return { words: 'before', holds, of: explainParts(inner, 'before') }
    case 'stored':
      return { words: 'as it was known', holds, of: explainParts(inner, 'stored') }
    case 'became':
    case 'ceased': {
      const now = first ? explainCondition(first, 'now', place) : undefined
      const before = second ? explainCondition(second, 'before', place) : undefined
      return { words: when.op, holds, of: now ? [addBefore(now, before)] : [] }
    }
    case 'changed':
      return { words: 'a field that is shown changed', holds, changes: changesBetween(inner) }
    case 'some': {
      const list = placeOfList(frame, place)
      const [, ...tried] = inner
      const of = tried.slice(0, MAX_ELEMENTS).map((part) => explainCondition(part, moment, list))
      const leftOut = tried.length - of.length
      return { words: `one of ${nameOfList(list)}`, holds, needs: 'one', of, ...(leftOut > 0 && { leftOut }) }
    }
    case 'differsFromLast':
    case 'priorKnown':
    case 'memory':
      return { words: conditionWords(when), holds }
    default:
      return when satisfies never
  }
}

/** The values of a comparison: of now and before where it is one between those, else both of them. */
function comparedValues(
  inner: readonly TraceFrame[],
  moment: ConditionState,
): Pick<ExplainedCondition, ConditionState> {
  const [before, now] = [true, false].map((prior) => inner.filter(({ part }) => (part.op === 'prior') === prior))
  return before?.length === 1 && now?.length === 1
    ? { now: displayValue(now[0]?.result), before: displayValue(before[0]?.result) }
    : { [moment]: inner.map(({ result }) => displayValue(result)) }
}

/** The last `is` of a statement, before its values. */
const LAST_IS = / is (?=[^ ]+( or [^ ]+)*$)/

/** `not` of a single statement is said in it; of several it stands before them. */
function negateCondition(condition: ExplainedCondition | undefined, holds: boolean): ExplainedCondition {
  if (!condition) return { words: 'not', holds }
  if (condition.of || condition.called) return { words: 'not', holds, of: [condition] }
  const { words } = condition
  const opposite = words.endsWith(' is set') ? words.replace(/set$/, 'unset') : words.replace(/ is unset$/, ' is set')
  const reversed = opposite === words ? words.replace(LAST_IS, ' is not ') : opposite
  return reversed === words ? { words: 'not', holds, of: [condition] } : { ...condition, words: reversed, holds }
}

/** The same condition in the state before: each leaf shows both values. */
function addBefore(now: ExplainedCondition, before: ExplainedCondition | undefined): ExplainedCondition {
  if (!before) return now
  const parts = now.of?.map((part, at) => addBefore(part, before.of?.[at]))
  return { ...now, ...('before' in before ? { before: before.before } : {}), ...(parts ? { of: parts } : {}) }
}

/** What differs between the two readings of a shape: first as it is now, then as it was before. */
function changesBetween(inner: readonly TraceFrame[]): NonNullable<ExplainedCondition['changes']> {
  const half = inner.length / 2
  const shapeOf = (frames: readonly TraceFrame[]) =>
    Object.fromEntries(frames.map((frame) => [fieldName(frame), frame.result]))
  return differingFields(shapeOf(inner.slice(half)), shapeOf(inner.slice(0, half))).map(({ field, stored, now }) => ({
    field,
    before: stored,
    now,
  }))
}

const fieldName = ({ part }: TraceFrame) => (part.op === 'field' ? part.name : '')

/** Whole objects are named by their id: a condition asks whether they are there, not what they hold. */
function displayValue(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const id = (value as { id?: unknown }).id
  return Array.isArray(value) ? `${value.length} elements` : typeof id === 'string' ? id : '{…}'
}
