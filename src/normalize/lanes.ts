import { ofEachClient } from '../database/each-client.ts'
import type { Worker } from '../workers/worker.ts'
import { type Deps as BatchDeps, type BatchResult, normalizeBatch } from './batch.ts'
import { fireTimers } from './overdue-timer.ts'

export interface Deps extends BatchDeps {
  worker: Worker
  /** How many lanes the receiver spreads a client's customers over. */
  lanes: number
  /** Called after the commit with the endpoints that have new deliveries. */
  fannedOut: (clientId: string, endpointIds: string[]) => void
  /** Called after the commit when something is to be fetched from Stripe for this client. */
  asked?: (clientId: string) => void
  /** Lanes of this client are normalised by another process: it should know that there is work. */
  elsewhere: (clientId: string) => void
}

export interface Normalizer {
  /** There may be due source events of this client. Returns at once. */
  wake(clientId: string): void
  /** Wakes every client that has due source events: after a start, a crash elsewhere, or a lost wake. */
  sweep(): Promise<void>
  /** How many clients wait for their turn. */
  waiting(): number
  /** Takes no new batch and waits for the running ones. */
  stop(): Promise<void>
}

/** Batches of different clients that run at once in one process. */
const CONCURRENT_CLIENTS = 4
/** How long lanes are kept when nothing is due: a claim per event would cost more than the event. */
const IDLE_MS = 3000
const RETRY_MS = 500

type Client = {
  dirty: boolean
  lanes: number[]
  running: Promise<void> | null
  timer: NodeJS.Timeout | null
  /** When the first of its invoices falls due by our own timer. */
  timersAt: number
}

/** Normalises clients' source events, one batch after another per client, several clients side by side. */
export function normalizer(deps: Deps): Normalizer {
  const clients = new Map<string, Client>()
  const queue: string[] = []
  let running = 0
  let stopped = false
  const units = Array.from({ length: deps.lanes }, (_, lane) => `lane:${lane}`)

  const wake = (clientId: string) => {
    if (stopped) return
    let client = clients.get(clientId)
    if (!client) {
      client = { dirty: false, lanes: [], running: null, timer: null, timersAt: 0 }
      clients.set(clientId, client)
    }
    if (client.dirty) return
    client.dirty = true
    if (!client.running) {
      queue.push(clientId)
      next()
    }
  }

  const next = () => {
    while (running < CONCURRENT_CLIENTS && !stopped) {
      const clientId = queue.shift()
      const client = clientId === undefined ? undefined : clients.get(clientId)
      if (clientId === undefined) return
      if (!client || client.running) continue
      running += 1
      client.running = work(clientId, client)
        .catch((error) => {
          deps.log.error({ clientId, err: error }, 'normalize.failed')
          sleepUntil(clientId, client, Date.now() + RETRY_MS)
        })
        .finally(() => {
          running -= 1
          client.running = null
          if (client.dirty && !stopped) queue.push(clientId)
          next()
        })
    }
  }

  /** One turn of a client: batches until nothing is due, or until others have waited long enough. */
  const work = async (clientId: string, client: Client) => {
    if (client.timer) clearTimeout(client.timer)
    client.dirty = false
    if (client.lanes.length < units.length) {
      const { held, elsewhere } = await deps.worker.claim(clientId, units)
      client.lanes = held.map((unit) => Number(unit.slice('lane:'.length)))
      client.timersAt = 0
      if (elsewhere.length > 0) deps.elsewhere(clientId)
    }
    if (client.lanes.length === 0) {
      if (!client.dirty) clients.delete(clientId)
      return
    }
    const { lanes } = client
    let result: BatchResult
    let heldUntil = Number.POSITIVE_INFINITY
    do {
      result = await normalizeBatch(deps, clientId, lanes)
      if (result.endpointIds.length > 0) deps.fannedOut(clientId, result.endpointIds)
      if (result.asked) deps.asked?.(clientId)
      if (result.heldUntil) heldUntil = Math.min(heldUntil, result.heldUntil.getTime())
      if (result.timerAt) client.timersAt = Math.min(client.timersAt, result.timerAt.getTime())
      if (result.count > 0 && queue.length > 0) client.dirty = true
    } while ((result.count > 0 || result.released) && queue.length === 0 && !stopped)
    if (client.timersAt <= deps.now().getTime()) {
      const { fired, next } = await fireTimers(deps, clientId, lanes)
      client.timersAt = next
      if (fired.length > 0) {
        client.dirty = true
        deps.watch?.kept?.({ via: 'timer', events: fired, duplicates: 0, committedAt: Date.now() })
      } else if (next <= deps.now().getTime()) client.dirty = true
    }
    if (heldUntil < Date.now() + IDLE_MS) wakeAt(clientId, client, heldUntil)
    else sleepUntil(clientId, client, Date.now() + IDLE_MS)
  }

  /** Looks again at a moment; gives the lanes back when nothing is due then either. */
  const sleepUntil = (clientId: string, client: Client, at: number) => {
    if (stopped) return
    if (client.timer) clearTimeout(client.timer)
    client.timer = setTimeout(() => idle(clientId, client), Math.max(0, at - Date.now()))
  }

  /** Nothing came for a while: gives the lanes back, unless something is due soon. */
  const idle = (clientId: string, client: Client) => {
    if (client.running || client.dirty || stopped || clients.get(clientId) !== client) return
    // Counted as running, so that a wake meanwhile waits and claims anew.
    client.running = rest(clientId, client)
      .catch((error) => {
        deps.log.error({ clientId, err: error }, 'normalize.rest_failed')
        sleepUntil(clientId, client, Date.now() + RETRY_MS)
      })
      .finally(() => {
        client.running = null
        if (client.dirty && !stopped) queue.push(clientId)
        next()
      })
  }
  const rest = async (clientId: string, client: Client) => {
    const earliest = async () => {
      const { rows } = await deps.db.query(
        `select least((select min(due_at) from source_events where client_id = $1 and due_at is not null),
                      (select min(due_at) from invoice_dues where client_id = $1)) as due`,
        [clientId],
      )
      return (rows[0].due as Date | null)?.getTime() ?? Number.POSITIVE_INFINITY
    }
    let due = await earliest()
    if (due > Date.now() + IDLE_MS && client.lanes.length > 0) {
      const { lanes } = client
      client.lanes = []
      await deps.worker.release(
        clientId,
        lanes.map((lane) => `lane:${lane}`),
      )
      // What was stored between the look and the release found nobody: look once more as a stranger would.
      due = await earliest()
    }
    if (due < Number.POSITIVE_INFINITY) wakeAt(clientId, client, due)
    else if (!client.dirty) clients.delete(clientId)
  }
  const wakeAt = (clientId: string, client: Client, due: number) => {
    if (client.timer) clearTimeout(client.timer)
    // A few milliseconds late rather than early: the database's clock decides what is due.
    client.timer = setTimeout(() => wake(clientId), Math.min(Math.max(0, due - Date.now()) + 5, 2 ** 30))
  }

  const sweep = async () => {
    const due = await ofEachClient<{ id: string }>(
      deps.db,
      (client) => `
        select ${client} as id
         where exists (select from source_events where client_id = ${client} and due_at <= now())
            or exists (select from invoice_dues where client_id = ${client} and due_at <= $1)`,
      [deps.now()],
    )
    for (const { id } of due) wake(id)
  }

  deps.worker.onLost(() => {
    for (const client of clients.values()) client.lanes = []
  })
  deps.worker.onReady(sweep)

  return {
    wake,
    sweep,
    waiting: () => queue.length,
    async stop() {
      stopped = true
      for (const client of clients.values()) if (client.timer) clearTimeout(client.timer)
      await Promise.all([...clients.values()].map(({ running }) => running))
      await Promise.all(
        [...clients].map(([clientId, { lanes }]) =>
          lanes.length > 0
            ? deps.worker.release(
                clientId,
                lanes.map((lane) => `lane:${lane}`),
              )
            : null,
        ),
      )
    },
  }
}
