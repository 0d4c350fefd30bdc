import { createLoneGate } from '../workers/lone-gate.ts'
import { type BatchDeps, type BatchResult, commitAndReport, mergeResults, NOTHING_TO_DO } from './batch-result.ts'
import { faultOutcome, StepFault } from './faults.ts'
import { forgetLoneAttempts, tryEachAlone } from './lone-attempts.ts'
import { deadlyOutcome } from './outcomes.ts'
import { failEvent, processBatch } from './process-batch.ts'
import type { SourceEvent, SourceEventOutcome } from './source-event.ts'
import { claimDueEvent } from './source-events.ts'

/** Normalises what was in work in some lanes at the death of a process, one event at a time, `perLane` at most of each. */
export async function normalizeEachAlone(
  deps: BatchDeps,
  clientId: string,
  { lanes, perLane }: { lanes: readonly number[]; perLane: number },
): Promise<BatchResult> {
  const { db, gate = createLoneGate() } = deps
  const results = await tryEachAlone(
    { db, gate },
    { clientId, lanes, perLane },
    {
      attempt: (id) => normalizeAlone(deps, clientId, id),
      fail: (id) => failAlone(deps, { clientId, id, outcomeOf: deadlyOutcome }),
    },
  )
  // What came meanwhile, and what lies behind the first of each lane: look again at once.
  return { ...mergeResults(results), sourceEventCount: Math.max(1, results.length) }
}

/** One event to its outcome; whatever of it cannot be done is its own fault. */
async function normalizeAlone(deps: BatchDeps, clientId: string, id: string): Promise<BatchResult> {
  try {
    return await commitAndReport(deps, async (tx) => {
      const processed = await processBatch(deps, tx, { clientId, claim: () => claimDueEvent(tx, clientId, id) })
      await forgetLoneAttempts(tx, clientId, id)
      return processed
    })
  } catch (error) {
    if (!(error instanceof StepFault)) throw error
    const { cause, step } = error
    return failAlone(deps, { clientId, id, cause, outcomeOf: (event) => faultOutcome(event, cause, step) })
  }
}

const failAlone = (
  deps: BatchDeps,
  {
    clientId,
    id,
    outcomeOf,
    cause,
  }: { clientId: string; id: string; outcomeOf: (event: SourceEvent) => SourceEventOutcome; cause?: unknown },
): Promise<BatchResult> =>
  commitAndReport(deps, async (tx) => {
    const [sourceEvent] = await claimDueEvent(tx, clientId, id)
    await forgetLoneAttempts(tx, clientId, id)
    return sourceEvent
      ? failEvent(deps, tx, { clientId, sourceEvent, outcome: outcomeOf(sourceEvent), cause })
      : NOTHING_TO_DO
  })
