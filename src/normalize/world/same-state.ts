import { hash } from 'node:crypto'
import type { Json } from '../../domain/json.ts'

/** A state written down: what stands for it, and how long it is as JSON. */
interface WrittenState {
  digest: string
  chars: number
}

const written = new WeakMap<object, WrittenState>()

/**
 * Whether two states hold the same, whatever the order of their keys. Each is written down once, however often it is compared:
 * among states of one second every one is compared with every other, and each may be a megabyte.
 */
export const isSameState = (a: Json, b: Json): boolean =>
  isContainer(a) && isContainer(b) ? a === b || writeState(a).digest === writeState(b).digest : Object.is(a, b)

/** A name that two values have in common when they hold the same, whatever the order of their keys. */
export const nameState = (value: Json): string =>
  isContainer(value) ? writeState(value).digest : `${typeof value} ${String(value)}`

/** How long a state is as JSON. */
export const charsOf = (state: Json): number => (isContainer(state) ? writeState(state).chars : 0)

function writeState(state: object): WrittenState {
  const known = written.get(state)
  if (known) return known
  const text = JSON.stringify(state, (_, value) =>
    isContainer(value) && !Array.isArray(value) ? sortKeys(value) : value,
  )
  const result = { digest: hash('sha256', text, 'base64url'), chars: text.length }
  written.set(state, result)
  return result
}

const sortKeys = (value: object) => Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))

const isContainer = (value: unknown): value is object => typeof value === 'object' && value !== null
