import { isDatabaseAway } from '../database/db.ts'
import { splitUntilAlone } from '../database/split-until-alone.ts'
import type { DeliverContext, GroupDeliveries } from './context.ts'
import { leaseUnitOf } from './queue/lease-units.ts'
import { findNextDue, type NextDue } from './queue/next-due.ts'
import { hasNothingToRead, isPumpIdle, type Pump } from './queue/pump.ts'

const RELEASE_AFTER_MS = 3_000
/** So many pumps are asked about in one statement. */
const ASK_MAX = 1_000

/**
 * Looks at the pumps that have nothing to read: sets the retry clock to what comes due next, and releases the leases of
 * those that have been idle for 3 s, so that another process can have the endpoint.
 */
export async function releaseIdle(shared: DeliverContext, group: GroupDeliveries): Promise<void> {
  const asleep = [...group.pumps.values()].filter(hasNothingToRead)
  const unset = asleep.filter((pump) => !pump.isOnClock)
  for (let at = 0; at < unset.length; at += ASK_MAX) await setRetryClock(shared, group, unset.slice(at, at + ASK_MAX))
  const before = performance.now() - RELEASE_AFTER_MS
  const unneeded = asleep.filter((pump) => pump.isOnClock && isPumpIdle(pump) && pump.lastBusyAt < before)
  // Dropped before they are released: a wake that comes in between claims them again.
  for (const pump of unneeded) group.dropPump(pump)
  await releasePumps(shared, group, unneeded)
}

/** Saves the health of the endpoints, for the process that leases them next, and releases their leases. */
export async function releasePumps({ worker }: DeliverContext, group: GroupDeliveries, pumps: Pump[]): Promise<void> {
  if (pumps.length === 0) return
  await Promise.all(
    pumps.map(({ clientId, endpoint, starts }) => endpoint && group.saveHealth({ clientId, endpoint, starts })),
  )
  await worker.releaseUnits(pumps.map(({ clientId, endpointId }) => ({ clientId, unit: leaseUnitOf(endpointId) })))
}

async function setRetryClock(
  shared: DeliverContext,
  { clock }: GroupDeliveries,
  pumps: readonly Pump[],
): Promise<void> {
  for (const pump of pumps) pump.isOnClock = true
  const found = await splitUntilAlone<Pump, NextDue[]>(pumps, {
    work: (some) => findNextOf(shared, some),
    isItemsFault: (error) => !isDatabaseAway(error),
    onAlone({ clientId, endpointId }, error) {
      // The sweep finds what comes due there.
      shared.log.error({ err: error, clientId, endpointId }, 'delivery.clock_not_set')
      return []
    },
  }).catch((error) => {
    for (const pump of pumps) pump.isOnClock = false
    throw error
  })
  for (const { seconds, ...endpoint } of found.flat()) clock.setDue(endpoint, seconds)
  for (const clientId of new Set(pumps.map((pump) => pump.clientId))) {
    const seconds = clock.secondsUntilNextOf(clientId)
    if (seconds !== null) shared.scheduleBackstop(clientId, new Date(shared.now().getTime() + seconds * 1000))
  }
}

/** For each pump what comes due next of its first attempts and of its retries. */
async function findNextOf(
  { db, oldestPending }: Pick<DeliverContext, 'db' | 'oldestPending'>,
  pumps: readonly Pump[],
): Promise<NextDue[][]> {
  const queues = pumps.flatMap(({ clientId, endpointId, firstAttempts, retries }) =>
    [firstAttempts, retries].map(({ holdsRetries: areRetries, asOf }) => ({ clientId, endpointId, areRetries, asOf })),
  )
  const byEndpoint = Map.groupBy(await findNextDue(db, queues, oldestPending), ({ endpointId }) => endpointId)
  return pumps.map(({ endpointId }) => byEndpoint.get(endpointId) ?? [])
}
