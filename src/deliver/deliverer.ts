import type { Config } from '../config.ts'
import { lowerFloor } from '../database/pending-floor.ts'
import { LEAST_ID } from '../domain/ids.ts'
import type { ProxyTunnels } from '../network/egress-proxy.ts'
import type { HostNames } from '../network/names/host-names.ts'
import { createEventBodies } from './attempt/event-bodies.ts'
import { createSender } from './attempt/send-post.ts'
import type { DeliverContext, GroupDeliveries, WakeOptions } from './context.ts'
import { createGroupDeliveries } from './group-deliveries.ts'
import { sweepDueEndpoints } from './queue/next-due.ts'
import type { Pump } from './queue/pump.ts'
import { createQueueLimits } from './queue/queue-limits.ts'
import { sharedSlots } from './queue/shared-slots.ts'
import { canStartNext, runNextDelivery } from './run-delivery.ts'

interface DelivererDeps
  extends Pick<
    DeliverContext,
    'db' | 'groups' | 'log' | 'worker' | 'keyRing' | 'contracts' | 'now' | 'wallClock' | 'onLeasedElsewhere' | 'watch'
  > {
  config: Pick<Config, 'allowedSubnets'>
  random?: () => number
  scheduleBackstop?: DeliverContext['scheduleBackstop']
  /** The way out, where requests may not leave directly. */
  tunnels?: ProxyTunnels | undefined
  /** Addresses of host names. */
  names: HostNames
  /** Requests under way in all at most, but for those that take long; half of them is the most that one endpoint gets. */
  slots?: number
}

/** Requests under way that take long, beside the places. */
const SLOW_SLOTS = 2_048
/** A database that does not come back must not keep the process from ending. */
const STOP_PATIENCE_MS = 5_000
/** How far ahead a sweep sets the retry clock; it comes every minute. */
const SWEEP_AHEAD_SECONDS = 90

/**
 * The delivering room: from due rows to recorded attempts, one pump for each endpoint whose lease this worker holds.
 * `wake` says that a client has deliveries, of these endpoints or of any; `sweep` looks for due ones of all clients; `stop`
 * starts nothing more, and settles when what was under way is recorded and every lease given back.
 */
export function createDeliverer({ config, names, tunnels, slots = 512, ...deps }: DelivererDeps) {
  const groups = new Map<string, GroupDeliveries>()
  const http = createSender({ allowedSubnets: config.allowedSubnets, now: deps.now, names, tunnels })
  const tasks = createTaskCount()
  let isStopping = false
  let retryRecordingUntil = Number.POSITIVE_INFINITY

  const shared: DeliverContext = {
    random: Math.random,
    scheduleBackstop: () => {},
    ...deps,
    sendPost: http.sendPost,
    ...createEventBodies(deps),
    loggedErrors: new WeakSet(),
    isStopping: () => isStopping,
    canRetryRecording: () => performance.now() < retryRecordingUntil,
    slots: sharedSlots<Pump>({
      max: slots,
      slowSlots: SLOW_SLOTS,
      canStart: (pump) => !isStopping && canStartNext(shared, pump),
      startNext: (pump) => void runNextDelivery(shared, groupNamed(pump.groupId), pump),
    }),
    oldestPending: { eventId: LEAST_ID },
    limits: createQueueLimits(),
    onGroupIdle(groupId) {
      if (groups.get(groupId)?.isIdle()) groups.delete(groupId)
    },
    tasks,
  }

  function groupNamed(groupId: string): GroupDeliveries {
    let group = groups.get(groupId)
    if (!group) {
      group = createGroupDeliveries(shared, groupId)
      groups.set(groupId, group)
    }
    return group
  }
  const groupOf = (clientId: string) => groupNamed(deps.groups.groupOf(clientId))

  function haltAllPumps(why: 'lost' | 'stopping') {
    for (const group of groups.values()) for (const pump of [...group.pumps.values()]) group.haltPump(pump, why)
  }

  const sweep = async () => {
    if (!isStopping) await sweepAllClients(deps, groupOf)
  }
  deps.worker.onLost(() => haltAllPumps('lost'))
  deps.worker.onReady(sweep)

  return {
    wake(clientId: string, endpointIds?: string[], options?: WakeOptions) {
      if (!isStopping) groupOf(clientId).wakeClient(clientId, endpointIds, options)
    },
    sweep,
    /** How many attempts are under way. */
    inFlight: http.countUnderWay,
    async stop() {
      isStopping = true
      retryRecordingUntil = performance.now() + STOP_PATIENCE_MS
      haltAllPumps('stopping')
      await tasks.untilNone()
      await Promise.allSettled([...groups.values()].map((group) => group.stop()))
      await http.closeConnections()
    },
  }
}

/** Wakes the endpoints, of all clients, that have due deliveries, and sets the retry clocks of those that soon will. */
async function sweepAllClients(
  { db, log }: Pick<DeliverContext, 'db' | 'log'>,
  groupOf: (clientId: string) => GroupDeliveries,
): Promise<void> {
  const found = await sweepDueEndpoints(db, SWEEP_AHEAD_SECONDS)
  const [oldestHidden] = found.flatMap(({ hiddenEventId }) => hiddenEventId ?? []).toSorted()
  if (oldestHidden) {
    // A clock may have been set back for days, or somebody may have written a delivery by hand.
    log.warn({ eventId: oldestHidden }, 'delivery.floor_too_high')
    await lowerFloor(db, oldestHidden)
  }
  for (const [clientId, endpoints] of Map.groupBy(found, ({ clientId }) => clientId)) {
    const group = groupOf(clientId)
    for (const { endpointId, seconds } of endpoints)
      if (seconds > 0) group.clock.setDue({ clientId, endpointId }, seconds)
    const dueNow = endpoints.filter(({ seconds }) => seconds <= 0).map(({ endpointId }) => endpointId)
    if (dueNow.length > 0) group.wakeClient(clientId, dueNow)
  }
}

/** Counts tasks that have begun and have to end before the process may. */
function createTaskCount() {
  let count = 0
  let onNone = () => {}
  return {
    begin() {
      count += 1
    },
    end() {
      count -= 1
      if (count === 0) onNone()
    },
    untilNone: () =>
      new Promise<void>((resolve) => {
        onNone = resolve
        if (count === 0) resolve()
      }),
  }
}
