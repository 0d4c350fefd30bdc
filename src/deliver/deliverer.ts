import type { Config } from '../config.ts'
import { lowerFloor } from '../database/pending-floor.ts'
import { LEAST_ID } from '../domain/ids.ts'
import type { ProxyTunnels } from '../network/egress-proxy.ts'
import type { Resolve } from './attempt/guarded-connector.ts'
import { eventBodies } from './attempt/event-bodies.ts'
import { sender } from './attempt/send-post.ts'
import { clientWork } from './client-deliveries.ts'
import type { Client, Shared } from './context.ts'
import { sweptEndpoints } from './queue/next-due.ts'
import type { Pump } from './queue/pump.ts'
import { turns } from './queue/shared-slots.ts'
import { runNext, startable } from './run-delivery.ts'

interface Deps extends Pick<Shared, 'db' | 'log' | 'worker' | 'keyRing' | 'contracts' | 'now' | 'elsewhere' | 'watch'> {
  config: Pick<Config, 'allowedSubnets'>
  random?: () => number
  backstop?: Shared['backstop']
  /** The way out, where requests may not leave directly. */
  tunnels?: ProxyTunnels | undefined
  /** Addresses of a host name; the system's resolver when not given. */
  resolve?: Resolve
  /** Requests under way in all at most, but for those that take long; half of them is the most that one endpoint gets. */
  places?: number
}

/** Deliveries held in memory: so many in all, shared among the pumps, with a least and a most for each. */
const ROOM = { total: 20_000, least: 10, most: 1_000 }
/** Requests under way that take long, beside the places. */
const ASIDE = 2_048
/** A database that does not come back must not keep the process from ending. */
const STOP_PATIENCE_MS = 5_000
/** How far ahead a sweep sets the retry clock; it comes every minute. */
const SWEEP_AHEAD_SECONDS = 90

/**
 * The delivering room: from due rows to recorded attempts, one pump for each endpoint whose lease this worker holds.
 * `wake` says that a client has deliveries, of these endpoints or of any; `sweep` looks for due ones of all clients; `stop`
 * starts nothing more, and settles when what was under way is recorded and every lease given back.
 */
export function deliverer({
  config,
  resolve,
  tunnels,
  random = Math.random,
  backstop = () => {},
  places = 512,
  ...deps
}: Deps) {
  const clients = new Map<string, Client>()
  const http = sender({ allowedSubnets: config.allowedSubnets, now: deps.now, tunnels, ...(resolve && { resolve }) })
  const pumps = { count: 0 }
  let stopping = false
  let patientUntil = Number.POSITIVE_INFINITY
  let tasks = 0
  let drained = () => {}

  const shared: Shared = {
    ...deps,
    random,
    backstop,
    send: http.send,
    bodies: eventBodies(deps),
    logged: new WeakSet(),
    stopping: () => stopping,
    patient: () => performance.now() < patientUntil,
    turns: turns<Pump>({
      max: places,
      aside: ASIDE,
      startable: (pump) => !stopping && startable(shared, pump),
      start: (pump) => void runNext(shared, clientOf(pump.clientId), pump),
    }),
    floor: { eventId: LEAST_ID },
    pumps,
    room: () => Math.min(ROOM.most, Math.max(ROOM.least, Math.floor(ROOM.total / pumps.count))),
    idle(clientId) {
      if (clients.get(clientId)?.isIdle()) clients.delete(clientId)
    },
    tasks: {
      begin() {
        tasks += 1
      },
      end() {
        tasks -= 1
        if (tasks === 0) drained()
      },
    },
  }

  function clientOf(clientId: string): Client {
    let client = clients.get(clientId)
    if (!client) {
      client = clientWork(shared, clientId)
      clients.set(clientId, client)
    }
    return client
  }

  function haltAll(why: 'lost' | 'stopping') {
    for (const client of clients.values()) for (const pump of [...client.pumps.values()]) client.halt(pump, why)
  }

  const sweep = async () => {
    if (stopping) return
    const next = await sweptEndpoints(deps.db, SWEEP_AHEAD_SECONDS)
    const [hidden] = next.flatMap(({ below }) => below ?? []).toSorted()
    if (hidden) {
      // A clock may have been set back for days, or somebody may have written a delivery by hand.
      deps.log.warn({ eventId: hidden }, 'delivery.floor_too_high')
      await lowerFloor(deps.db, hidden)
    }
    for (const [clientId, endpoints] of Map.groupBy(next, ({ clientId }) => clientId)) {
      const client = clientOf(clientId)
      for (const { endpointId, seconds } of endpoints) if (seconds > 0) client.clock.set(endpointId, seconds)
      const due = endpoints.filter(({ seconds }) => seconds <= 0)
      if (due.length > 0)
        wake(
          clientId,
          due.map(({ endpointId }) => endpointId),
        )
    }
  }

  const wake = (clientId: string, endpointIds?: string[], doubt?: boolean) => {
    if (!stopping) clientOf(clientId).wake(endpointIds, doubt)
  }

  deps.worker.onLost(() => haltAll('lost'))
  deps.worker.onReady(sweep)

  return {
    wake,
    sweep,
    /** How many attempts are under way. */
    inFlight: http.underWay,
    async stop() {
      stopping = true
      patientUntil = performance.now() + STOP_PATIENCE_MS
      haltAll('stopping')
      if (tasks > 0)
        await new Promise<void>((resolve) => {
          drained = resolve
        })
      await Promise.allSettled([...clients.values()].map((client) => client.stop()))
      await http.close()
    },
  }
}
