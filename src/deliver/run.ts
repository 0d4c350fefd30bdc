import { attempt } from './attempt.ts'
import type { Client } from './client.ts'
import { closeWaiting, disableGone, endPending } from './close.ts'
import type { Due } from './due.ts'
import type { Endpoint } from './endpoint.ts'
import { needsRows, type Pump } from './pump.ts'
import type { Verdict } from './ready.ts'
import type { Made } from './record.ts'
import type { Shared } from './shared.ts'

/** Whether the pump's next delivery may start, with `cap` in flight at most. */
export const startable = (pump: Pump, cap: number): boolean =>
  pump.waiting.length > 0 && pump.inFlight < cap && pump.halted === null

/**
 * Starts the pump's next delivery and sees it through: asked for, sent, recorded, forgotten. Never rejects: what goes wrong
 * on our side is logged, the delivery stays due, and the pump pauses.
 */
export async function runNext(shared: Shared, client: Client, pump: Pump): Promise<void> {
  const due = pump.waiting.shift()!
  shared.tasks.begin()
  pump.inFlight += 1
  let made: Made | null = null
  try {
    const verdict = await client.ready({ pump, due })
    if (!verdict.go) await turnedDown(shared, client, pump, due, verdict)
    else if (pump.halted !== 'lost' && !shared.stopping()) {
      made = await attempt(shared, client.id, verdict.endpoint, due, verdict.event)
      if (made.answer.outcome.kind === 'gone') await gone(shared, client, pump, verdict.endpoint)
    }
  } catch (error) {
    fault(shared, client, pump, error)
  }
  pump.inFlight -= 1
  shared.turns.freed(pump)
  // One that could not be recorded stays in hand: sending it again would be worse than leaving it to the next start.
  if (!made || (await recorded(shared, client, pump, made))) client.forget(pump, due.id)
  if (needsRows(pump, shared.room())) client.look()
  shared.tasks.end()
}

async function recorded({ log }: Shared, client: Client, pump: Pump, made: Made): Promise<boolean> {
  try {
    if (!(await client.record(made))) return false
  } catch (error) {
    log.error({ err: error, clientId: client.id, deliveryId: made.due.id }, 'delivery.record_failed')
    return false
  }
  if (made.nextDelaySeconds !== null) client.clock.set(pump.endpointId, made.nextDelaySeconds)
  // The endpoint was closed while the attempt was under way, and its delivery waits again.
  if (pump.endpoint?.closed && made.nextDelaySeconds !== null) client.wake([pump.endpointId])
  return true
}

async function turnedDown(
  shared: Shared,
  client: Client,
  pump: Pump,
  due: Due,
  verdict: Verdict & { go: false },
): Promise<void> {
  switch (verdict.why) {
    case 'lost':
      client.halt(pump, 'lost')
      return client.wake([pump.endpointId])
    case 'closed':
      return closePump(shared, client, pump)
    case 'filtered':
      return endPending(shared.db, client.id, due, 'skipped', 'filtered')
    case 'event_missing':
      return endPending(shared.db, client.id, due, 'cancelled', 'event_missing')
    case 'fault':
      throw verdict.error
    case 'settled':
  }
}

async function gone(shared: Shared, client: Client, pump: Pump, { id, version }: Endpoint): Promise<void> {
  if (!(await disableGone(shared.db, client.id, id, version))) return
  shared.log.warn({ clientId: client.id, endpointId: id }, 'endpoint.gone')
  closePump(shared, client, pump)
}

function fault({ log, logged }: Shared, client: Client, pump: Pump, error: unknown): void {
  if (!(error instanceof Error) || !logged.has(error))
    log.error({ err: error, clientId: client.id, endpointId: pump.endpointId }, 'delivery.fault')
  if (error instanceof Error) logged.add(error)
  if (!pump.halted) client.halt(pump, 'fault')
}

/** Ends what waits for a disabled or deleted endpoint; the pump starts nothing meanwhile. */
export function closePump(shared: Shared, client: Client, pump: Pump): void {
  if (pump.halted) return
  client.halt(pump, 'closing')
  pump.stale = false
  pump.more = false
  shared.tasks.begin()
  closeWaiting(shared.db, client.id, pump.endpointId)
    .then(
      (deliveries) => {
        if (pump.halted === 'closing') pump.halted = null
        if (pump.stale) client.look()
        shared.log.info({ clientId: client.id, endpointId: pump.endpointId, deliveries }, 'delivery.waiting_ended')
      },
      (error) => {
        if (pump.halted === 'closing') pump.halted = null
        fault(shared, client, pump, error)
      },
    )
    .finally(() => shared.tasks.end())
}
