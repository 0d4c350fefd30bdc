import { isDatabaseAway } from '../database/db.ts'
import { isRefusedData } from '../database/split-until-alone.ts'
import { failedOutcome } from './outcomes.ts'
import type { SourceEvent, SourceEventOutcome } from './source-event.ts'

// What stops a source event that no mapping throws: data that the database refuses, or a mistake of ours in reading it.

/** What was done with a batch when an error came. */
export type BatchStep = 'look up' | 'normalize' | 'store events' | 'make deliveries' | 'store objects'

/**
 * Classes of SQLSTATE that speak of the database or of the whole program: connections, transactions, rights, what is not there,
 * resources, operators, the server itself. What data alone can cause is of none of them.
 */
const DATABASE_CLASSES = /^(0[0-9A-F]|2[58BDF]|3[48BDF]|4[024]|53|55|57|58|72|F0|HV|XX)/
/** Rows of a day without a partition, which is no matter of the row. */
const NO_PARTITION = /^no partition of relation/
const OUT_OF_MEMORY = /^(Array buffer allocation failed|Cannot create a Buffer|Out of memory)/i

/** Whether an error concerns the database or the process: it is the whole batch's, which is tried again. */
function isFaultOfBatch(error: unknown): boolean {
  const { code, message = '' } = (error ?? {}) as { code?: unknown; message?: string }
  if (isDatabaseAway(error) || NO_PARTITION.test(message) || OUT_OF_MEMORY.test(message)) return true
  if (/^(Cannot use a pool|timeout exceeded when)/.test(message)) return true
  return typeof code === 'string' && (/^(E[A-Z]|ERR_)/.test(code) || DATABASE_CLASSES.test(code))
}

/** An event fails for what stopped it: the code says which side refused it, the message at which step and why. */
export function faultOutcome(sourceEvent: SourceEvent, error: unknown, step: BatchStep): SourceEventOutcome {
  const { code, message, name, table, column, constraint } = (error ?? {}) as Record<string, unknown>
  if (isRefusedData(error) || /^23/.test(String(code))) {
    const place = [table, column ?? constraint].filter((part) => typeof part === 'string').join('.')
    const where = place === '' ? step : `${step}: ${place}`
    return failedOutcome(
      sourceEvent,
      'not_storable',
      `The database refuses what this event holds (${where}): ${code}, ${message}.`,
    )
  }
  return failedOutcome(
    sourceEvent,
    'internal',
    `The gateway could not ${step === 'normalize' ? 'normalise this event' : step} (${name} at ${placeInProgram(error)}); the log has the cause.`,
  )
}

/** Where in the program an error came from: the first line of the stack that is ours. */
function placeInProgram(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  return /((?:src|mappings)\/[\w./-]+:\d+)/.exec(stack)?.[1] ?? 'an unknown place'
}

/** What an event of the batch cannot be done with, and at which step. */
export class StepFault extends Error {
  override name = 'StepFault'
  readonly step: BatchStep
  /** The event, where it is the only one of the batch. */
  readonly sourceEventId: string | null
  constructor(step: BatchStep, sourceEvents: readonly SourceEvent[], cause: unknown) {
    super(`could not ${step}`, { cause })
    this.step = step
    this.sourceEventId = sourceEvents.length === 1 ? (sourceEvents[0]?.id ?? null) : null
  }
}

/** Does one step of a batch; what is not the database's own trouble is the fault of an event. */
export async function doStep<T>(
  step: BatchStep,
  sourceEvents: readonly SourceEvent[],
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw isFaultOfBatch(error) ? error : new StepFault(step, sourceEvents, error)
  }
}
