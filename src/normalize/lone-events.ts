import { createLoneGate } from '../workers/lone-gate.ts'
import {
  type BatchDeps,
  type BatchResults,
  commitAndReport,
  mergeResults,
  NOTHING_DUE,
  NOTHING_TO_DO,
} from './batch-result.ts'
import { claimDueEvent } from './claim-events.ts'
import { faultOutcome, StepFault } from './faults.ts'
import { forgetLoneAttempts, tryEachAlone } from './lone-attempts.ts'
import { deadlyOutcome } from './outcomes.ts'
import { failEvent, processBatch } from './process-batch.ts'
import type { SourceEvent, SourceEventOutcome } from './source-event.ts'

/** Normalises what was in work in some lanes at the death of a process, one event at a time, `perLane` at most of each. */
export async function normalizeEachAlone(
  deps: BatchDeps,
  clientId: string,
  { lanes, perLane }: { lanes: readonly number[]; perLane: number },
): Promise<BatchResults> {
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
  const again = results.length > 0 ? NOTHING_DUE : { ...NOTHING_DUE, sourceEventCount: 1 }
  return mergeResults([...results, new Map([[clientId, again]])])
}

/** One event to its outcome; whatever of it cannot be done is its own fault. */
async function normalizeAlone(deps: BatchDeps, clientId: string, id: string): Promise<BatchResults> {
  try {
    return await commitAndReport(deps, async (tx) => {
      const processed = await processBatch(deps, tx, async () => {
        const claimed = await claimDueEvent(tx, clientId, id)
        return { ofClients: new Map(claimed.length > 0 ? [[clientId, claimed]] : []), leftOver: new Set() }
      })
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
): Promise<BatchResults> =>
  commitAndReport(deps, async (tx) => {
    const [sourceEvent] = await claimDueEvent(tx, clientId, id)
    await forgetLoneAttempts(tx, clientId, id)
    return sourceEvent
      ? failEvent(deps, tx, { clientId, sourceEvent, outcome: outcomeOf(sourceEvent), cause })
      : NOTHING_TO_DO
  })
