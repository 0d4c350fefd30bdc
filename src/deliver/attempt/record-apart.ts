import { setTimeout as delay } from 'node:timers/promises'
import { isLockTimeout } from '../../database/db.ts'
import type { Log } from '../../log.ts'
import { type AddToBatch, createBatcher } from '../../workers/batcher.ts'
import { createGrowingPause } from '../../workers/growing-pause.ts'
import type { AttemptMade, LaterResult, RecordResult } from './attempt-made.ts'

const BATCH_MAX = 500
/** So many tries run at once: each waits for a lock on a connection of its own. */
const AT_ONCE = 2

interface ApartDeps {
  log: Log
  canRetryRecording: () => boolean
  /** Throws when rows are locked. */
  recordBatch: (batch: readonly AttemptMade[]) => Promise<LaterResult[]>
}

/**
 * Records the attempts of clients of which rows are locked, each client by itself and in its order, so that nobody else waits for
 * them. `has` says whether a client has attempts here: its next ones belong here too.
 */
export function createApartRecorder({ log, canRetryRecording, recordBatch }: ApartDeps) {
  const clients = new Map<string, { waiting: number; addToBatch: AddToBatch<AttemptMade, LaterResult> }>()
  const takeTurn = createBatcher<() => Promise<LaterResult[]>, LaterResult[]>(
    (turns) => Promise.all(turns.map((turn) => turn())),
    { max: 1, inFlight: AT_ONCE },
  )
  const recordUnlocked = async (clientId: string, batch: readonly AttemptMade[]): Promise<LaterResult[]> => {
    const pause = createGrowingPause()
    for (;;) {
      try {
        return await takeTurn(() => recordBatch(batch))
      } catch (error) {
        if (!isLockTimeout(error)) throw error
        log.warn({ clientId, attempts: batch.length }, 'delivery.record_locked')
        if (!canRetryRecording()) return batch.map(() => ({ later: 'lost' }))
        await delay(pause.next())
      }
    }
  }
  const newClient = (clientId: string) => {
    const addToBatch = createBatcher<AttemptMade, LaterResult>((batch) => recordUnlocked(clientId, batch), {
      max: BATCH_MAX,
    })
    return { waiting: 0, addToBatch }
  }
  return {
    has: (clientId: string): boolean => clients.has(clientId),
    async add(made: AttemptMade): Promise<RecordResult> {
      const { clientId } = made.delivery
      const client = clients.get(clientId) ?? newClient(clientId)
      clients.set(clientId, client)
      client.waiting += 1
      try {
        const { later } = await client.addToBatch(made)
        return await later
      } finally {
        client.waiting -= 1
        if (client.waiting === 0) clients.delete(clientId)
      }
    },
  }
}
