import type { CreatedDelivery } from '../domain/created-delivery.ts'
import { FANOUT_ORIGIN } from '../domain/ids.ts'
import type { DeliverContext } from './context.ts'
import type { DueDelivery } from './queue/due-deliveries.ts'
import type { Pump } from './queue/pump.ts'
import { addRows, hasReadAll } from './queue/queue.ts'
import type { RecentIds } from './queue/recent-ids.ts'

/** What is handed over later than this after it was made is read instead; it is also how long ids are remembered that were in hand. */
export const HANDED_WITHIN_MS = 1_000

interface TakeDeps extends Pick<DeliverContext, 'limits' | 'rememberBody'> {
  /** Read and not recorded. */
  inHandIds: Set<string>
  /** In hand of late, and no more. */
  recentIds: RecentIds
}

/**
 * Takes over deliveries of one pump that were made in this process, as if they had just been read; answers whether it could. They are
 * a hint: the rows are in the database, and where there is a doubt they are read there. The pump must have read all that was there
 * before, know its endpoint, and have room; where each user's order is kept, only a reading tells who is first
 * (docs/adr/0050-hand-new-deliveries-to-the-pump.md).
 */
export function takeCreated(
  { limits, rememberBody, inHandIds, recentIds }: TakeDeps,
  pump: Pump,
  created: readonly CreatedDelivery[],
): boolean {
  const { clientId, endpoint, haltReason, firstAttempts } = pump
  if (haltReason !== null || endpoint === null || endpoint.isOrdered || endpoint.isClosed) return false
  if (!hasReadAll(firstAttempts) || firstAttempts.inHand + created.length > limits.limitOf(clientId)) return false
  // What was made before the pump was, another process may have sent.
  const since = Math.max(pump.claimedAt, performance.now() - HANDED_WITHIN_MS)
  if (created.some(({ madeAt }) => madeAt < since)) return false
  const fresh = created.filter(({ id }) => !recentIds.hasId(id))
  for (const { eventId, body, sourceEventId } of fresh)
    if (body !== undefined && sourceEventId !== undefined) rememberBody({ clientId, eventId }, body, sourceEventId)
  addRows(
    firstAttempts,
    fresh.map((one): DueDelivery => rowOf(clientId, one)),
    inHandIds,
  )
  return true
}

const rowOf = (clientId: string, { id, eventId, eventType, madeAt }: CreatedDelivery): DueDelivery => ({
  clientId,
  id,
  eventId,
  eventType,
  origin: FANOUT_ORIGIN,
  attempts: 0,
  excused: 0,
  isFirstOfUser: false,
  readAt: madeAt,
  readOrder: 0,
})
