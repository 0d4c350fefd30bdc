import { differing } from '../../domain/body-differences.ts'
import type { When } from '../../language/mapping.ts'
import { conditionWords, valueWords } from '../../language/wording.ts'
import type { Condition } from './explanation.ts'
import { listPlace, nameOf } from './source.ts'
import type { Frame } from './trace.ts'

type Moment = 'now' | 'before' | 'stored'
type Place = Parameters<typeof nameOf>[1]

/** Elements of a list that are shown of a condition over all of them. */
const MOST_ELEMENTS = 10

/** A condition as it was judged: its words, its truth, and of each leaf the value that was read. */
export function conditionOf(frame: Frame, moment: Moment = 'now', place?: Place): Condition {
  const { called } = frame.part as When
  const condition = judgedCondition(frame, moment, place)
  return called === undefined ? condition : { called, ...condition }
}

function judgedCondition(frame: Frame, moment: Moment, place?: Place): Condition {
  const { inner } = frame
  const when = frame.part as When
  const holds = frame.result === true
  const of = (parts: readonly Frame[], at: Moment = moment) => parts.map((part) => conditionOf(part, at, place))
  const [first, second] = inner
  switch (when.op) {
    case 'type':
      return { words: conditionWords(when), holds, now: frame.scope.event.type }
    case 'is':
      return first && first.part.op !== 'occasion'
        ? { words: `${nameOf(first, place)} is ${valueWords(when.values)}`, holds, [moment]: shown(first.result) }
        : { words: conditionWords(when), holds }
    case 'more':
    case 'same': {
      const names = inner.map((part) => nameOf(part, place)).join(when.op === 'more' ? ' is more than ' : ' equals ')
      return { words: names, holds, ...comparedIn(inner, moment) }
    }
    case 'any':
    case 'all': {
      const needs = when.op === 'any' ? 'one' : 'all'
      return inner.length === 1 ? of(inner)[0]! : { words: `${needs} of`, holds, needs, of: of(inner) }
    }
    case 'not':
      return negated(of(inner)[0], holds)
    case 'was':
      return { words: 'before', holds, of: of(inner, 'before') }
    case 'stored':
      return { words: 'as it was known', holds, of: of(inner, 'stored') }
    case 'became':
    case 'ceased': {
      const now = first ? conditionOf(first, 'now', place) : undefined
      const before = second ? conditionOf(second, 'before', place) : undefined
      return { words: when.op, holds, of: now ? [withBefore(now, before)] : [] }
    }
    case 'changed':
      return { words: 'a field that is shown changed', holds, changes: changesIn(inner) }
    case 'some': {
      const list = listPlace(frame, place)
      const elements = inner.slice(1, 1 + MOST_ELEMENTS).map((part) => conditionOf(part, moment, list))
      return { words: `one of ${list.list?.path ?? 'the list'}`, holds, needs: 'one', of: elements }
    }
    default:
      return { words: conditionWords(when), holds }
  }
}

/** The values of a comparison: of now and before where it is one between those, else both of them. */
function comparedIn(inner: readonly Frame[], moment: Moment): Pick<Condition, Moment> {
  const [before, now] = [true, false].map((prior) => inner.filter(({ part }) => (part.op === 'prior') === prior))
  return before?.length === 1 && now?.length === 1
    ? { now: shown(now[0]?.result), before: shown(before[0]?.result) }
    : { [moment]: inner.map(({ result }) => shown(result)) }
}

/** The last `is` of a statement, before its values. */
const IS = / is (?=[^ ]+( or [^ ]+)*$)/

/** `not` of a single statement is said in it; of several it stands before them. */
function negated(condition: Condition | undefined, holds: boolean): Condition {
  if (!condition) return { words: 'not', holds }
  if (condition.of || condition.called) return { words: 'not', holds, of: [condition] }
  const { words } = condition
  const opposite = words.endsWith(' is set') ? words.replace(/set$/, 'unset') : words.replace(/ is unset$/, ' is set')
  const reversed = opposite === words ? words.replace(IS, ' is not ') : opposite
  return reversed === words ? { words: 'not', holds, of: [condition] } : { ...condition, words: reversed, holds }
}

/** The same condition in the state before: each leaf shows both values. */
function withBefore(now: Condition, before: Condition | undefined): Condition {
  if (!before) return now
  const parts = now.of?.map((part, at) => withBefore(part, before.of?.[at]))
  return { ...now, ...('before' in before ? { before: before.before } : {}), ...(parts ? { of: parts } : {}) }
}

/** What differs between the two readings of a shape: first as it is now, then as it was before. */
function changesIn(inner: readonly Frame[]): NonNullable<Condition['changes']> {
  const half = inner.length / 2
  const built = (frames: readonly Frame[]) => Object.fromEntries(frames.map((frame) => [fieldOf(frame), frame.result]))
  return differing(built(inner.slice(half)), built(inner.slice(0, half))).map(({ field, stored, now }) => ({
    field,
    before: stored,
    now,
  }))
}

const fieldOf = ({ part }: Frame) => (part.op === 'field' ? part.name : '')

/** Whole objects are named by their id: a condition asks whether they are there, not what they hold. */
function shown(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const id = (value as { id?: unknown }).id
  return Array.isArray(value) ? `${value.length} elements` : typeof id === 'string' ? id : '{…}'
}
