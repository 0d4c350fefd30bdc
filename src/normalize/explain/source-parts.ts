import { memoizeByKey } from '../../language/memoized.ts'
import type { ReadRole, ReadValue } from './explanation.ts'
import type { MemberKeys } from './made-value.ts'
import type { ReadPlace } from './read-place.ts'

// What the sources of values are put together from.

/** What a value was made of: what was read, what was absent, and what it went through. */
export interface ValueSource {
  reads: ReadValue[]
  absent: ReadValue[]
  through: string[]
  /** Readings that are not told. */
  leftOut?: number
}

/** Of a value that nothing was read for. */
export const NO_SOURCE: ValueSource = { reads: [], absent: [], through: [] }

type ReadKind = { role: ReadRole; until?: string | undefined }

/** One reading: a path of an object, and what stood there. */
export const toReadValue = (
  path: string,
  value: unknown,
  { object }: Pick<ReadPlace, 'object'>,
  { role, until }: ReadKind,
): ReadValue => ({ path, value, role, object, until: until ?? null })

/** A value that was read at one place; null: it was looked for there in vain. */
export function sourceOfRead(
  path: string,
  value: unknown,
  place: Pick<ReadPlace, 'object'>,
  kind: ReadKind,
): ValueSource {
  const one = toReadValue(path, value, place, kind)
  return value === null ? { ...NO_SOURCE, absent: [one] } : { ...NO_SOURCE, reads: [one] }
}

/** What was looked at in vain. */
export const absentReads = ({ absent }: ValueSource): ReadValue[] => absent.filter((one) => !isConditionRead(one))

/** Each place once. */
export const uniqueReads = (reads: readonly ReadValue[]): ReadValue[] => [
  ...new Map(reads.map((one) => [JSON.stringify([one.path, one.object, one.role]), one])).values(),
]

/** Of a value that several were put together for. */
export const mergeSources = (sources: readonly ValueSource[]): ValueSource => ({
  reads: sources.flatMap(({ reads }) => reads),
  absent: sources.flatMap(({ absent }) => absent),
  through: [...new Set(sources.flatMap(({ through }) => through))],
  ...leavingOut(sources.reduce((sum, { leftOut = 0 }) => sum + leftOut, 0)),
})

/** The same, through one more computation. */
export const addStep = (source: ValueSource, step: string): ValueSource => ({
  ...source,
  through: [...source.through, step],
})

/** A value that the mapping brings along. */
export const constantSource = (value: unknown): ValueSource =>
  value === null || value === undefined
    ? NO_SOURCE
    : sourceOfRead('always', value, { object: null }, { role: 'constant' })

/** How many readings are not told, where there are any. */
export const leavingOut = (leftOut: number) => (leftOut > 0 ? { leftOut } : {})

/** Keys as a path: `items.data[0].id`. */
export const pathOfKeys = (keys: MemberKeys): string =>
  keys.map((key, at) => (typeof key === 'number' ? `[${key}]` : `${at === 0 ? '' : '.'}${key}`)).join('')

/** Whether a value is an object or a list. */
export const isContainer = (value: unknown) => typeof value === 'object' && value !== null

/** What is remembered or counted stands in no object; what that was made of is told beside it. */
export const standsSomewhere = ({ role }: ReadValue) => role !== 'constant' && role !== 'memory'
/** A reading that decided between values instead of being one. */
export const asCondition = (read: ReadValue): ReadValue => ({
  ...read,
  role: read.role === 'before' || read.role === 'condition_before' ? 'condition_before' : 'condition',
})
/** Whether a reading decided between values. */
export const isConditionRead = ({ role }: ReadValue) => role === 'condition' || role === 'condition_before'

/** Where each element of a list stands first: asked for every field of every element. */
export const positionsIn = memoizeByKey(
  (list: readonly unknown[]) => new Map(list.map((element, at) => [element, at] as const).toReversed()),
)
