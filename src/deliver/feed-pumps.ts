import { isDatabaseAway } from '../database/db.ts'
import { splitUntilAlone } from '../database/split-until-alone.ts'
import { readBodiesAhead } from './attempt/event-bodies.ts'
import type { DeliverContext } from './context.ts'
import { type DueQuery, type DueResult, readDueDeliveries } from './queue/due-deliveries.ts'
import type { Pump } from './queue/pump.ts'
import { nextQuery, type Queue, queueNeedsRows } from './queue/queue.ts'

/** One reading takes so many queues, and asks for so many rows, of whatever clients: who waits for it never waits long. */
const READING = { queues: 1_000, rows: 5_000 }

/** A queue that is to be read, and what for. */
export interface WantedRows {
  pump: Pump
  queue: Queue
  query: DueQuery
  /** As it was when the reading began. */
  rewindCount: number
}

/**
 * The queues that the next reading is for: those that need rows, of all clients in turn, so that a client with many does not hold up
 * the others. `isMore`: there are others left.
 */
export function chooseQueues(
  pumps: Iterable<Pump>,
  limitOf: (clientId: string) => number,
): { wanted: WantedRows[]; isMore: boolean } {
  const byClient = new Map<string, { limit: number; queues: { pump: Pump; queue: Queue }[] }>()
  for (const pump of pumps) {
    if (pump.haltReason !== null) continue
    const { clientId } = pump
    const client = byClient.get(clientId) ?? { limit: limitOf(clientId), queues: [] }
    for (const queue of [pump.firstAttempts, pump.retries])
      if (queueNeedsRows(queue, client.limit)) client.queues.push({ pump, queue })
    if (client.queues.length > 0) byClient.set(clientId, client)
  }
  const wanted: WantedRows[] = []
  let rows = 0
  for (let round = 0, left = [...byClient.values()]; left.length > 0; round += 1) {
    for (const { limit, queues } of left) {
      const next = queues[round]
      if (!next) continue
      if (wanted.length >= READING.queues || rows >= READING.rows) return { wanted, isMore: true }
      const { pump, queue } = next
      const query = nextQuery(
        { clientId: pump.clientId, endpointId: pump.endpointId, isNew: !pump.endpoint },
        queue,
        limit,
      )
      wanted.push({ pump, queue, query, rewindCount: queue.rewindCount })
      rows += query.limit
    }
    left = left.filter(({ queues }) => queues.length > round + 1)
  }
  return { wanted, isMore: false }
}

type ReadDeps = Pick<DeliverContext, 'db' | 'oldestPending' | 'loadEventBodies'>

/**
 * Reads what the queues want, with the bodies of their events. What cannot be read is the fault of its own queue: `onUnreadable` gets
 * it, and its result is null.
 */
export async function readQueues(
  { db, oldestPending, loadEventBodies }: ReadDeps,
  wanted: readonly WantedRows[],
  onUnreadable: (one: WantedRows, error: unknown) => void,
): Promise<(DueResult | null)[]> {
  const reads = await splitUntilAlone<WantedRows, DueResult | null>(wanted, {
    work: (some) =>
      readDueDeliveries(
        db,
        some.map(({ query }) => query),
        oldestPending,
      ),
    isItemsFault: (error) => !isDatabaseAway(error),
    onAlone(one, error) {
      onUnreadable(one, error)
      return null
    },
  })
  // Loaded here, hundreds at once, they are cached when the attempts start. One that cannot be read is met by its own start check.
  await readBodiesAhead(
    loadEventBodies,
    reads.flatMap((read) => read?.rows ?? []),
  ).catch((error) => {
    if (isDatabaseAway(error)) throw error
  })
  return reads
}
