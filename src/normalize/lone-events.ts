import { createLoneGate } from '../workers/lone-gate.ts'
import {
  type BatchDeps,
  type BatchResults,
  commitAndReport,
  lockWaitOf,
  mergeResults,
  NOTHING_DUE,
  NOTHING_TO_DO,
} from './batch-result.ts'
import { claimEventsById, type LanesOfClients } from './claim-events.ts'
import { faultOutcome, StepFault } from './faults.ts'
import {
  DEADLY_DEATHS,
  type EventOfClient,
  endInterruption,
  forgetAttempts,
  groupSuspects,
  listSuspects,
  markGroup,
  markLoneAttempt,
  unmarkAttempts,
} from './lone-attempts.ts'
import { deadlyOutcome } from './outcomes.ts'
import { failEvent, processBatch } from './process-batch.ts'
import type { SourceEvent, SourceEventOutcome } from './source-event.ts'

/**
 * Normalises what was in work in interrupted lanes at the death of a process, `perLane` events at most of each, with nothing else of this
 * process in work: in groups at first. What was in a group at a further death is tried in smaller ones, and then alone; what was alone at
 * three deaths fails.
 */
export async function normalizeApart(
  deps: BatchDeps,
  lanesOfClients: LanesOfClients,
  perLane: number,
): Promise<BatchResults> {
  const { db, gate = createLoneGate() } = deps
  const suspects = await listSuspects(db, lanesOfClients, perLane)
  const results: BatchResults[] = []
  for (const group of groupSuspects(suspects)) {
    const [first, second] = group
    if (first && !second) results.push(await gate.runAlone(() => tryAlone(deps, first, gate.processId)))
    else results.push(...(await tryGroup({ ...deps, gate }, group)))
  }
  await endInterruption(db, lanesOfClients)
  // What came meanwhile, and what lies behind the first of each lane: look again at once.
  const again = { ...NOTHING_DUE, sourceEventCount: 1 }
  return mergeResults([...results, new Map([...lanesOfClients.keys()].map((clientId) => [clientId, again]))])
}

/** A group in one transaction; where one of it cannot be done, each by itself. */
async function tryGroup(
  deps: BatchDeps & { gate: NonNullable<BatchDeps['gate']> },
  group: readonly EventOfClient[],
): Promise<BatchResults[]> {
  const { db, gate } = deps
  try {
    const together = await gate.runAlone(() =>
      withMarks(
        () => markGroup(db, group, gate.processId),
        () => normalizeEvents(deps, group),
        () => unmarkAttempts(db, group, gate.processId),
      ),
    )
    return [together]
  } catch (error) {
    if (!(error instanceof StepFault)) throw error
  }
  const results: BatchResults[] = []
  for (const one of group) results.push(await gate.runAlone(() => tryAlone(deps, one, gate.processId)))
  return results
}

/** Works under marks that go with the outcome, and are taken back where there is none. */
async function withMarks<Mark, Result>(
  mark: () => Promise<Mark>,
  work: (marked: Mark) => Promise<Result>,
  unmark: () => Promise<void>,
): Promise<Result> {
  const marked = await mark()
  try {
    return await work(marked)
  } catch (error) {
    await unmark()
    throw error
  }
}

/** One event to its outcome; whatever of it cannot be done is its own fault. */
const tryAlone = (deps: BatchDeps, event: EventOfClient, processId: string): Promise<BatchResults> =>
  withMarks(
    () => markLoneAttempt(deps.db, { ...event, processId }),
    async (deaths) => {
      if (deaths >= DEADLY_DEATHS) return failAlone(deps, event, { outcomeOf: deadlyOutcome })
      try {
        return await normalizeEvents(deps, [event])
      } catch (error) {
        if (!(error instanceof StepFault)) throw error
        const { cause, step } = error
        return failAlone(deps, event, { cause, outcomeOf: (one) => faultOutcome(one, cause, step) })
      }
    },
    () => unmarkAttempts(deps.db, [event], processId),
  )

/** These events to their outcomes, in one transaction that forgets their marks. */
const normalizeEvents = (deps: BatchDeps, events: readonly EventOfClient[]): Promise<BatchResults> =>
  commitAndReport(
    deps,
    async (tx) => {
      const processed = await processBatch(deps, tx, async () => ({
        ofClients: await claimEventsById(tx, events),
        leftOver: new Set(),
      }))
      await forgetAttempts(tx, events)
      return processed
    },
    lockWaitOf(new Set(events.map(({ clientId }) => clientId)).size),
  )

const failAlone = (
  deps: BatchDeps,
  event: EventOfClient,
  { outcomeOf, cause }: { outcomeOf: (event: SourceEvent) => SourceEventOutcome; cause?: unknown },
): Promise<BatchResults> =>
  commitAndReport(deps, async (tx) => {
    const { clientId } = event
    const [sourceEvent] = (await claimEventsById(tx, [event])).get(clientId) ?? []
    await forgetAttempts(tx, [event])
    return sourceEvent
      ? failEvent(deps, tx, { clientId, sourceEvent, outcome: outcomeOf(sourceEvent), cause })
      : NOTHING_TO_DO
  })
