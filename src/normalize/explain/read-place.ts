import type { Node, NodeOf } from '../../language/mapping.ts'
import type { ReadRole, ReadValue } from './explanation.ts'
import type { TraceFrame } from './trace.ts'

/** What paths are relative to: an object and, for those of an element, a list with the place that it was read at. */
export interface ReadPlace {
  /** The readings of the list: what is computed is made anew by each, so the element says which one is meant. */
  list: { readings: readonly TraceFrame[]; at: ReadPlace } | null
  object: ReadValue['object']
  /** The event, where it is not the one that is explained. */
  event: ReadValue['object']
  /** Its time as it stands in it: Unix seconds, in a thin event a text. */
  created: unknown
  /** The object as the event brought it, and its name where it is cited with what was fetched for it; null: nothing was. */
  sent: { object: unknown; name: NonNullable<ReadValue['object']> } | null
  role: Extract<ReadRole, 'value' | 'before'>
}
export const EVENT_OBJECT: ReadPlace = {
  list: null,
  object: null,
  event: null,
  created: null,
  sent: null,
  role: 'value',
}

/** The place of an evaluation's own object: named where it is not the event's, with the event that it is judged as. */
export const placeOfObject = (of: Pick<ReadPlace, 'object' | 'event' | 'created' | 'sent'>): ReadPlace => ({
  ...EVENT_OBJECT,
  ...of,
})

/** Where the paths of another object are read. */
export function placeOfStored(
  { kind }: NodeOf<'kept'>,
  { inner }: TraceFrame,
  place: ReadPlace = EVENT_OBJECT,
): ReadPlace {
  const [key] = inner
  // Ties and checkouts have keys of their own among the objects; people know them by the id.
  const id = typeof key?.result === 'string' ? key.result.replace(/^(link|checkout):/, '') : null
  return { ...place, object: { kind, id }, role: 'value' }
}

/** Where the elements of a list node's children stand. */
export function placeOfList({ inner, part }: TraceFrame, place: ReadPlace = EVENT_OBJECT): ReadPlace {
  const { list } = part as { list?: Node }
  return placeInLists(
    inner.filter((one) => one.part === list),
    place,
  )
}

/** Where the elements of some readings of a list stand. */
export const placeInLists = (readings: readonly TraceFrame[], place: ReadPlace = EVENT_OBJECT): ReadPlace => ({
  ...place,
  list: { readings, at: place },
})
