import { type Mapping, MappingError } from '../../language/mapping.ts'
import { holds, type Listener, type Part, type Scope } from '../../language/read.ts'

/** One part of an evaluation that was read, with the parts that it was read from, in order. */
export interface Frame {
  part: Part
  scope: Scope
  result: unknown
  inner: Frame[]
  /** What stopped the reading here or further in. */
  error?: MappingError
}

/** Writes an evaluation down while it goes on. */
export function tracer(): { listen: Listener; frames: Frame[] } {
  const frames: Frame[] = []
  let open = frames
  let mapping: Mapping | undefined

  const listen: Listener = (part, scope, read) => {
    const frame: Frame = { part, scope, result: undefined, inner: [] }
    const outer = open
    outer.push(frame)
    open = frame.inner
    if (part.op === 'mapping') mapping = part.mapping
    try {
      const result = read()
      frame.result = result
      readTheRest(frame, mapping)
      return result
    } catch (error) {
      if (error instanceof MappingError) frame.error = error
      throw error
    } finally {
      open = outer
    }
  }
  return { listen, frames }
}

/** A condition is settled by its first parts; whoever asks why wants to see the others as well. */
function readTheRest({ part, scope, inner }: Frame, mapping: Mapping | undefined) {
  const also = (work: () => unknown) => {
    try {
      work()
    } catch (error) {
      // It was not read when it counted, so it stops nothing.
      if (!(error instanceof MappingError)) throw error
    }
  }
  if (part.op === 'any' || part.op === 'all')
    for (const of of part.of.slice(inner.length)) also(() => holds(of, scope, mapping))
  if ((part.op === 'became' || part.op === 'ceased') && inner.length === 1 && scope.prior !== null)
    also(() => holds(part.of, { ...scope, object: scope.prior }, mapping))
}
