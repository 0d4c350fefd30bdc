import type { Db } from '../database/db.ts'
import { queryEachClient } from '../database/each-client.ts'
import { firstRow } from '../database/rows.ts'
import { createGrowingPause, type GrowingPause } from '../workers/growing-pause.ts'
import { createLoneGate } from '../workers/lone-gate.ts'
import type { Worker } from '../workers/worker.ts'
import { normalizeBatch } from './batch.ts'
import { type BatchDeps, type BatchResult, NOTHING_DUE } from './batch-result.ts'
import { fireOverdueTimers } from './overdue-timer.ts'

export interface NormalizerDeps extends BatchDeps {
  worker: Worker
  /** How many lanes the receiver spreads a client's customers over. */
  laneCount: number
  /** Called after the commit with the endpoints that have new deliveries. */
  onDeliveriesCreated: (clientId: string, endpointIds: string[]) => void
  /** Called after the commit when something is to be fetched from Stripe for this client. */
  onFetchRequested?: (clientId: string) => void
  /** Lanes of this client are normalised by another process: it should know that there is work. */
  onLeasedElsewhere: (clientId: string) => void
}

export interface Normalizer {
  /** There may be due source events of this client. Returns at once. */
  wake(clientId: string): void
  /** Wakes every client that has due source events: after a start, a crash elsewhere, or a lost wake. */
  sweep(): Promise<void>
  /** How many clients wait for their turn. */
  waitingClientCount(): number
  /** Takes no new batch and waits for the running ones. */
  stop(): Promise<void>
}

/** Batches of different clients that run at once in one process. */
const CONCURRENT_CLIENTS = 4
/** How long lanes are kept when nothing is due: a claim per event would cost more than the event. */
const IDLE_MS = 3000

const laneUnit = (lane: number) => `lane:${lane}`

type LaneClient = {
  dirty: boolean
  lanes: number[]
  running: Promise<void> | null
  timer: NodeJS.Timeout | null
  /** When the first of its invoices falls due by our own timer. */
  nextTimerAt: number
  /** Before the next try after one that failed. */
  pause: GrowingPause
}

/** Batches of a client until nothing is due or others wait for their turn; answers the earliest deadline of what is held. */
async function runBatches(
  deps: NormalizerDeps,
  clientId: string,
  { client, lanes, shouldYield }: { client: LaneClient; lanes: readonly number[]; shouldYield: () => boolean },
): Promise<number> {
  let result: BatchResult
  let heldUntil = Number.POSITIVE_INFINITY
  do {
    result = (await normalizeBatch(deps, new Map([[clientId, lanes]]))).get(clientId) ?? NOTHING_DUE
    if (result.endpointIds.length > 0) deps.onDeliveriesCreated(clientId, result.endpointIds)
    if (result.hasFetchRequests) deps.onFetchRequested?.(clientId)
    if (result.heldUntil) heldUntil = Math.min(heldUntil, result.heldUntil.getTime())
    if (result.nextTimerAt) client.nextTimerAt = Math.min(client.nextTimerAt, result.nextTimerAt.getTime())
    if (result.sourceEventCount > 0 && shouldYield()) client.dirty = true
  } while ((result.sourceEventCount > 0 || result.hasReleasedHeld) && !shouldYield())
  return heldUntil
}

/** Makes source events of the timers that have gone off, which are normalised in the client's next turn. */
async function fireDueTimers(
  deps: NormalizerDeps,
  clientId: string,
  { client, lanes }: { client: LaneClient; lanes: readonly number[] },
): Promise<void> {
  if (client.nextTimerAt > deps.now().getTime()) return
  const firedOfClients = await fireOverdueTimers(deps, new Map([[clientId, lanes]]))
  const { fired, next } = firedOfClients.get(clientId) ?? { fired: [], next: Number.POSITIVE_INFINITY }
  client.nextTimerAt = next
  if (fired.length > 0 || next <= deps.now().getTime()) client.dirty = true
  if (fired.length > 0)
    deps.watch?.onSourceEventsStored?.({
      via: 'timer',
      events: fired,
      duplicates: 0,
      committedAt: deps.now().getTime(),
    })
}

/** When the client's first source event or timer is due, in milliseconds. */
async function readEarliestDue(db: Db, clientId: string): Promise<number> {
  const { rows } = await db.query<{ due: Date | null }>(
    `select least((select min(due_at) from source_events where client_id = $1 and due_at is not null),
                  (select min(due_at) from invoice_dues where client_id = $1)) as due`,
    [clientId],
  )
  return firstRow(rows).due?.getTime() ?? Number.POSITIVE_INFINITY
}

/** Normalises clients' source events, one batch after another per client, several clients side by side. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one lease loop, whose steps all read and write the same clients, queue and timers.
export function createNormalizer(given: NormalizerDeps): Normalizer {
  const deps = { ...given, gate: createLoneGate() }
  const clients = new Map<string, LaneClient>()
  const queue: string[] = []
  let runningTurns = 0
  let isStopped = false
  const laneUnits = Array.from({ length: deps.laneCount }, (_, lane) => laneUnit(lane))

  const wakeClient = (clientId: string) => {
    if (isStopped) return
    let client = clients.get(clientId)
    if (!client) {
      client = { dirty: false, lanes: [], running: null, timer: null, nextTimerAt: 0, pause: createGrowingPause() }
      clients.set(clientId, client)
    }
    if (client.dirty) return
    client.dirty = true
    if (!client.running) {
      queue.push(clientId)
      startTurns()
    }
  }

  const startTurns = () => {
    while (runningTurns < CONCURRENT_CLIENTS && !isStopped) {
      const clientId = queue.shift()
      const client = clientId === undefined ? undefined : clients.get(clientId)
      if (clientId === undefined) return
      if (!client || client.running) continue
      runningTurns += 1
      client.running = runTurn(clientId, client)
        .catch((error) => {
          deps.log.error({ clientId, err: error }, 'normalize.failed')
          lookAgainAt(clientId, client, deps.now().getTime() + client.pause.next())
        })
        .finally(() => {
          runningTurns -= 1
          client.running = null
          if (client.dirty && !isStopped) queue.push(clientId)
          startTurns()
        })
    }
  }

  /** One turn of a client: batches until nothing is due, or until others have waited long enough. */
  const runTurn = async (clientId: string, client: LaneClient) => {
    if (client.timer) clearTimeout(client.timer)
    client.dirty = false
    if (client.lanes.length < laneUnits.length) {
      const { held, elsewhere } = await deps.worker.claimUnits(laneUnits.map((unit) => ({ clientId, unit })))
      client.lanes = held.map(({ unit }) => Number(unit.slice('lane:'.length)))
      client.nextTimerAt = 0
      if (elsewhere.length > 0) deps.onLeasedElsewhere(clientId)
    }
    if (client.lanes.length === 0) {
      if (!client.dirty) clients.delete(clientId)
      return
    }
    // Those of the claim: should the lease be lost meanwhile, row locks keep what runs apart from its next holder.
    const { lanes } = client
    const shouldYield = () => queue.length > 0 || isStopped
    const heldUntil = await runBatches(deps, clientId, { client, lanes, shouldYield })
    await fireDueTimers(deps, clientId, { client, lanes })
    client.pause.reset()
    if (heldUntil < deps.now().getTime() + IDLE_MS) wakeClientAt(clientId, client, heldUntil)
    else lookAgainAt(clientId, client, deps.now().getTime() + IDLE_MS)
  }

  /** Looks again at a moment; gives the lanes back when nothing is due then either. */
  const lookAgainAt = (clientId: string, client: LaneClient, at: number) => {
    if (isStopped) return
    if (client.timer) clearTimeout(client.timer)
    client.timer = setTimeout(() => startRest(clientId, client), Math.max(0, at - deps.now().getTime()))
  }

  /** Nothing has come for a while: gives the lanes back, unless something is due soon. */
  const startRest = (clientId: string, client: LaneClient) => {
    if (client.running || client.dirty || isStopped || clients.get(clientId) !== client) return
    // Counted as running, so that a wake meanwhile waits and claims anew.
    client.running = releaseIdleLanes(clientId, client)
      .catch((error) => {
        deps.log.error({ clientId, err: error }, 'normalize.rest_failed')
        lookAgainAt(clientId, client, deps.now().getTime() + client.pause.next())
      })
      .finally(() => {
        client.running = null
        if (client.dirty && !isStopped) queue.push(clientId)
        startTurns()
      })
  }
  const releaseIdleLanes = async (clientId: string, client: LaneClient) => {
    let due = await readEarliestDue(deps.db, clientId)
    if (due > deps.now().getTime() + IDLE_MS && client.lanes.length > 0) {
      const { lanes } = client
      client.lanes = []
      await deps.worker.releaseUnits(lanes.map((lane) => ({ clientId, unit: laneUnit(lane) })))
      // What was stored between the look and the release was seen by no process: look once more.
      due = await readEarliestDue(deps.db, clientId)
    }
    if (due < Number.POSITIVE_INFINITY) wakeClientAt(clientId, client, due)
    else if (!client.dirty) clients.delete(clientId)
  }
  const wakeClientAt = (clientId: string, client: LaneClient, due: number) => {
    if (client.timer) clearTimeout(client.timer)
    // A few milliseconds late rather than early: the database's clock decides what is due.
    client.timer = setTimeout(
      () => wakeClient(clientId),
      Math.min(Math.max(0, due - deps.now().getTime()) + 5, 2 ** 30),
    )
  }

  const sweepClients = async () => {
    const dueClients = await queryEachClient<{ id: string }>(
      deps.db,
      (client) => `
        select ${client} as id
         where exists (select from source_events where client_id = ${client} and due_at <= now())
            or exists (select from invoice_dues where client_id = ${client} and due_at <= $1)`,
      [deps.now()],
      { passOverAway: true },
    )
    for (const { id } of dueClients) wakeClient(id)
  }

  deps.worker.onLost(() => {
    for (const client of clients.values()) client.lanes = []
  })
  deps.worker.onReady(sweepClients)

  return {
    wake: wakeClient,
    sweep: sweepClients,
    waitingClientCount: () => queue.length,
    async stop() {
      isStopped = true
      for (const client of clients.values()) if (client.timer) clearTimeout(client.timer)
      await Promise.all([...clients.values()].map(({ running }) => running))
      await Promise.all(
        [...clients].map(([clientId, { lanes }]) =>
          lanes.length > 0 ? deps.worker.releaseUnits(lanes.map((lane) => ({ clientId, unit: laneUnit(lane) }))) : null,
        ),
      )
    },
  }
}
