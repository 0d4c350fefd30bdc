import type { CreatedDelivery } from '../domain/created-delivery.ts'
import { createAttemptRecorder } from './attempt/record-attempts.ts'
import { createEndpointClaims } from './claim-endpoints.ts'
import type { DeliverContext, GroupDeliveries } from './context.ts'
import { createHealthSaver } from './endpoint/save-health.ts'
import { chooseQueues, readQueues } from './feed-pumps.ts'
import { coalescedLoop } from './queue/coalesced-loop.ts'
import { newPump, type Pump, queueFor } from './queue/pump.ts'
import { absorbRows, rewindQueue } from './queue/queue.ts'
import { createRecentIds } from './queue/recent-ids.ts'
import { type ClientEndpoint, createRetryClock } from './queue/retry-clock.ts'
import { mustWaitForTime } from './queue/start-gate.ts'
import { releaseIdle, releasePumps } from './release-idle.ts'
import { closePump, pauseAfterFault } from './run-delivery.ts'
import { createStartCheck } from './start-check.ts'
import { HANDED_WITHIN_MS, takeCreated } from './take-created.ts'

/** Pumps that need rows within this time share a statement. */
const LOOP_SPACING_MS = 5
const RELEASE_MS = 200
/** Where nothing can start for now. */
const WAITING_RELEASE_MS = 2_000
const FAULT_PAUSE_MS = 1_000

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one closure around the state of a group's pumps; its parts are short functions.
export function createGroupDeliveries(shared: DeliverContext, id: string): GroupDeliveries {
  const { log, slots, limits } = shared
  const pumps = new Map<string, Pump>()
  const claims = createEndpointClaims(shared)
  // Read and not recorded, of all pumps, also of those whose lease is lost: none of these is started a second time.
  const inHandIds = new Set<string>()
  const recentIds = createRecentIds({ keepMs: HANDED_WITHIN_MS })
  const handing = { limits, rememberBody: shared.rememberBody, inHandIds, recentIds }
  let isReading = false
  let doneWhileReading: string[] = []
  let releaseTimer: NodeJS.Timeout | undefined
  let isReleaseDue = false

  const { requestRun, isRunning } = coalescedLoop({
    async runOnce() {
      for (const { seconds, ...endpoint } of await claims.findDue((clientId) => group.wakeClient(clientId)))
        if (seconds > 0) group.clock.setDue(endpoint, seconds)
        else wakePump(endpoint, claims.addFoundDue)
      for (const endpoint of await claims.claimAll()) addPump(endpoint)
      await readDueRows()
      if (!isReleaseDue) return
      isReleaseDue = false
      await releaseIdle(shared, group)
    },
    spacingMs: LOOP_SPACING_MS,
    pauseMs: FAULT_PAUSE_MS,
    onFailed: (error) => log.error({ err: error, ...(id && { groupId: id }) }, 'delivery.round_failed'),
    onIdle() {
      if (shared.isStopping()) return
      if (pumps.size === 0) return shared.onGroupIdle(id)
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

  function addPump({ clientId, endpointId }: ClientEndpoint) {
    if (pumps.has(endpointId)) return
    pumps.set(endpointId, newPump({ groupId: id, clientId, endpointId }))
    limits.countPump(clientId)
  }

  async function readDueRows() {
    const { wanted, isMore } = chooseQueues(pumps.values(), limits.limitOf)
    if (wanted.length === 0) return
    isReading = true
    try {
      const reads = await readQueues(shared, wanted, ({ pump }, error) => pauseAfterFault(shared, group, pump, error))
      for (const [at, read] of reads.entries()) {
        const asked = wanted[at]
        if (!read || !asked || asked.pump.haltReason || asked.queue.rewindCount !== asked.rewindCount) continue
        const { pump, queue } = asked
        absorbRows(queue, read, inHandIds)
        pump.startsWhileUnknown = read.startsWhileUnknown ?? pump.startsWhileUnknown
        if (read.isClosed) closePump(shared, group, pump)
        else if (read.rows.length > 0) slots.requestSlot(pump)
      }
    } catch (error) {
      for (const { queue } of wanted) rewindQueue(queue)
      throw error
    } finally {
      isReading = false
      // What was recorded during the reading may have been read as it was before: it stays in hand until now.
      for (const deliveryId of doneWhileReading) inHandIds.delete(deliveryId)
      doneWhileReading = []
    }
    if (isMore) letOthersFirst(wanted.map(({ pump }) => pump))
  }

  /** The next reading begins with the pumps that this one has passed over. */
  function letOthersFirst(read: readonly Pump[]) {
    for (const pump of read)
      if (pumps.get(pump.endpointId) === pump) {
        pumps.delete(pump.endpointId)
        pumps.set(pump.endpointId, pump)
      }
    requestRun()
  }

  function wakePump(
    endpoint: ClientEndpoint,
    onAbsent: (endpoint: ClientEndpoint) => void,
    { isForCreated = false } = {},
  ) {
    const pump = pumps.get(endpoint.endpointId)
    if (!pump) return onAbsent(endpoint)
    pump.firstAttempts.isStale = true
    // What was made just now is due now, and was never tried.
    if (isForCreated) return
    pump.retries.isStale = true
    pump.isOnClock = false
    if (!mustWaitForTime(pump, shared.now)) return
    // The endpoint may have been changed, so that it has to wait no longer.
    clearTimeout(pump.startTimer)
    pump.startTimer = undefined
    pump.mustRecheck = true
    slots.requestSlot(pump)
  }

  /** Answers the endpoints whose deliveries were taken over. */
  function takeAllCreated(created: readonly CreatedDelivery[]): Set<string> {
    const taken = new Set<string>()
    for (const [endpointId, own] of Map.groupBy(created, (one) => one.endpointId)) {
      const pump = pumps.get(endpointId)
      if (!pump || !takeCreated(handing, pump, own)) continue
      taken.add(endpointId)
      slots.requestSlot(pump)
    }
    return taken
  }

  function markForReread(endpointId: string) {
    const pump = pumps.get(endpointId)
    if (!pump) return
    pump.staleBefore = performance.now()
    forgetWaiting(pump)
  }

  function forgetWaiting(pump: Pump) {
    for (const queue of [pump.firstAttempts, pump.retries]) {
      for (const delivery of queue.waiting) group.forgetDelivery(pump, delivery)
      queue.waiting = []
      rewindQueue(queue)
    }
  }

  const group: GroupDeliveries = {
    id,
    pumps,
    clock: createRetryClock({
      onDue(endpoints) {
        for (const endpoint of endpoints) wakePump(endpoint, claims.addWoken)
        requestRun()
      },
    }),
    startCheck: createStartCheck(shared),
    recordAttempt: createAttemptRecorder(shared),
    saveHealth: createHealthSaver(shared),
    wakeClient(clientId, endpointIds, { reread = false, created = [] } = {}) {
      const taken = takeAllCreated(created)
      for (const endpointId of (reread && endpointIds) || []) markForReread(endpointId)
      const toRead = endpointIds?.filter((endpointId) => !taken.has(endpointId))
      if (toRead?.length === 0) return
      const isForCreated = created.length > 0
      if (toRead) for (const endpointId of toRead) wakePump({ clientId, endpointId }, claims.addWoken, { isForCreated })
      else claims.addClient(clientId)
      requestRun()
    },
    wakeEndpoint(endpoint) {
      wakePump(endpoint, claims.addWoken)
      requestRun()
    },
    requestRows: requestRun,
    forgetDelivery(pump, delivery) {
      queueFor(pump, delivery).inHand -= 1
      pump.lastBusyAt = performance.now()
      recentIds.addId(delivery.id)
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
      if (why === 'lost') group.dropPump(pump)
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
      limits.forgetPump(pump.clientId)
    },
    isIdle: () => !isRunning() && pumps.size + inHandIds.size === 0 && claims.isEmpty() && group.clock.isUnset(),
    async stop() {
      clearTimeout(releaseTimer)
      group.clock.stop()
      for (const pump of pumps.values()) clearTimeout(pump.startTimer)
      await releasePumps(shared, group, [...pumps.values()])
    },
  }
  return group
}
