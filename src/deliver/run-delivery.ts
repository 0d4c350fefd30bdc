import { attempt } from './attempt/attempt.ts'
import { closeWaiting, disable, endPending } from './attempt/end-deliveries.ts'
import { type Made, stateAfter } from './attempt/record.ts'
import type { Client, Shared } from './context.ts'
import type { Endpoint } from './endpoint/endpoint.ts'
import { count, isGivenUp } from './endpoint/health.ts'
import type { News } from './news.ts'
import type { Due } from './queue/due-deliveries.ts'
import { hasWaiting, isHungry, nextWaiting, type Pump, queueOf } from './queue/pump.ts'
import { putBack } from './queue/queue.ts'
import { AFTER_ANOTHER, ended, opensAt } from './queue/start-gate.ts'
import type { Verdict } from './start-check.ts'

/** Whether the pump's next delivery may start now. Where only time holds it up, a timer offers the pump again. */
export function startable({ now, turns }: Pick<Shared, 'now' | 'turns'>, pump: Pump): boolean {
  if (pump.halted !== null || !hasWaiting(pump)) return false
  if (pump.endpoint === null) return pump.inFlight < pump.ahead
  const asked = pump.inFlight - pump.sending
  if (pump.woken) return asked === 0
  const at = opensAt(pump, asked, now)
  if (at === 0) return true
  if (at === AFTER_ANOTHER) return false
  const ring = () => {
    pump.timer = undefined
    turns.offer(pump)
  }
  pump.timer ??= setTimeout(ring, at - now().getTime()).unref()
  return false
}

/**
 * Starts the pump's next delivery and sees it through: asked for, sent, recorded, forgotten. Never rejects: what goes wrong
 * on our side is logged, the delivery stays due, and the pump pauses.
 */
export async function runNext(shared: Shared, client: Client, pump: Pump): Promise<void> {
  const due = nextWaiting(pump)
  const known = pump.woken ? null : pump.endpoint
  const place = placeOf(shared, pump)
  shared.tasks.begin()
  pump.inFlight += 1
  let verdict: Verdict | undefined
  let made: Made | null = null
  try {
    verdict = await client.ready({ pump, due })
    if (pump.endpoint !== known) shared.turns.offer(pump)
    if (!verdict.go) await turnedDown(shared, client, pump, due, verdict)
    else made = await sent(shared, client, pump, due, verdict, place.slow)
  } catch (error) {
    fault(shared, client, pump, error)
  }
  pump.inFlight -= 1
  const isHeld = verdict?.go === false && verdict.why === 'held' && pump.halted === null
  if (isHeld) putBack(queueOf(pump, due), due)
  place.giveBack(made !== null)
  // One that could not be recorded stays in hand: sending it again would be worse than leaving it to the next start.
  if (!isHeld && (!made || (await recorded(shared, client, pump, made)))) client.forget(pump, due)
  // With the lease goes the right to say how the endpoint fares.
  if (verdict?.go && verdict.endpoint.health.unsaved === 'change' && pump.halted !== 'lost')
    await client.keep({ endpoint: verdict.endpoint, starts: pump.starts })
  if (isHungry(pump, shared.room())) client.look()
  shared.tasks.end()
}

/** The place that an attempt holds, given back when it ends; one that takes long steps aside before. */
function placeOf({ turns }: Shared, pump: Pump) {
  let isSlow = false
  let isAside = false
  return {
    slow() {
      isSlow = true
      pump.slow = true
      isAside = turns.stepAside(pump)
    },
    giveBack(wasSent: boolean) {
      if (wasSent) pump.slow = isSlow
      if (isAside) turns.ended(pump)
      else turns.freed(pump)
    },
  }
}

async function sent(
  shared: Shared,
  client: Client,
  pump: Pump,
  due: Due,
  verdict: Verdict & { go: true },
  slow: () => void,
): Promise<Made | null> {
  const { endpoint, event } = verdict
  try {
    if (pump.halted === 'lost' || shared.stopping()) return null
    const made = await attempt(shared, client.id, endpoint, due, event, slow)
    await judge(shared, client, pump, endpoint, made).catch((error) => fault(shared, client, pump, error))
    return made
  } finally {
    ended(pump, verdict)
  }
}

/** What the attempt says of its endpoint, which may be the end of it. */
async function judge(
  shared: Shared,
  client: Client,
  pump: Pump,
  endpoint: Endpoint,
  { answer: { outcome, startedAt } }: Made,
): Promise<void> {
  const now = shared.now().getTime()
  count(endpoint.health, outcome, startedAt.getTime(), now)
  const reason = outcome.kind === 'gone' ? 'gone' : isGivenUp(endpoint.health, now) ? 'failing' : null
  if (reason === null || !(await disable(shared.db, client.id, endpoint, reason))) return
  shared.log.warn({ clientId: client.id, endpointId: endpoint.id, reason }, 'endpoint.disabled')
  shared.watch?.changed?.({ clientId: client.id, endpointId: endpoint.id, what: 'disabled', reason })
  closePump(shared, client, pump)
}

async function recorded({ log }: Shared, client: Client, pump: Pump, made: Made): Promise<boolean> {
  const { due, nextDelaySeconds } = made
  try {
    const written = await client.record({ ...made, exhausted: exhaustion(client, pump, made) })
    if (written === 'lost') return false
  } catch (error) {
    log.error({ err: error, clientId: client.id, deliveryId: due.id }, 'delivery.record_failed')
    return false
  }
  if (nextDelaySeconds !== null) client.clock.set(pump.endpointId, nextDelaySeconds)
  // The user's next one may go now.
  else if (pump.endpoint?.ordered) client.wake([pump.endpointId])
  // The endpoint was closed while the attempt was under way, and its delivery waits again.
  if (pump.endpoint?.closed && nextDelaySeconds !== null) client.wake([pump.endpointId])
  return true
}

/** What to tell of a delivery that this attempt ends in vain; null: it does not. */
function exhaustion({ id: clientId }: Client, { endpointId, endpoint }: Pump, made: Made): News | null {
  const { due, number, answer } = made
  if (stateAfter(made) !== 'failed' || answer.outcome.kind === 'gone') return null
  const { outcome, startedAt } = answer
  const isOurs = outcome.kind === 'unreachable' && outcome.reason === 'proxy'
  // A success in the meantime has ended the row already.
  const failingSince = isOurs ? null : new Date(endpoint?.health.failingSince ?? startedAt)
  return {
    clientId,
    endpointId,
    what: 'exhausted',
    // Once for each row of failures; where none is counted, since our own proxy failed, once a day.
    since: failingSince ?? startOfDay(startedAt),
    deliveryId: due.id,
    eventId: due.eventId,
    eventType: due.eventType,
    attempts: number,
    failingSince,
  }
}

const startOfDay = (at: Date) => new Date(at.getTime() - (at.getTime() % 86_400_000))

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
    case 'outdated':
      return client.reread(pump)
    case 'fault':
      throw verdict.error
    case 'held':
    case 'settled':
  }
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
  for (const queue of [pump.first, pump.again]) {
    queue.stale = false
    queue.more = false
  }
  // It may be enabled again, and then nothing counts of what was met before.
  pump.woken = true
  shared.tasks.begin()
  closeWaiting(shared.db, client.id, pump.endpointId)
    .then(
      (deliveries) => {
        if (pump.halted === 'closing') pump.halted = null
        if (pump.first.stale || pump.again.stale) client.look()
        shared.log.info({ clientId: client.id, endpointId: pump.endpointId, deliveries }, 'delivery.waiting_ended')
      },
      (error) => {
        if (pump.halted === 'closing') pump.halted = null
        fault(shared, client, pump, error)
      },
    )
    .finally(() => shared.tasks.end())
}
