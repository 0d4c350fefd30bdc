import { type Db, inTransaction } from '../../database/db.ts'
import { firstRow } from '../../database/rows.ts'
import type { KeyRing } from '../../secrets/keyring.ts'
import { createLeasedRuns, type LeasedRuns, type LeasedRunsDeps, type StopSignal } from '../../workers/leased-runs.ts'
import { clientSteps } from './client-steps.ts'
import {
  endPass,
  listClientsWithDeletions,
  type OpenDeletion,
  readDueDeletions,
  readNextPasses,
  saveProgress,
} from './open-deletions.ts'
import { payloadSteps } from './payload-steps.ts'
import { eraseReplies } from './replies.ts'
import { sourceSteps } from './source-steps.ts'
import type { DeletionStep } from './step.ts'
import { userSteps } from './user-steps.ts'

interface EraserDeps extends LeasedRunsDeps {
  db: Db
  keyRing: KeyRing
  /** What was under way at the reply has ended after so long: then all is looked through a last time. */
  deletionGraceSeconds?: number
}

const GRACE_SECONDS = 600

/**
 * Starts the room that deletes the rows of what was deleted on request: at once, each deletion in one process at a time, in batches of
 * a transaction each. After `kill -9` another process goes on where the last batch ended.
 */
export const startEraser = (deps: EraserDeps): LeasedRuns =>
  createLeasedRuns(deps, {
    name: 'erase',
    readDueRuns: (clientIds) => readDueDeletions(deps.db, clientIds),
    readNextDue: (clientIds) => readNextPasses(deps.db, clientIds),
    readClients: () => listClientsWithDeletions(deps.db),
    workOn: (deletion, stop) => runPass(deps, deletion, stop),
  })

/** One look through everything that the deletion takes. */
export async function runPass(
  deps: Pick<EraserDeps, 'db' | 'log' | 'keyRing' | 'deletionGraceSeconds'>,
  deletion: OpenDeletion,
  stop: Pick<StopSignal, 'isStopped' | 'pause'>,
): Promise<void> {
  const { db, log, keyRing, deletionGraceSeconds = GRACE_SECONDS } = deps
  const { rows } = await db.query<{ now: Date }>('select now() as now')
  const begunAt = firstRow(rows).now
  for (const step of stepsOf(deletion)) {
    let reached: readonly string[] | null = deletion.position[step.name] ?? null
    do {
      if (stop.isStopped()) return
      const startedAt = performance.now()
      const from = reached
      const progress = await inTransaction(db, async (tx) => {
        const done = await step.deleteSome(tx, from)
        if (done.deleted > 0 || done.reached) await saveProgress(tx, deletion, { step: step.name, ...done })
        return done
      })
      reached = progress.reached
      // As long as it has worked: live traffic needs the database more.
      if (reached) await stop.pause(performance.now() - startedAt)
    } while (reached)
  }
  if (deletion.kind === 'user' || deletion.kind === 'source') await eraseReplies({ db, keyRing }, deletion)
  const { isFinished } = await endPass(db, deletion, begunAt, deletionGraceSeconds)
  const { clientId, id, kind } = deletion
  if (isFinished) log.info({ clientId, deletionId: id, kind }, 'deletion.finished')
}

function stepsOf({ kind, clientId, subjectId, looksFor }: OpenDeletion): DeletionStep[] {
  switch (kind) {
    case 'client':
      return clientSteps(clientId, looksFor?.routeNames)
    case 'source':
      return sourceSteps(clientId, subjectId)
    case 'user':
      return looksFor ? userSteps(clientId, subjectId, looksFor) : []
    case 'payload':
      return payloadSteps(clientId, subjectId)
    default:
      return kind satisfies never
  }
}
