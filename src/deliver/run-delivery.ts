import { disableEndpoint, endEndpointDeliveries, endPendingDelivery } from './attempt/end-deliveries.ts'
import { makeAttempt } from './attempt/make-attempt.ts'
import { type AttemptMade, stateAfter } from './attempt/record-attempts.ts'
import type { ClientDeliveries, DeliverContext } from './context.ts'
import type { Endpoint } from './endpoint/endpoint.ts'
import { countOutcome, isGivenUp } from './endpoint/health.ts'
import type { EndpointNews } from './endpoint-news.ts'
import type { DueDelivery } from './queue/due-deliveries.ts'
import { hasWaiting, type Pump, pumpNeedsRows, queueFor, takeNextWaiting } from './queue/pump.ts'
import { putBackDelivery } from './queue/queue.ts'
import { AFTER_ANOTHER_ENDS, countEnd, nextStartAt } from './queue/start-gate.ts'
import type { StartVerdict } from './start-check.ts'

/** Whether the pump's next delivery may start now. Where only time holds it up, a timer offers the pump again. */
export function canStartNext({ now, slots }: Pick<DeliverContext, 'now' | 'slots'>, pump: Pump): boolean {
  if (pump.haltReason !== null || !hasWaiting(pump)) return false
  if (pump.endpoint === null) return pump.inFlight < pump.startsWhileUnknown
  const asked = pump.inFlight - pump.sending
  if (pump.mustRecheck) return asked === 0
  const at = nextStartAt(pump, asked, now)
  if (at === 0) return true
  if (at === AFTER_ANOTHER_ENDS) return false
  const onStartTime = () => {
    pump.startTimer = undefined
    slots.requestSlot(pump)
  }
  pump.startTimer ??= setTimeout(onStartTime, at - now().getTime()).unref()
  return false
}

/**
 * Starts the pump's next delivery and sees it through: asked for, sent, recorded, forgotten. Never rejects: what goes wrong
 * on our side is logged, the delivery stays due, and the pump pauses.
 */
export async function runNextDelivery(shared: DeliverContext, client: ClientDeliveries, pump: Pump): Promise<void> {
  const delivery = takeNextWaiting(pump)
  const known = pump.mustRecheck ? null : pump.endpoint
  const slot = trackSlot(shared, pump)
  shared.tasks.begin()
  pump.inFlight += 1
  let verdict: StartVerdict | undefined
  let made: AttemptMade | null = null
  try {
    verdict = await client.startCheck({ pump, delivery })
    if (pump.endpoint !== known) shared.slots.requestSlot(pump)
    if (!verdict.go) await onNotStarted(shared, client, pump, delivery, verdict)
    else made = await sendOne(shared, client, pump, delivery, verdict, slot.onSlow)
  } catch (error) {
    pauseAfterFault(shared, client, pump, error)
  }
  pump.inFlight -= 1
  const isHeld = verdict?.go === false && verdict.why === 'held' && pump.haltReason === null
  if (isHeld) putBackDelivery(queueFor(pump, delivery), delivery)
  slot.release(made !== null)
  // One that could not be recorded stays in hand: sending it again would be worse than leaving it to the next start.
  if (!isHeld && (!made || (await recordAttempt(shared, client, pump, made)))) client.forgetDelivery(pump, delivery)
  // With the lease goes the right to say how the endpoint fares.
  if (verdict?.go && verdict.endpoint.health.unsaved === 'change' && pump.haltReason !== 'lost')
    await client.saveHealth({ endpoint: verdict.endpoint, starts: pump.starts })
  if (pumpNeedsRows(pump, shared.queueLimit())) client.requestRows()
  shared.tasks.end()
}

/** The place that an attempt holds, given back when it ends; one that takes long steps aside before. */
function trackSlot({ slots }: DeliverContext, pump: Pump) {
  let isSlow = false
  let usesSlowSlot = false
  return {
    onSlow() {
      isSlow = true
      pump.isSlow = true
      usesSlowSlot = slots.moveToSlowSlot(pump)
    },
    release(wasSent: boolean) {
      if (wasSent) pump.isSlow = isSlow
      if (usesSlowSlot) slots.releaseSlowSlot(pump)
      else slots.releaseSlot(pump)
    },
  }
}

async function sendOne(
  shared: DeliverContext,
  client: ClientDeliveries,
  pump: Pump,
  delivery: DueDelivery,
  verdict: StartVerdict & { go: true },
  onSlow: () => void,
): Promise<AttemptMade | null> {
  const { endpoint, event } = verdict
  try {
    if (pump.haltReason === 'lost' || shared.isStopping()) return null
    const made = await makeAttempt(shared, client.id, endpoint, delivery, event, onSlow)
    await chargeEndpoint(shared, client, pump, endpoint, made).catch((error) =>
      pauseAfterFault(shared, client, pump, error),
    )
    return made
  } finally {
    countEnd(pump, verdict)
  }
}

/** What the attempt says of its endpoint, which may be the end of it. */
async function chargeEndpoint(
  shared: DeliverContext,
  client: ClientDeliveries,
  pump: Pump,
  endpoint: Endpoint,
  { answer: { outcome, startedAt } }: AttemptMade,
): Promise<void> {
  const now = shared.now().getTime()
  countOutcome(endpoint.health, outcome, startedAt.getTime(), now)
  const reason = outcome.kind === 'gone' ? 'gone' : isGivenUp(endpoint.health, now) ? 'failing' : null
  if (reason === null || !(await disableEndpoint(shared.db, client.id, endpoint, reason))) return
  shared.log.warn({ clientId: client.id, endpointId: endpoint.id, reason }, 'endpoint.disabled')
  shared.watch?.onEndpointChanged?.({ clientId: client.id, endpointId: endpoint.id, what: 'disabled', reason })
  closePump(shared, client, pump)
}

async function recordAttempt(
  { log }: DeliverContext,
  client: ClientDeliveries,
  pump: Pump,
  made: AttemptMade,
): Promise<boolean> {
  const { delivery, nextDelaySeconds } = made
  try {
    const written = await client.recordAttempt({ ...made, exhaustedNews: exhaustedNews(client, pump, made) })
    if (written === 'lost') return false
  } catch (error) {
    log.error({ err: error, clientId: client.id, deliveryId: delivery.id }, 'delivery.record_failed')
    return false
  }
  if (nextDelaySeconds !== null) client.clock.setDue(pump.endpointId, nextDelaySeconds)
  // The user's next one may go now.
  else if (pump.endpoint?.isOrdered) client.wakeEndpoints([pump.endpointId])
  // The endpoint was closed while the attempt was under way, and its delivery waits again.
  if (pump.endpoint?.isClosed && nextDelaySeconds !== null) client.wakeEndpoints([pump.endpointId])
  return true
}

/** What to tell of a delivery that this attempt ends in vain; null: it does not. */
function exhaustedNews(
  { id: clientId }: ClientDeliveries,
  { endpointId, endpoint }: Pump,
  made: AttemptMade,
): EndpointNews | null {
  const { delivery, number, answer } = made
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
    deliveryId: delivery.id,
    eventId: delivery.eventId,
    eventType: delivery.eventType,
    attempts: number,
    failingSince,
  }
}

const startOfDay = (at: Date) => new Date(at.getTime() - (at.getTime() % 86_400_000))

async function onNotStarted(
  shared: DeliverContext,
  client: ClientDeliveries,
  pump: Pump,
  delivery: DueDelivery,
  verdict: StartVerdict & { go: false },
): Promise<void> {
  switch (verdict.why) {
    case 'lost':
      client.haltPump(pump, 'lost')
      return client.wakeEndpoints([pump.endpointId])
    case 'closed':
      return closePump(shared, client, pump)
    case 'filtered':
      return endPendingDelivery(shared.db, client.id, delivery, 'skipped', 'filtered')
    case 'event_missing':
      return endPendingDelivery(shared.db, client.id, delivery, 'cancelled', 'event_missing')
    case 'outdated':
      return client.rereadPump(pump)
    case 'fault':
      throw verdict.error
    case 'held':
    case 'settled':
  }
}

function pauseAfterFault(
  { log, loggedErrors }: DeliverContext,
  client: ClientDeliveries,
  pump: Pump,
  error: unknown,
): void {
  if (!(error instanceof Error) || !loggedErrors.has(error))
    log.error({ err: error, clientId: client.id, endpointId: pump.endpointId }, 'delivery.fault')
  if (error instanceof Error) loggedErrors.add(error)
  if (!pump.haltReason) client.haltPump(pump, 'fault')
}

/** Ends what waits for a disabled or deleted endpoint; the pump starts nothing meanwhile. */
export function closePump(shared: DeliverContext, client: ClientDeliveries, pump: Pump): void {
  if (pump.haltReason) return
  client.haltPump(pump, 'closing')
  for (const queue of [pump.firstAttempts, pump.retries]) {
    queue.isStale = false
    queue.hasMore = false
  }
  // It may be enabled again, and then nothing counts of what was met before.
  pump.mustRecheck = true
  shared.tasks.begin()
  endEndpointDeliveries(shared.db, client.id, pump.endpointId)
    .then(
      (deliveries) => {
        if (pump.haltReason === 'closing') pump.haltReason = null
        if (pump.firstAttempts.isStale || pump.retries.isStale) client.requestRows()
        shared.log.info({ clientId: client.id, endpointId: pump.endpointId, deliveries }, 'delivery.waiting_ended')
      },
      (error) => {
        if (pump.haltReason === 'closing') pump.haltReason = null
        pauseAfterFault(shared, client, pump, error)
      },
    )
    .finally(() => shared.tasks.end())
}
