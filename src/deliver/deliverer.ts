import type { Config } from '../config.ts'
import { eventBodies } from './bodies.ts'
import { type Client, clientWork, type Shared } from './client.ts'
import type { Resolve } from './dial.ts'
import { dueEndpoints } from './due.ts'
import type { Pump } from './pump.ts'
import { runNext, startable } from './run.ts'
import { sender } from './send.ts'
import { turns } from './turns.ts'

interface Deps extends Pick<Shared, 'db' | 'log' | 'worker' | 'keyRing' | 'contracts' | 'now' | 'elsewhere'> {
  config: Pick<Config, 'allowedSubnets'>
  random?: () => number
  backstop?: Shared['backstop']
  /** Addresses of a host name; the system's resolver when not given. */
  resolve?: Resolve
  /** Requests under way to one endpoint at most. */
  maxInFlight?: number
  /** Requests under way in all at most. */
  maxInFlightTotal?: number
}

/** Deliveries held in memory: so many in all, shared among the pumps, with a least and a most for each. */
const ROOM = { total: 20_000, least: 10, most: 1_000 }
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
  random = Math.random,
  backstop = () => {},
  maxInFlight = 10,
  maxInFlightTotal = 256,
  ...deps
}: Deps) {
  const clients = new Map<string, Client>()
  const http = sender({ allowedSubnets: config.allowedSubnets, now: deps.now, ...(resolve && { resolve }) })
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
    stopping: () => stopping,
    patient: () => performance.now() < patientUntil,
    turns: turns<Pump>({
      max: maxInFlightTotal,
      startable: (pump) => !stopping && startable(pump, maxInFlight),
      start: (pump) => void runNext(shared, clientOf(pump.clientId), pump),
    }),
    room: () => {
      let pumps = 0
      for (const client of clients.values()) pumps += client.pumps.size
      return Math.min(ROOM.most, Math.max(ROOM.least, Math.floor(ROOM.total / pumps)))
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

  const sweep = async () => {
    for (const [clientId, client] of clients) if (client.isIdle()) clients.delete(clientId)
    const due = new Map<string, string[]>()
    for (const { clientId, endpointId, seconds } of await dueEndpoints(deps.db, SWEEP_AHEAD_SECONDS)) {
      if (seconds > 0) clientOf(clientId).clock.set(endpointId, seconds)
      else due.set(clientId, [...(due.get(clientId) ?? []), endpointId])
    }
    for (const [clientId, endpointIds] of due) wake(clientId, endpointIds)
  }

  const wake = (clientId: string, endpointIds?: string[]) => {
    if (!stopping) clientOf(clientId).wake(endpointIds)
  }

  deps.worker.onLost(() => {
    for (const client of clients.values()) client.lost()
  })
  deps.worker.onReady(() => {
    if (!stopping) sweep().catch((error) => deps.log.error({ err: error }, 'delivery.sweep_failed'))
  })

  return {
    wake,
    sweep,
    async stop() {
      stopping = true
      patientUntil = performance.now() + STOP_PATIENCE_MS
      for (const client of clients.values()) for (const pump of client.pumps.values()) client.halt(pump, 'stopping')
      if (tasks > 0)
        await new Promise<void>((resolve) => {
          drained = resolve
        })
      await Promise.allSettled([...clients.values()].map((client) => client.stop()))
      await http.close()
    },
  }
}
