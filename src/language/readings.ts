import type { Json } from '../domain/json.ts'
import { memoizeByKey } from './memoized.ts'

/**
 * What has been read of an object in the course of one evaluation. A state does not change meanwhile, so what is made of nothing
 * else is read once, for conditions, news, bodies and all contracts alike.
 */
export interface Readings {
  /** Of the state that is read. */
  own: Map<object, Json>
  /** Of the state that the event left behind. */
  prior: Map<object, Json>
  /** Of our own snapshot from before. */
  stored: Map<object, Json>
}

export const newReadings = (): Readings => ({ own: new Map(), prior: new Map(), stored: new Map() })

/** What is made of more than the object: of what is remembered, of what is emitted, of what is counted. */
const BEYOND_STATE: ReadonlySet<string> = new Set([
  'emitted',
  'byEvent',
  'occasion',
  'tallied',
  'uuid',
  'memory',
  'differsFromLast',
])
/** Kinds whose members, but for the list, are read for each of its elements. */
const OF_ELEMENTS: ReadonlySet<string> = new Set(['each', 'fold', 'choose', 'some'])

/** Whether a part of a mapping is made of a state of the object alone, whatever element, event or memory it is read with. */
export const isOfStateAlone = memoizeByKey((part: object): boolean => isWithinState(part, { hasElement: false }))

/** Whether a part has a shape in it, of which what cannot be read is noted beside the value. */
export const hasShapeWithin = memoizeByKey(
  (part: object): boolean =>
    'shape' in part ||
    Object.values(part).some((inner) => typeof inner === 'object' && inner !== null && hasShapeWithin(inner)),
)

function isWithinState(part: Json, { hasElement }: { hasElement: boolean }): boolean {
  if (typeof part !== 'object' || part === null) return true
  const { op, scope } = part
  if (BEYOND_STATE.has(op) || (op === 'from' && scope === 'item' && !hasElement)) return false
  return Object.entries(part).every(([name, inner]) =>
    isWithinState(inner, { hasElement: hasElement || (OF_ELEMENTS.has(op) && name !== 'list') }),
  )
}
