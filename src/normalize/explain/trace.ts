import { isCondition, MappingError } from '../../language/mapping.ts'
import { isTrue } from '../../language/read.ts'
import { isOfStateAlone } from '../../language/readings.ts'
import {
  type EvaluationScope,
  noteUnreadable,
  readNoting,
  scopeOfState,
  type Trace,
  type TracedPart,
} from '../../language/scope.ts'
import type { UnreadableError } from '../../language/unreadable.ts'

/** One part of an evaluation that was read, with the parts that it was read from, in order. */
export interface TraceFrame {
  part: TracedPart
  scope: EvaluationScope
  result: unknown
  inner: TraceFrame[]
  /** What stopped the reading here or further in. */
  error?: MappingError
}

/** Of a part that nothing else was read for; nobody adds to it. */
const NOTHING: TraceFrame[] = []

/** Writes an evaluation down while it goes on. What comes to the same in one state is written down once, and stands wherever it is read. */
export function createTracer(): { trace: Trace; frames: TraceFrame[] } {
  const frames: TraceFrame[] = []
  let open: Pick<TraceFrame, 'inner'> = { inner: frames }

  const addFrame = (to: Pick<TraceFrame, 'inner'>, frame: TraceFrame) => {
    if (to.inner === NOTHING) to.inner = [frame]
    else to.inner.push(frame)
  }
  const openFrame = (part: TracedPart, scope: EvaluationScope): TraceFrame => {
    const frame: TraceFrame = { part, scope, result: undefined, inner: NOTHING }
    addFrame(open, frame)
    open = frame
    return frame
  }
  const hearAnew: Trace['hearRead'] = (part, scope, read) => {
    const outer = open
    const frame = openFrame(part, scope)
    try {
      const result = read(scope)
      frame.result = result
      readUnreadParts(frame)
      return result
    } catch (error) {
      noteError(frame, error)
      throw error
    } finally {
      open = outer
    }
  }
  const trace: Trace = {
    hearRead(part, scope, read) {
      const known = scope.readings?.own
      if (known === undefined || !isReadAlike(part)) return hearAnew(part, scope, read)
      const before = known.get(part) as HeardRead | undefined
      if (before) {
        addFrame(open, before.frame)
        noteUnreadable(scope, before.unreadable)
        return before.frame.result as ReturnType<typeof read>
      }
      const to = open
      const { value, unreadable } = readNoting(scope, (noting) => hearAnew(part, noting, read))
      const frame = to.inner.at(-1)
      if (frame) known.set(part, { frame, unreadable } satisfies HeardRead)
      return value
    },
    *hearStrides(part, scope, work) {
      const outer = open
      const frame = openFrame(part, scope)
      try {
        const result = yield* work
        frame.result = result
        return result
      } catch (error) {
        noteError(frame, error)
        throw error
      } finally {
        open = outer
      }
    },
  }
  return { trace, frames }
}

/** A reading that stands for those after it, with what could not be read of it. */
interface HeardRead {
  frame: TraceFrame
  unreadable: readonly UnreadableError[]
}

/** Whether a part comes to the same, by the same parts, wherever it is read in one state. A path is written down as quickly as found. */
const isReadAlike = (part: TracedPart): boolean =>
  part.op !== 'from' && part.op !== 'field' && part.op !== 'always' && !OUTER_PARTS.has(part.op) && isOfStateAlone(part)
const OUTER_PARTS: ReadonlySet<string> = new Set<TracedPart['op']>(['mapping', 'rule', 'owed', 'emission'])

function noteError(frame: TraceFrame, error: unknown): void {
  if (error instanceof MappingError) frame.error = error
}

/** A condition is settled by its first parts; an explanation shows the others as well. */
function readUnreadParts({ part, scope, inner }: TraceFrame): void {
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
      part satisfies never
  }
}

function readWithoutEffect(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    // It was not read when it counted, so it stops nothing.
    if (!(error instanceof MappingError)) throw error
  }
}
