import { readBodiesAhead } from './attempt/event-bodies.ts'
import { createAttemptRecorder } from './attempt/record-attempts.ts'
import type { ClientDeliveries, DeliverContext } from './context.ts'
import { createHealthSaver } from './endpoint/save-health.ts'
import { coalescedLoop } from './queue/coalesced-loop.ts'
import { readDueDeliveries } from './queue/due-deliveries.ts'
import { endpointIdOf, leaseUnitOf } from './queue/lease-units.ts'
import { findDueEndpoints } from './queue/next-due.ts'
import { newPump, type Pump, pumpNeedsRows, queueFor } from './queue/pump.ts'
import { absorbRows, nextQuery, queueNeedsRows, rewindQueue } from './queue/queue.ts'
import { createRetryClock } from './queue/retry-clock.ts'
import { mustWaitForTime } from './queue/start-gate.ts'
import { releaseIdle, releasePumps } from './release-idle.ts'
import { closePump } from './run-delivery.ts'
import { createStartCheck } from './start-check.ts'

/** Pumps that need rows within this time share a statement. */
const LOOP_SPACING_MS = 5
const RELEASE_MS = 200
/** Where nothing can start for now. */
const WAITING_RELEASE_MS = 2_000
const FAULT_PAUSE_MS = 1_000
const ANNOUNCE_AGAIN_MS = 1_000
/** Deliveries due later than this are found by the sweep in time. */
const HORIZON_SECONDS = 90

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one closure around the state of a client's pumps; its parts are short functions.
export function createClientDeliveries(shared: DeliverContext, id: string): ClientDeliveries {
  const { db, log, worker, slots } = shared
  const pumps = new Map<string, Pump>()
  // To be claimed: named by a wake, or found due.
  const wokenIds = new Set<string>()
  const foundDueIds = new Set<string>()
  // Read and not recorded, of all pumps, also of those whose lease is lost: none of these is started a second time.
  const inHandIds = new Set<string>()
  let mustDiscover = false
  let isReading = false
  let doneWhileReading: string[] = []
  let releaseTimer: NodeJS.Timeout | undefined
  let isReleaseDue = false
  let announcedAt = Number.NEGATIVE_INFINITY

  const { requestRun, isRunning } = coalescedLoop({
    async runOnce() {
      if (mustDiscover) await discoverDueEndpoints()
      if (wokenIds.size + foundDueIds.size > 0) await claimEndpoints()
      await readDueRows()
      if (!isReleaseDue) return
      isReleaseDue = false
      await releaseIdle(shared, client)
    },
    spacingMs: LOOP_SPACING_MS,
    pauseMs: FAULT_PAUSE_MS,
    onFailed: (error) => log.error({ err: error, clientId: id }, 'delivery.round_failed'),
    onIdle() {
      if (shared.isStopping()) return
      if (pumps.size === 0) return shared.onClientIdle(id)
      const areAllWaiting = [...pumps.values()].every(({ startTimer }) => startTimer !== undefined)
      releaseTimer ??= setTimeout(
        () => {
          releaseTimer = undefined
          isReleaseDue = true
          requestRun()
        },
        areAllWaiting ? WAITING_RELEASE_MS : RELEASE_MS,
      )
    },
    tasks: shared.tasks,
    isStopping: shared.isStopping,
  })

  async function discoverDueEndpoints() {
    mustDiscover = false
    const endpoints = await findDueEndpoints(db, id, HORIZON_SECONDS, shared.oldestPending).catch((error) => {
      // The next run asks again: no other wake may come.
      mustDiscover = true
      throw error
    })
    for (const { endpointId, seconds } of endpoints)
      if (seconds > 0) client.clock.setDue(endpointId, seconds)
      else wakePump(endpointId, foundDueIds)
  }

  async function claimEndpoints() {
    const woken = new Set(wokenIds)
    const endpointIds = [...new Set([...wokenIds, ...foundDueIds])]
    const { held, elsewhere } = await worker.claimUnits(
      endpointIds.map((endpointId) => ({ clientId: id, unit: leaseUnitOf(endpointId) })),
    )
    for (const endpointId of endpointIds) {
      if (woken.has(endpointId)) wokenIds.delete(endpointId)
      foundDueIds.delete(endpointId)
    }
    for (const endpointId of held.map(({ unit }) => endpointIdOf(unit))) {
      if (pumps.has(endpointId)) continue
      pumps.set(endpointId, newPump(id, endpointId))
      shared.pumps.count += 1
    }
    // What was only found due may be in work in the other process: two processes that notified each other would never stop.
    const wasWoken = elsewhere.some(({ unit }) => woken.has(endpointIdOf(unit)))
    if (elsewhere.length === 0 || (!wasWoken && performance.now() < announcedAt + ANNOUNCE_AGAIN_MS)) return
    announcedAt = performance.now()
    shared.onLeasedElsewhere(id)
  }

  async function readDueRows() {
    const queueLimit = shared.queueLimit(pumps.size)
    const needing = [...pumps.values()]
      .filter((pump) => pumpNeedsRows(pump, queueLimit))
      .flatMap((pump) =>
        [pump.firstAttempts, pump.retries]
          .filter((queue) => queueNeedsRows(queue, queueLimit))
          .map((queue) => ({ pump, queue, rewindCount: queue.rewindCount })),
      )
    if (needing.length === 0) return
    isReading = true
    try {
      const reads = await readDueDeliveries(
        db,
        id,
        needing.map(({ pump: { endpointId, endpoint }, queue }) =>
          nextQuery({ endpointId, isNew: endpoint === null }, queue, queueLimit),
        ),
        shared.oldestPending,
      )
      // Loaded here, hundreds at once, they are cached when the attempts start.
      const wanted = new Set(reads.flatMap(({ rows }) => rows.map(({ eventId }) => eventId)))
      await readBodiesAhead(shared.loadEventBodies, id, wanted)
      for (const [at, read] of reads.entries()) {
        const asked = needing[at]
        if (!asked || asked.pump.haltReason || asked.queue.rewindCount !== asked.rewindCount) continue
        const { pump, queue } = asked
        absorbRows(queue, read, inHandIds)
        pump.startsWhileUnknown = read.startsWhileUnknown ?? pump.startsWhileUnknown
        if (read.isClosed) closePump(shared, client, pump)
        else if (read.rows.length > 0) slots.requestSlot(pump)
      }
    } catch (error) {
      for (const { queue } of needing) rewindQueue(queue)
      throw error
    } finally {
      isReading = false
      // What was recorded during the reading may have been read as it was before: it stays in hand until now.
      for (const deliveryId of doneWhileReading) inHandIds.delete(deliveryId)
      doneWhileReading = []
    }
  }

  function wakePump(endpointId: string, absent: Set<string>) {
    const pump = pumps.get(endpointId)
    if (!pump) return void absent.add(endpointId)
    pump.firstAttempts.isStale = true
    pump.retries.isStale = true
    pump.isOnClock = false
    if (!mustWaitForTime(pump, shared.now)) return
    // The endpoint may have been changed, so that it has to wait no longer.
    clearTimeout(pump.startTimer)
    pump.startTimer = undefined
    pump.mustRecheck = true
    slots.requestSlot(pump)
  }

  function markForReread(endpointId: string) {
    const pump = pumps.get(endpointId)
    if (!pump) return
    pump.staleBefore = performance.now()
    forgetWaiting(pump)
  }

  function forgetWaiting(pump: Pump) {
    for (const queue of [pump.firstAttempts, pump.retries]) {
      for (const delivery of queue.waiting) client.forgetDelivery(pump, delivery)
      queue.waiting = []
      rewindQueue(queue)
    }
  }

  const client: ClientDeliveries = {
    id,
    pumps,
    clock: createRetryClock({ onDue: (endpointIds) => client.wakeEndpoints(endpointIds) }),
    startCheck: createStartCheck(shared, id),
    recordAttempt: createAttemptRecorder(shared, id),
    saveHealth: createHealthSaver(shared, id),
    wakeEndpoints(endpointIds, { reread = false } = {}) {
      for (const endpointId of (reread && endpointIds) || []) markForReread(endpointId)
      if (endpointIds) for (const endpointId of endpointIds) wakePump(endpointId, wokenIds)
      else mustDiscover = true
      requestRun()
    },
    requestRows: requestRun,
    forgetDelivery(pump, delivery) {
      queueFor(pump, delivery).inHand -= 1
      pump.lastBusyAt = performance.now()
      if (isReading) doneWhileReading.push(delivery.id)
      else inHandIds.delete(delivery.id)
    },
    rereadPump(pump) {
      forgetWaiting(pump)
      requestRun()
    },
    haltPump(pump, why) {
      if (pump.haltReason === 'lost') return
      pump.haltReason = why
      forgetWaiting(pump)
      if (why === 'lost') client.dropPump(pump)
      if (why === 'fault')
        setTimeout(() => {
          if (pump.haltReason === 'fault') pump.haltReason = null
          requestRun()
        }, FAULT_PAUSE_MS).unref()
    },
    dropPump(pump) {
      if (pumps.get(pump.endpointId) !== pump) return
      clearTimeout(pump.startTimer)
      pumps.delete(pump.endpointId)
      shared.pumps.count -= 1
    },
    isIdle: () =>
      !isRunning() &&
      pumps.size + wokenIds.size + foundDueIds.size + inHandIds.size === 0 &&
      client.clock.secondsUntilNext() === null,
    async stop() {
      clearTimeout(releaseTimer)
      client.clock.stop()
      for (const pump of pumps.values()) clearTimeout(pump.startTimer)
      await releasePumps(shared, client, [...pumps.values()])
    },
  }
  return client
}
