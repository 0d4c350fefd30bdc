import type { ClientDeliveries, DeliverContext } from './context.ts'
import { leaseUnitOf } from './queue/lease-units.ts'
import { findNextDue } from './queue/next-due.ts'
import { hasNothingToRead, isPumpIdle, type Pump } from './queue/pump.ts'

const RELEASE_AFTER_MS = 3_000

/**
 * Looks at the pumps that have nothing to read: sets the retry clock to what comes due next, and releases the leases of
 * those that have been idle for 3 s, so that another process can have the endpoint.
 */
export async function releaseIdle(shared: DeliverContext, client: ClientDeliveries): Promise<void> {
  const asleep = [...client.pumps.values()].filter(hasNothingToRead)
  await setRetryClock(
    shared,
    client,
    asleep.filter((pump) => !pump.isOnClock),
  )
  const before = performance.now() - RELEASE_AFTER_MS
  const unneeded = asleep.filter((pump) => pump.isOnClock && isPumpIdle(pump) && pump.lastBusyAt < before)
  // Dropped before they are released: a wake that comes in between claims them again.
  for (const pump of unneeded) client.dropPump(pump)
  await releasePumps(shared, client, unneeded)
}

/** Saves the health of the endpoints, for the process that leases them next, and releases their leases. */
export async function releasePumps({ worker }: DeliverContext, client: ClientDeliveries, pumps: Pump[]): Promise<void> {
  if (pumps.length === 0) return
  await Promise.all(pumps.map(({ endpoint, starts }) => endpoint && client.saveHealth({ endpoint, starts })))
  await worker.releaseUnits(pumps.map(({ clientId, endpointId }) => ({ clientId, unit: leaseUnitOf(endpointId) })))
}

async function setRetryClock(
  { db, now, scheduleBackstop, oldestPending }: DeliverContext,
  { id, clock }: ClientDeliveries,
  pumps: Pump[],
): Promise<void> {
  if (pumps.length === 0) return
  for (const pump of pumps) pump.isOnClock = true
  const queues = pumps.flatMap(({ endpointId, firstAttempts, retries }) =>
    [firstAttempts, retries].map(({ holdsRetries, asOf }) => ({ endpointId, areRetries: holdsRetries, asOf })),
  )
  for (const { endpointId, seconds } of await findNextDue(db, id, queues, oldestPending))
    clock.setDue(endpointId, seconds)
  const seconds = clock.secondsUntilNext()
  if (seconds !== null) scheduleBackstop(id, new Date(now().getTime() + seconds * 1000))
}
