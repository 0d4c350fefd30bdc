import { queryAnsweringNodes } from '../database/away-nodes.ts'
import type { Db } from '../database/db.ts'
import { createGrowingPause, type GrowingPause } from '../workers/growing-pause.ts'
import type { Worker } from '../workers/worker.ts'
import { FAILURES_TO_OPEN } from './circuit.ts'
import { type DueFetch, readDueFetches, readNextDue } from './due-fetches.ts'
import { type FetchDeps, fetchFromStripe } from './fetch.ts'
import { type RecordDeps, recordReply } from './record.ts'
import { giveUpOptionalFetches } from './release.ts'

export interface HydratorDeps extends RecordDeps, FetchDeps {
  db: Db
  worker: Worker
  /** Called after the commit: events of this client may go on. */
  onFetched: (clientId: string) => void
  /** Another process fetches for this client: it should know that there is work. */
  onLeasedElsewhere: (clientId: string) => void
}

export interface Hydrator {
  /** There may be something to fetch for this client. Returns at once. */
  wake(clientId: string): void
  /** Wakes every client that something is due for. */
  sweep(): Promise<void>
  /** Gives up the calls under way; what they are for is asked for again, in another process or at the next start. */
  stop(): Promise<void>
}

/** Calls under way at once for one source: Stripe allows 25 a second to test keys, and the client has calls of its own. */
const CALLS_PER_SOURCE = 4
/** And for one client, however many sources it has. */
const CALLS_PER_CLIENT = 16
const UNIT = 'hydrate'
const RETRY_MS = 500
/** How long the unit is kept when nothing is due. */
const IDLE_MS = 3000

interface FetchClient {
  /** Somebody said that there is work since the last look. */
  isDirty: boolean
  look: Promise<void> | null
  timer: NodeJS.Timeout | null
  hasLease: boolean
  /** Needs whose call is under way, by source and need. */
  calls: Map<string, { sourceId: string; call: Promise<void> }>
  /** Before the next look after one that failed. */
  pause: GrowingPause
}

/** Fetches from Stripe what source events lack, for one client in one process at a time, outside of every transaction. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one lease loop, whose steps all read and write the same clients and calls.
export function createHydrator(deps: HydratorDeps): Hydrator {
  const clients = new Map<string, FetchClient>()
  const stopping = Promise.withResolvers<'stopping'>()
  let isStopped = false

  const wakeClient = (clientId: string) => {
    if (isStopped) return
    let client = clients.get(clientId)
    if (!client) {
      client = {
        isDirty: false,
        look: null,
        timer: null,
        hasLease: false,
        calls: new Map(),
        pause: createGrowingPause(),
      }
      clients.set(clientId, client)
    }
    client.isDirty = true
    client.look ??= runTurns(clientId, client)
  }

  const runTurns = async (clientId: string, client: FetchClient) => {
    try {
      while (client.isDirty && !isStopped) {
        client.isDirty = false
        await runTurn(clientId, client)
        client.pause.reset()
      }
    } catch (error) {
      deps.log.error({ clientId, err: error }, 'hydrate.failed')
      wakeClientIn(clientId, client, client.pause.next())
    } finally {
      client.look = null
      if (client.isDirty && !isStopped) wakeClient(clientId)
    }
  }

  const runTurn = async (clientId: string, client: FetchClient) => {
    if (client.timer) clearTimeout(client.timer)
    if (!client.hasLease) {
      const { held, elsewhere } = await deps.worker.claimUnits([{ clientId, unit: UNIT }])
      client.hasLease = held.length > 0
      if (elsewhere.length > 0) deps.onLeasedElsewhere(clientId)
    }
    if (!client.hasLease) return void clients.delete(clientId)
    if (await giveUpOptionalFetches(deps.db, clientId)) deps.onFetched(clientId)
    for (const due of await readDueFetches(deps.db, clientId)) startCall(client, due)
    if (client.calls.size > 0) return // Each call that ends looks again.
    const next = await readNextDue(deps.db, clientId)
    if (next) return wakeClientIn(clientId, client, next.getTime() - (deps.now?.() ?? new Date()).getTime())
    wakeClientIn(clientId, client, IDLE_MS, () => releaseIdleLease(clientId, client))
  }

  const startCall = (client: FetchClient, due: DueFetch) => {
    const key = `${due.sourceId} ${due.need}`
    const underWay = [...client.calls.values()].filter(({ sourceId }) => sourceId === due.sourceId).length
    const allowed = due.failures >= FAILURES_TO_OPEN ? 1 : CALLS_PER_SOURCE
    if (client.calls.has(key) || underWay >= allowed || client.calls.size >= CALLS_PER_CLIENT || isStopped) return
    const call = fetchAndRecord(due).finally(() => {
      client.calls.delete(key)
      wakeClient(due.clientId)
    })
    client.calls.set(key, { sourceId: due.sourceId, call })
  }

  const fetchAndRecord = async (due: DueFetch) => {
    try {
      const reply = await Promise.race([fetchFromStripe(deps, due), stopping.promise])
      if (reply === 'stopping') return // It is asked for again at the next start.
      await recordReply(deps, due, reply)
      deps.onFetched(due.clientId)
    } catch (error) {
      deps.log.error({ clientId: due.clientId, need: due.need, err: error }, 'hydrate.not_recorded')
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }

  const wakeClientIn = (clientId: string, client: FetchClient, ms: number, then = () => wakeClient(clientId)) => {
    if (client.timer) clearTimeout(client.timer)
    // A few milliseconds late rather than early: the database's clock decides what is due.
    if (!isStopped) client.timer = setTimeout(then, Math.min(Math.max(0, ms) + 5, 2 ** 30))
  }

  /** Nothing came for a while: another process may have it. */
  const releaseIdleLease = (clientId: string, client: FetchClient) => {
    if (client.look || client.calls.size > 0 || isStopped) return
    client.hasLease = false
    // Counted as looking, so that a wake meanwhile waits and claims anew.
    client.look = deps.worker
      .releaseUnits([{ clientId, unit: UNIT }])
      .then(async () => {
        // What was requested just before the release was seen by no process: look once more.
        client.isDirty ||= (await readNextDue(deps.db, clientId)) !== null
      })
      .catch((error) => deps.log.error({ clientId, err: error }, 'hydrate.rest_failed'))
      .finally(() => {
        client.look = null
        if (client.isDirty) wakeClient(clientId)
        else clients.delete(clientId)
      })
  }

  const sweepClients = async () => {
    const { rows } = await queryAnsweringNodes<{ id: string }>(
      deps.db,
      (whose) => `select distinct client_id as id from hydrations where state = 'pending' and ${whose}`,
    )
    for (const { id } of rows) wakeClient(id)
  }

  deps.worker.onLost(() => {
    for (const client of clients.values()) client.hasLease = false
  })
  deps.worker.onReady(sweepClients)

  return {
    wake: wakeClient,
    sweep: sweepClients,
    async stop() {
      isStopped = true
      stopping.resolve('stopping')
      for (const { timer } of clients.values()) if (timer) clearTimeout(timer)
      await Promise.all(
        [...clients.values()].flatMap(({ look, calls }) => [look, ...[...calls.values()].map(({ call }) => call)]),
      )
      await Promise.all(
        [...clients].map(([clientId, { hasLease }]) =>
          hasLease ? deps.worker.releaseUnits([{ clientId, unit: UNIT }]) : null,
        ),
      )
    },
  }
}
