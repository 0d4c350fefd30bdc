import type { Client } from './client.ts'
import { nextDue } from './due.ts'
import { isIdle, type Pump } from './pump.ts'
import type { Shared } from './shared.ts'
import { endpointUnit } from './units.ts'

const RELEASE_AFTER_MS = 3_000

/**
 * Looks over the pumps that have fallen asleep: sets the retry clock to what comes due next, and gives back the leases of
 * those that have been idle for a while, so that another process can have the endpoint.
 */
export async function tidy(shared: Shared, client: Client): Promise<void> {
  const asleep = [...client.pumps.values()].filter((pump) => !pump.more && !pump.stale && pump.halted === null)
  await setClock(
    shared,
    client,
    asleep.filter((pump) => !pump.clocked),
  )
  const before = performance.now() - RELEASE_AFTER_MS
  const unneeded = asleep.filter((pump) => pump.clocked && isIdle(pump) && pump.lastBusy < before)
  if (unneeded.length === 0) return
  // Forgotten before they are given back: a wake that comes meanwhile claims them anew.
  for (const pump of unneeded) client.drop(pump)
  await shared.worker.release(
    client.id,
    unneeded.map((pump) => endpointUnit(pump.endpointId)),
  )
}

async function setClock({ db, now, backstop }: Shared, { id, clock }: Client, pumps: Pump[]): Promise<void> {
  if (pumps.length === 0) return
  for (const pump of pumps) pump.clocked = true
  for (const { endpointId, seconds } of await nextDue(db, id, pumps)) clock.set(endpointId, seconds)
  const seconds = clock.next()
  if (seconds !== null) backstop(id, new Date(now().getTime() + seconds * 1000))
}
