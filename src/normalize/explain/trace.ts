import { isCondition, MappingError } from '../../language/mapping.ts'
import { isTrue } from '../../language/read.ts'
import { type EvaluationScope, scopeOfState, type Trace, type TracedPart } from '../../language/scope.ts'

/** One part of an evaluation that was read, with the parts that it was read from, in order. */
export interface TraceFrame {
  part: TracedPart
  scope: EvaluationScope
  result: unknown
  inner: TraceFrame[]
  /** What stopped the reading here or further in. */
  error?: MappingError
}

/** Writes an evaluation down while it goes on. */
export function createTracer(): { trace: Trace; frames: TraceFrame[] } {
  const frames: TraceFrame[] = []
  let open = frames

  const openFrame = (part: TracedPart, scope: EvaluationScope) => {
    const frame: TraceFrame = { part, scope, result: undefined, inner: [] }
    const outer = open
    outer.push(frame)
    open = frame.inner
    return { frame, close: () => (open = outer) }
  }
  const noteError = (frame: TraceFrame, error: unknown) => {
    if (error instanceof MappingError) frame.error = error
  }
  const trace: Trace = {
    hearRead(part, scope, read) {
      const { frame, close } = openFrame(part, scope)
      try {
        const result = read()
        frame.result = result
        readUnreadParts(frame)
        return result
      } catch (error) {
        noteError(frame, error)
        throw error
      } finally {
        close()
      }
    },
    *hearStrides(part, scope, work) {
      const { frame, close } = openFrame(part, scope)
      try {
        const result = yield* work
        frame.result = result
        return result
      } catch (error) {
        noteError(frame, error)
        throw error
      } finally {
        close()
      }
    },
  }
  return { trace, frames }
}

/** A condition is settled by its first parts; an explanation shows the others as well. */
function readUnreadParts({ part, scope, inner }: TraceFrame) {
  const readWithoutEffect = (work: () => unknown) => {
    try {
      work()
    } catch (error) {
      // It was not read when it counted, so it stops nothing.
      if (!(error instanceof MappingError)) throw error
    }
  }
  if (!isCondition(part)) return
  switch (part.op) {
    case 'any':
    case 'all':
      for (const of of part.of.slice(inner.length)) readWithoutEffect(() => isTrue(of, scope))
      return
    case 'became':
    case 'ceased':
      if (inner.length === 1 && scope.prior !== null)
        readWithoutEffect(() => isTrue(part.of, scopeOfState(scope, 'prior')))
      return
    // Always read whole; of a list, the first element that decides is enough.
    case 'type':
    case 'is':
    case 'more':
    case 'same':
    case 'not':
    case 'was':
    case 'stored':
    case 'changed':
    case 'differsFromLast':
    case 'priorKnown':
    case 'memory':
    case 'some':
      return
    default:
      return part satisfies never
  }
}
