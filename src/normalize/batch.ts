import type { Tx } from '../database/db.ts'
import { splitUntilAlone } from '../database/split-until-alone.ts'
import { createLoneGate } from '../workers/lone-gate.ts'
import {
  type BatchDeps,
  type BatchResults,
  commitAndReport,
  lockWaitOf,
  mergeResults,
  NOTHING_DUE,
  NOTHING_TO_DO,
  type ProcessedBatch,
} from './batch-result.ts'
import { claimDueEvents, type LanesOfClients } from './claim-events.ts'
import { faultOutcome, StepFault } from './faults.ts'
import { normalizeApart } from './lone-events.ts'
import { failEvent, processBatch } from './process-batch.ts'

/** Events per lane in one transaction. */
const LANE_LIMIT = 60
/** Events of all lanes in one transaction: what a client with many lanes, or many clients, take together. */
const BATCH_LIMIT = 480
/**
 * Normalises the due events of some lanes of clients of one group in one transaction: states, events, deliveries, snapshots, all or
 * nothing. An event that PostgreSQL or our own code cannot take must not hold up its neighbours: fewer and fewer clients are tried
 * together, then fewer events of each lane, then fewer lanes, until it stands alone and fails. Whatever repeats for a batch of one is that
 * event's; only what concerns the database or the process is tried again. After the death of a process with some of these lanes, what was
 * in work in them is tried apart from all else. Answers a result for each of the clients.
 */
export async function normalizeBatch(deps: BatchDeps, lanesOfClients: LanesOfClients): Promise<BatchResults> {
  const { gate = createLoneGate() } = deps
  const interrupted = new Set<string>()
  const parts = [
    new Map([...lanesOfClients.keys()].map((clientId) => [clientId, NOTHING_DUE])),
    await gate.runTogether(() => normalizeTogether(deps, lanesOfClients, interrupted)),
  ]
  const ofInterrupted = new Map([...lanesOfClients].filter(([clientId]) => interrupted.has(clientId)))
  if (ofInterrupted.size > 0) parts.push(await normalizeApart({ ...deps, gate }, ofInterrupted, LANE_LIMIT))
  return mergeResults(parts)
}

/** Adds the clients to `interrupted` of whose lanes a process has died. */
async function normalizeTogether(
  deps: BatchDeps,
  lanesOfClients: LanesOfClients,
  interrupted: Set<string>,
): Promise<BatchResults> {
  const commitSome: CommitSome = (some, perLane) =>
    commitAndReport(
      deps,
      (tx) =>
        processBatch(deps, tx, async () => {
          const claimed = await claimDueEvents(tx, some, { perLane, total: BATCH_LIMIT })
          for (const clientId of claimed.interrupted) interrupted.add(clientId)
          return claimed
        }),
      lockWaitOf(some.size),
    )
  const results = await splitUntilAlone<[string, readonly number[]], BatchResults>([...lanesOfClients], {
    work: async (some) => [await commitSome(new Map(some), LANE_LIMIT)],
    isItemsFault: (error) => error instanceof StepFault,
    onAlone: ([clientId, lanes]) => normalizeNarrower(deps, commitSome, { clientId, lanes }),
  })
  return mergeResults(results)
}

/** Commits a batch of so many events of each lane. */
type CommitSome = (some: LanesOfClients, perLane: number) => Promise<BatchResults>

/** An event of this client stops its batch: fewer are tried. */
async function normalizeNarrower(
  deps: BatchDeps,
  commitSome: CommitSome,
  { clientId, lanes }: { clientId: string; lanes: readonly number[] },
): Promise<BatchResults> {
  for (let perLane = Math.ceil(LANE_LIMIT / 2); perLane > 1; perLane = Math.ceil(perLane / 2))
    try {
      return await commitSome(new Map([[clientId, lanes]]), perLane)
    } catch (error) {
      if (!(error instanceof StepFault)) throw error
    }
  const results = await splitUntilAlone<number, BatchResults>(lanes, {
    work: async (some) => [await commitSome(new Map([[clientId, some]]), 1)],
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
  const { ofClients } = await claimDueEvents(tx, new Map([[clientId, [lane]]]), { perLane: 1, total: 1 })
  const [sourceEvent] = ofClients.get(clientId) ?? []
  if (!sourceEvent) return NOTHING_TO_DO
  // Another one has become due before it: that one is looked at first.
  if (sourceEvent.id !== fault.sourceEventId)
    return { results: new Map([[clientId, { ...NOTHING_DUE, sourceEventCount: 1 }]]), report: null }
  return failEvent(deps, tx, {
    ...{ clientId, sourceEvent, outcome: faultOutcome(sourceEvent, fault.cause, fault.step) },
    cause: fault.cause,
  })
}
