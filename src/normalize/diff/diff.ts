import type { ContractMappings } from '../../../mappings/offer.ts'
import type { Queryable } from '../../database/db.ts'
import { createComparison, type DiffCounts } from './comparison.ts'
import type { SourceEventDifference } from './differences.ts'
import { createScratchWorld, type ScratchOutcome } from './scratch-world.ts'
import { readPages } from './window.ts'

/** What the comparison of one client's window came to. */
export interface DiffTotals {
  /** Source events normalised once more. */
  examined: number
  /** Those whose bytes are past their retention. */
  withoutBody: number
  events: DiffCounts
}

interface DiffDeps {
  db: Queryable
  mappings: ContractMappings
  holdSeconds: number
  /** Objects kept in memory at once; the others lie in a file. */
  maxObjects?: number
}

/**
 * Normalises a client's stored source events once more with the mappings at hand, in the order they were received, in a scratch
 * world that starts as the client's was at `since`, and compares what comes of it with what is stored, by business key and
 * body. Without `until` it ends with the last one received so far. Writes nothing. Each source event that would become something else is passed to `onDifference`.
 */
export async function diffClient(
  deps: DiffDeps,
  clientId: string,
  { since, until }: { since: Date; until?: Date | undefined },
  {
    onDifference,
    onProgress = () => {},
  }: { onDifference: (difference: SourceEventDifference) => void; onProgress?: (examined: number) => void },
): Promise<DiffTotals> {
  const { db } = deps
  const bounds = await loadBounds(db, clientId, since, until)
  const world = createScratchWorld(deps, clientId, { since, floor: bounds.floor })
  const comparison = createComparison(db, clientId, bounds, onDifference)
  let [examined, withoutBody] = [0, 0]
  try {
    for await (const page of readPages(db, clientId, bounds)) {
      const readable = page.filter(({ sourceEvent }) => sourceEvent.body !== null)
      await world.prepareFor(readable.map(({ sourceEvent }) => sourceEvent))
      const outcomes: ScratchOutcome[] = []
      for (const { sourceEvent } of readable) outcomes.push(...(await world.normalizeNext(sourceEvent)))
      await comparison.comparePage(readable, outcomes)
      examined += readable.length
      withoutBody += page.length - readable.length
      onProgress(examined)
    }
    return { examined, withoutBody, events: await comparison.finishComparison(await world.finishHeld()) }
  } finally {
    world.close()
  }
}

/** The ids of the window: what stands before its first source event, and its last. */
async function loadBounds(db: Queryable, clientId: string, since: Date, until: Date | undefined) {
  // By the ids and not by our clock: the receiver's may be another one.
  const { rows } = await db.query(
    `select uuid7_floor($2) as floor,
            coalesce(uuid7_floor($3), (select id from source_events where client_id = $1 order by id desc limit 1),
                     uuid7_floor($2)) as ceiling`,
    [clientId, since, until ?? null],
  )
  return rows[0] as { floor: string; ceiling: string }
}
