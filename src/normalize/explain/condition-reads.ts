import { isCondition, type Node } from '../../language/mapping.ts'
import type { ReadValue } from './explanation.ts'
import { placeOfList, type ReadPlace } from './read-place.ts'
import { isContainer, sourceOfRead, standsSomewhere, type ValueSource } from './source-parts.ts'
import type { TraceFrame } from './trace.ts'

/**
 * What a condition has read of the state that is told, by `sourceOf` each of its values; of whole objects, it has asked only whether they
 * are there.
 */
export function readsOfCondition(
  frame: TraceFrame,
  place: ReadPlace,
  sourceOf: (frame: TraceFrame, place: ReadPlace) => ValueSource,
): ReadValue[] {
  const { part, inner, scope } = frame
  const readsOf = (one: TraceFrame, at = place) => readsOfCondition(one, at, sourceOf)
  if (!isCondition(part)) {
    const { reads, absent } = sourceOf(frame, place)
    return [...reads, ...absent].filter((one) => standsSomewhere(one) && !isContainer(one.value))
  }
  switch (part.op) {
    case 'type':
      return sourceOfRead('event.type', scope.event.type, { object: place.event }, { role: 'condition' }).reads
    case 'is':
    case 'more':
    case 'same':
    case 'any':
    case 'all':
    case 'not':
      return inner.flatMap((one) => readsOf(one))
    case 'some': {
      const list = placeOfList(frame, place)
      return inner.filter((one) => isCondition(one.part as Node)).flatMap((one) => readsOf(one, list))
    }
    case 'became':
    case 'ceased':
      return inner.slice(0, 1).flatMap((one) => readsOf(one))
    case 'was':
    case 'stored':
    case 'changed':
    case 'differsFromLast':
    case 'priorKnown':
    case 'memory':
      return []
    default:
      return part satisfies never
  }
}
