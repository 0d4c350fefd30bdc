import type { Tx } from '../database/db.ts'
import { splitUntilAlone } from '../database/split-until-alone.ts'
import { createLoneGate } from '../workers/lone-gate.ts'
import {
  type BatchDeps,
  type BatchResult,
  commitAndReport,
  mergeResults,
  NOTHING_DUE,
  NOTHING_TO_DO,
  type ProcessedBatch,
} from './batch-result.ts'
import { faultOutcome, StepFault } from './faults.ts'
import { normalizeEachAlone } from './lone-events.ts'
import { failEvent, processBatch } from './process-batch.ts'
import { claimDueEvents } from './source-events.ts'

/** Events per lane in one transaction. */
const LANE_LIMIT = 60

/**
 * Normalises the due events of some lanes of clients of one group in one transaction: states, events, deliveries, snapshots, all or
 * nothing. An event that PostgreSQL or our own code cannot take must not hold up its neighbours: fewer and fewer events of
 * each lane are tried, then fewer lanes, until it stands alone and fails. Whatever repeats for a batch of one is that event's;
 * only what concerns the database or the process is tried again. After the death of a process with some of these lanes, what was
 * in work there is tried one event at a time. Answers a result for each of the clients.
 */
export async function normalizeBatch(
  deps: BatchDeps,
  lanesOfClients: ReadonlyMap<string, readonly number[]>,
): Promise<ReadonlyMap<string, BatchResult>> {
  const results = new Map<string, BatchResult>()
  for (const [clientId, lanes] of lanesOfClients) results.set(clientId, await normalizeClient(deps, clientId, lanes))
  return results
}

async function normalizeClient(deps: BatchDeps, clientId: string, lanes: readonly number[]): Promise<BatchResult> {
  const { gate = createLoneGate() } = deps
  try {
    return await gate.runTogether(() => normalizeTogether(deps, clientId, lanes))
  } catch (error) {
    if (!(error instanceof InterruptedLanes)) throw error
  }
  return normalizeEachAlone({ ...deps, gate }, clientId, { lanes, perLane: LANE_LIMIT })
}

/** A process died with these lanes: what was in work there is tried alone. */
class InterruptedLanes extends Error {}

async function normalizeTogether(deps: BatchDeps, clientId: string, lanes: readonly number[]): Promise<BatchResult> {
  const claimOf = (some: readonly number[], laneLimit: number) => async (tx: Tx) => {
    const { sourceEvents, areInterrupted } = await claimDueEvents(tx, clientId, some, laneLimit)
    if (areInterrupted) throw new InterruptedLanes()
    return sourceEvents
  }
  for (let laneLimit = LANE_LIMIT; laneLimit > 1; laneLimit = Math.ceil(laneLimit / 2))
    try {
      return await commitAndReport(deps, (tx) => processBatch(deps, tx, { clientId, claim: claimOf(lanes, laneLimit) }))
    } catch (error) {
      if (!(error instanceof StepFault)) throw error
    }
  const results = await splitUntilAlone<number, BatchResult>(lanes, {
    work: async (some) => [
      await commitAndReport(deps, (tx) => processBatch(deps, tx, { clientId, claim: claimOf(some, 1) })),
    ],
    isItemsFault: (error) => error instanceof StepFault,
    onAlone: (lane, fault) =>
      commitAndReport(deps, (tx) => failFirstDue(deps, tx, { clientId, lane, fault: fault as StepFault })),
  })
  return mergeResults(results)
}

/** The lane's first due event could not be written, and trying again would not help: it fails with the reason, and can be normalised again. */
async function failFirstDue(
  deps: BatchDeps,
  tx: Tx,
  { clientId, lane, fault }: { clientId: string; lane: number; fault: StepFault },
): Promise<ProcessedBatch> {
  const { sourceEvents } = await claimDueEvents(tx, clientId, [lane], 1)
  const [sourceEvent] = sourceEvents
  if (!sourceEvent) return NOTHING_TO_DO
  // Another one has become due before it: that one is looked at first.
  if (sourceEvent.id !== fault.sourceEventId) return { result: { ...NOTHING_DUE, sourceEventCount: 1 }, report: null }
  return failEvent(deps, tx, {
    ...{ clientId, sourceEvent, outcome: faultOutcome(sourceEvent, fault.cause, fault.step) },
    cause: fault.cause,
  })
}
