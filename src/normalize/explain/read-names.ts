import type { Node } from '../../language/mapping.ts'
import { sourceWords } from '../../language/wording.ts'
import { EVENT_OBJECT, type ReadPlace } from './read-place.ts'
import type { TraceFrame } from './trace.ts'
import { valueSourceOf } from './value-source.ts'

/** What a list is called: its path, with what was computed of it. */
export function nameOfList({ list }: ReadPlace): string {
  const [reading] = list?.readings ?? []
  if (!list || !reading) return 'the list'
  const { part, result } = reading
  const { reads, through } = valueSourceOf(reading, list.at)
  const [first] = reads
  const made = through.at(-1)
  const raw = first?.value
  if (
    (part as Node).op === 'convert' &&
    Array.isArray(result) &&
    Array.isArray(raw) &&
    result.every((one) => raw.includes(one))
  )
    return first?.path ?? 'the list'
  if (made && first) return `${made} of ${first.path}`
  return first?.path ?? made ?? 'the list'
}

/** A short name for what was read: the path that won, else the first that was tried. */
export function nameOfRead(frame: TraceFrame, place: ReadPlace = EVENT_OBJECT): string {
  const node = frame.part as Node
  const [only] = frame.inner
  if (node.op === 'prior' && only) return `${nameOfRead(only, place)} before`
  // What is computed of much has a name of its own, or none.
  if ((node.op === 'convert' || node.op === 'fold') && node.called !== undefined) return node.called
  const { reads, absent, through } = valueSourceOf(frame, place)
  const [first] = reads.length > 0 ? reads : absent
  const lastStep = through.at(-1)
  if (!first) return lastStep ?? sourceWords(node)
  if (reads.length > 1 && lastStep !== undefined) return lastStep
  return first.object ? `${first.path} of the ${first.object.kind} ${first.object.id ?? '(none)'}` : first.path
}
