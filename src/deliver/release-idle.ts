import type { Client, Shared } from './context.ts'
import { endpointUnit } from './queue/lease-units.ts'
import { nextDue } from './queue/next-due.ts'
import { isAsleep, isUnneeded, type Pump } from './queue/pump.ts'

const RELEASE_AFTER_MS = 3_000

/**
 * Looks over the pumps that have fallen asleep: sets the retry clock to what comes due next, and gives back the leases of
 * those that have been idle for a while, so that another process can have the endpoint.
 */
export async function tidy(shared: Shared, client: Client): Promise<void> {
  const asleep = [...client.pumps.values()].filter(isAsleep)
  await setClock(
    shared,
    client,
    asleep.filter((pump) => !pump.clocked),
  )
  const before = performance.now() - RELEASE_AFTER_MS
  const unneeded = asleep.filter((pump) => pump.clocked && isUnneeded(pump) && pump.lastBusy < before)
  // Forgotten before they are given back: a wake that comes meanwhile claims them anew.
  for (const pump of unneeded) client.drop(pump)
  await giveBack(shared, client, unneeded)
}

/** Writes down how the endpoints fared, for whoever has them next, and gives back their leases. */
export async function giveBack({ worker }: Shared, client: Client, pumps: Pump[]): Promise<void> {
  if (pumps.length === 0) return
  await Promise.all(pumps.map(({ endpoint, starts }) => endpoint && client.keep({ endpoint, starts })))
  await worker.release(
    client.id,
    pumps.map((pump) => endpointUnit(pump.endpointId)),
  )
}

async function setClock({ db, now, backstop, floor }: Shared, { id, clock }: Client, pumps: Pump[]): Promise<void> {
  if (pumps.length === 0) return
  for (const pump of pumps) pump.clocked = true
  const queues = pumps.flatMap(({ endpointId, first, again }) =>
    [first, again].map(({ retries, asOf }) => ({ endpointId, retries, asOf })),
  )
  for (const { endpointId, seconds } of await nextDue(db, id, queues, floor)) clock.set(endpointId, seconds)
  const seconds = clock.next()
  if (seconds !== null) backstop(id, new Date(now().getTime() + seconds * 1000))
}
