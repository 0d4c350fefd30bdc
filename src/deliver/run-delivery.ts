import { type AttemptMade, stateAfter } from './attempt/attempt-made.ts'
import { disableEndpoint, endAllDeliveries, endPendingDelivery } from './attempt/end-deliveries.ts'
import { makeAttempt } from './attempt/make-attempt.ts'
import type { AttemptNews } from './attempt-news.ts'
import { isExcused } from './attempt-outcome.ts'
import type { DeliverContext, GroupDeliveries } from './context.ts'
import type { Endpoint } from './endpoint/endpoint.ts'
import { countOutcome, isGivenUp } from './endpoint/health.ts'
import type { DueDelivery } from './queue/due-deliveries.ts'
import { hasWaiting, type Pump, pumpNeedsRows, queueFor, takeNextWaiting } from './queue/pump.ts'
import { putBackDelivery } from './queue/queue.ts'
import { AFTER_ANOTHER_ENDS, nextStartAt } from './queue/start-gate.ts'
import type { StartVerdict } from './start-check.ts'

/** One delivery of a pump, from its start check to its record. */
interface DeliveryRun {
  shared: DeliverContext
  group: GroupDeliveries
  pump: Pump
  delivery: DueDelivery
}

/** Whether the pump's next delivery may start now. Where only time holds it up, a timer requests a slot again. */
export function canStartNext({ now, slots }: Pick<DeliverContext, 'now' | 'slots'>, pump: Pump): boolean {
  if (pump.haltReason !== null || !hasWaiting(pump)) return false
  if (pump.endpoint === null) return pump.inFlight < pump.startsWhileUnknown
  const notStarted = pump.inFlight - pump.sending
  if (pump.mustRecheck) return notStarted === 0
  const at = nextStartAt(pump, pump.endpoint, { notStarted, now })
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
 * Runs the pump's next delivery to its end: checked, sent, recorded, forgotten. Never rejects: a fault on our side is
 * logged, the delivery stays due, and the pump pauses.
 */
export async function runNextDelivery(shared: DeliverContext, group: GroupDeliveries, pump: Pump): Promise<void> {
  const delivery = takeNextWaiting(pump)
  const run: DeliveryRun = { shared, group, pump, delivery }
  const known = pump.mustRecheck ? null : pump.endpoint
  const slot = trackSlot(shared, pump)
  shared.tasks.begin()
  pump.inFlight += 1
  let verdict: StartVerdict | undefined
  let made: AttemptMade | null = null
  try {
    verdict = await group.startCheck({ pump, delivery })
    if (pump.endpoint !== known) shared.slots.requestSlot(pump)
    if (verdict.canStart) made = await sendOne(run, verdict, slot.onSlow)
    else await onNotStarted(run, verdict)
  } catch (error) {
    pauseAfterFault(shared, group, pump, error)
  }
  pump.inFlight -= 1
  const mustWait = verdict?.canStart === false && verdict.reason === 'must_wait' && pump.haltReason === null
  if (mustWait) putBackDelivery(queueFor(pump, delivery), delivery)
  slot.release({ wasSent: made !== null })
  // One that could not be recorded stays in hand: sending it again would be worse than leaving it to the next start.
  if (!mustWait && (!made || (await recordAttempt(run, made)))) group.forgetDelivery(pump, delivery)
  // A process that has lost the lease must not overwrite the endpoint's health.
  if (verdict?.canStart && verdict.endpoint.health.unsaved === 'change' && pump.haltReason !== 'lost')
    await group.saveHealth({ clientId: pump.clientId, endpoint: verdict.endpoint, starts: pump.starts })
  if (pumpNeedsRows(pump, shared.limits.limitOf(pump.clientId))) group.requestRows()
  shared.tasks.end()
}

/** The slot that an attempt holds until it ends; a slow attempt moves to a slow slot before. */
function trackSlot({ slots }: DeliverContext, pump: Pump) {
  let isSlow = false
  let usesSlowSlot = false
  return {
    onSlow() {
      isSlow = true
      pump.isSlow = true
      usesSlowSlot = slots.moveToSlowSlot(pump)
    },
    release({ wasSent }: { wasSent: boolean }) {
      if (wasSent) pump.isSlow = isSlow
      if (usesSlowSlot) slots.releaseSlowSlot(pump)
      else slots.releaseSlot(pump)
    },
  }
}

/** Sends a delivery whose start was counted, and counts its end; null: the lease is lost or the process ends, nothing was sent. */
async function sendOne(
  { shared, group, pump, delivery }: DeliveryRun,
  { endpoint, event, countEnd }: StartVerdict & { canStart: true },
  onSlow: () => void,
): Promise<AttemptMade | null> {
  try {
    if (pump.haltReason === 'lost' || shared.isStopping()) return null
    const made = await makeAttempt(shared, { endpoint, delivery, event, onSlow })
    await chargeEndpoint({ shared, group, pump }, endpoint, made).catch((error) =>
      pauseAfterFault(shared, group, pump, error),
    )
    return made
  } finally {
    countEnd()
  }
}

/** Counts the attempt's outcome in the endpoint's health, and disables an endpoint that is gone or given up. */
async function chargeEndpoint(
  { shared, group, pump }: Omit<DeliveryRun, 'delivery'>,
  endpoint: Endpoint,
  { answer: { outcome, startedAt } }: AttemptMade,
): Promise<void> {
  const now = shared.now().getTime()
  countOutcome(endpoint.health, outcome, startedAt.getTime(), now)
  const reason = outcome.kind === 'gone' ? 'gone' : isGivenUp(endpoint.health, now) ? 'failing' : null
  if (reason === null || !(await disableEndpoint(shared.db, pump.clientId, endpoint, reason))) return
  shared.log.warn({ clientId: pump.clientId, endpointId: endpoint.id, reason }, 'endpoint.disabled')
  shared.watch?.onEndpointChanged?.({ clientId: pump.clientId, endpointId: endpoint.id, what: 'disabled', reason })
  closePump(shared, group, pump)
}

/** Whether the attempt is in the database. Plans what follows from it. */
async function recordAttempt({ shared: { log }, group, pump }: DeliveryRun, made: AttemptMade): Promise<boolean> {
  const { delivery, nextDelaySeconds } = made
  try {
    made.exhaustedNews = exhaustedNews(pump, made)
    const result = await group.recordAttempt(made)
    if (result === 'lost') return false
  } catch (error) {
    log.error({ err: error, clientId: pump.clientId, deliveryId: delivery.id }, 'delivery.record_failed')
    return false
  }
  if (nextDelaySeconds !== null) group.clock.setDue(pump, nextDelaySeconds)
  // The user's next one may go now.
  else if (pump.endpoint?.isOrdered) group.wakeEndpoint(pump)
  // The endpoint was closed while the attempt was under way, and its delivery waits again.
  if (pump.endpoint?.isClosed && nextDelaySeconds !== null) group.wakeEndpoint(pump)
  return true
}

/** The news of a delivery that has failed for good by this attempt; null: it has not. */
function exhaustedNews({ clientId, endpointId, endpoint }: Pump, made: AttemptMade): AttemptNews | null {
  const { delivery, number, answer } = made
  if (stateAfter(made) !== 'failed' || answer.outcome.kind === 'gone') return null
  const { outcome, startedAt } = answer
  const isOurFault = isExcused(outcome)
  // A success in the meantime has ended the row of failures already.
  const failingSince = isOurFault ? null : new Date(endpoint?.health.failingSince ?? startedAt)
  return {
    clientId,
    endpointId,
    what: 'exhausted',
    // Once for each row of failures; where none is counted, since our own side failed, once a day.
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
  { shared, group, pump, delivery }: DeliveryRun,
  verdict: StartVerdict & { canStart: false },
): Promise<void> {
  switch (verdict.reason) {
    case 'lost':
      group.haltPump(pump, 'lost')
      return group.wakeEndpoint(pump)
    case 'closed':
      return closePump(shared, group, pump)
    case 'filtered':
      return endPendingDelivery(shared.db, delivery, { state: 'skipped', reason: 'filtered' })
    case 'event_missing':
      return endPendingDelivery(shared.db, delivery, { state: 'cancelled', reason: 'event_missing' })
    case 'outdated':
      return group.rereadPump(pump)
    case 'fault':
      throw verdict.error
    case 'must_wait':
    case 'settled':
      return
    default:
      return verdict satisfies never
  }
}

/** Logs a fault of our own, and lets the pump pause. */
export function pauseAfterFault(
  { log, loggedErrors }: DeliverContext,
  group: GroupDeliveries,
  pump: Pump,
  error: unknown,
): void {
  if (!(error instanceof Error) || !loggedErrors.has(error))
    log.error({ err: error, clientId: pump.clientId, endpointId: pump.endpointId }, 'delivery.fault')
  if (error instanceof Error) loggedErrors.add(error)
  if (!pump.haltReason) group.haltPump(pump, 'fault')
}

/** Ends what waits for a disabled or deleted endpoint; the pump starts nothing meanwhile. */
export function closePump(shared: DeliverContext, group: GroupDeliveries, pump: Pump): void {
  if (pump.haltReason) return
  group.haltPump(pump, 'closing')
  for (const queue of [pump.firstAttempts, pump.retries]) {
    queue.isStale = false
    queue.hasMore = false
  }
  // The endpoint may be enabled again, and its deliveries then start as if it were not known.
  pump.mustRecheck = true
  shared.tasks.begin()
  endAllDeliveries(shared.db, pump.clientId, pump.endpointId)
    .then(
      (deliveries) => {
        if (pump.haltReason === 'closing') pump.haltReason = null
        if (pump.firstAttempts.isStale || pump.retries.isStale) group.requestRows()
        shared.log.info({ clientId: pump.clientId, endpointId: pump.endpointId, deliveries }, 'delivery.waiting_ended')
      },
      (error) => {
        if (pump.haltReason === 'closing') pump.haltReason = null
        pauseAfterFault(shared, group, pump, error)
      },
    )
    .finally(() => shared.tasks.end())
}
