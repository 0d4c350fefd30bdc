import type { Db } from '../database/db.ts'
import type { Worker } from '../workers/worker.ts'
import { FAILURES_TO_OPEN } from './circuit.ts'
import { type Due, dueHydrations, nextDue } from './due.ts'
import { fetched } from './fetch.ts'
import { type Deps as RecordDeps, record } from './record.ts'
import { goWithout } from './release.ts'

type FetchDeps = Parameters<typeof fetched>[0]

export interface Deps extends RecordDeps, FetchDeps {
  db: Db
  worker: Worker
  /** Called after the commit: events of this client may go on. */
  landed: (clientId: string) => void
  /** Another process fetches for this client: it should know that there is work. */
  elsewhere: (clientId: string) => void
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
const PER_SOURCE = 4
const UNIT = 'hydrate'
const RETRY_MS = 500
/** How long the unit is kept when nothing is due. */
const IDLE_MS = 3000

interface Client {
  /** Somebody said that there is work since the last look. */
  dirty: boolean
  looking: Promise<void> | null
  timer: NodeJS.Timeout | null
  held: boolean
  /** Needs whose call is under way, by source and need. */
  calls: Map<string, { sourceId: string; call: Promise<void> }>
}

/** Fetches from Stripe what source events lack, for one client in one process at a time, outside of every transaction. */
export function hydrator(deps: Deps): Hydrator {
  const clients = new Map<string, Client>()
  const stopping = Promise.withResolvers<'stopping'>()
  let stopped = false

  const wake = (clientId: string) => {
    if (stopped) return
    let client = clients.get(clientId)
    if (!client) {
      client = { dirty: false, looking: null, timer: null, held: false, calls: new Map() }
      clients.set(clientId, client)
    }
    client.dirty = true
    client.looking ??= look(clientId, client)
  }

  const look = async (clientId: string, client: Client) => {
    try {
      while (client.dirty && !stopped) {
        client.dirty = false
        await turn(clientId, client)
      }
    } catch (error) {
      deps.log.error({ clientId, err: error }, 'hydrate.failed')
      wakeIn(clientId, client, RETRY_MS)
    } finally {
      client.looking = null
      if (client.dirty && !stopped) wake(clientId)
    }
  }

  const turn = async (clientId: string, client: Client) => {
    if (client.timer) clearTimeout(client.timer)
    if (!client.held) {
      const { held, elsewhere } = await deps.worker.claim(clientId, [UNIT])
      client.held = held.length > 0
      if (elsewhere.length > 0) deps.elsewhere(clientId)
    }
    if (!client.held) return void clients.delete(clientId)
    if (await goWithout(deps.db, clientId)) deps.landed(clientId)
    const due = await dueHydrations(deps.db, clientId)
    for (const one of due) start(client, one)
    if (client.calls.size > 0) return // Each call that ends looks again.
    const next = await nextDue(deps.db, clientId)
    if (next) return wakeIn(clientId, client, next.getTime() - Date.now())
    wakeIn(clientId, client, IDLE_MS, () => rest(clientId, client))
  }

  const start = (client: Client, due: Due) => {
    const key = `${due.sourceId} ${due.need}`
    const under = [...client.calls.values()].filter(({ sourceId }) => sourceId === due.sourceId).length
    const allowed = due.failures >= FAILURES_TO_OPEN ? 1 : PER_SOURCE
    if (client.calls.has(key) || under >= allowed || stopped) return
    const call = land(due).finally(() => {
      client.calls.delete(key)
      wake(due.clientId)
    })
    client.calls.set(key, { sourceId: due.sourceId, call })
  }

  const land = async (due: Due) => {
    try {
      const reply = await Promise.race([fetched(deps, due), stopping.promise])
      if (reply === 'stopping') return // It is asked for again at the next start.
      await record(deps, due, reply)
      deps.landed(due.clientId)
    } catch (error) {
      deps.log.error({ clientId: due.clientId, need: due.need, err: error }, 'hydrate.not_recorded')
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }

  const wakeIn = (clientId: string, client: Client, ms: number, then = () => wake(clientId)) => {
    if (client.timer) clearTimeout(client.timer)
    // A few milliseconds late rather than early: the database's clock decides what is due.
    if (!stopped) client.timer = setTimeout(then, Math.min(Math.max(0, ms) + 5, 2 ** 30))
  }

  /** Nothing came for a while: another process may have it. */
  const rest = (clientId: string, client: Client) => {
    if (client.looking || client.calls.size > 0 || stopped) return
    client.held = false
    // Counted as looking, so that a wake meanwhile waits and claims anew.
    client.looking = deps.worker
      .release(clientId, [UNIT])
      .then(async () => {
        // What was asked for just before the release found a room that did not look.
        client.dirty ||= (await nextDue(deps.db, clientId)) !== null
      })
      .catch((error) => deps.log.error({ clientId, err: error }, 'hydrate.rest_failed'))
      .finally(() => {
        client.looking = null
        if (client.dirty) wake(clientId)
        else clients.delete(clientId)
      })
  }

  const sweep = async () => {
    const { rows } = await deps.db.query(`select distinct client_id as id from hydrations where state = 'pending'`)
    for (const { id } of rows) wake(id)
  }

  deps.worker.onLost(() => {
    for (const client of clients.values()) client.held = false
  })
  deps.worker.onReady(sweep)

  return {
    wake,
    sweep,
    async stop() {
      stopped = true
      stopping.resolve('stopping')
      for (const { timer } of clients.values()) if (timer) clearTimeout(timer)
      await Promise.all(
        [...clients.values()].flatMap(({ looking, calls }) => [
          looking,
          ...[...calls.values()].map(({ call }) => call),
        ]),
      )
      await Promise.all(
        [...clients].map(([clientId, { held }]) => (held ? deps.worker.release(clientId, [UNIT]) : null)),
      )
    },
  }
}
