import { setTimeout as delay } from 'node:timers/promises'
import { queryAnsweringNodes } from '../database/away-nodes.ts'
import type { ClockSample } from '../database/clock.ts'
import type { Db } from '../database/db.ts'
import { newId } from '../domain/ids.ts'
import type { Log } from '../log.ts'
import { forgetInterruption } from './interrupted-lanes.ts'
import { freeDeadWorkers } from './janitor.ts'
import { type ClaimedUnits, type ClientUnit, claimLeases, releaseLeases } from './leases.ts'
import { retryUntilDone } from './retry-until-done.ts'
import { HEARTBEAT_MS, openSession, type SessionLoss, WAKE_CHANNEL, type WorkerSession } from './worker-session.ts'

/** This process among the others that work on the same database. */
export interface Worker {
  /** Changes when the session was lost and the process registered anew. */
  readonly id: string
  /**
   * Claims units of work (`endpoint:<id>`, `lane:<n>`) of clients of one group: `held` are those this worker has now (newly or
   * already), `elsewhere` those another live worker has. One statement. While the session is lost both are empty.
   */
  claimUnits(units: readonly ClientUnit[]): Promise<ClaimedUnits>
  /** Gives units of clients of one group back; a unit that is not held is passed over. */
  releaseUnits(units: readonly ClientUnit[]): Promise<void>
  /** Called when the session that keeps this worker alive is lost: forget all leases at once, others may have them by now. */
  onLost(callback: () => void): void
  /** Called when the worker is registered again: look for work. What rejects is called again, for as long as the session lasts. */
  onReady(callback: () => unknown): void
}

/** The worker of a process, for the one that starts and stops it. */
export interface RegisteredWorker extends Worker {
  /** Called when the database does not answer any more: connections may be dead without a sign of it. */
  onSilence(callback: () => void): void
  /** Called with what is said on the channel WAKE; `sweep` means that a worker ended and left work behind. */
  onNotice(callback: (payload: string) => void): void
  /** Whether its session lives, and with it the connection to the database. */
  isRegistered(): boolean
  /** Says which Graphile Worker pool locks jobs for this process: they are freed when it dies. */
  setGraphilePool(graphilePool: string): Promise<void>
  /** Gives back all that is held and leaves; the other workers are notified to sweep. */
  stop(): Promise<void>
}

interface WorkerDeps {
  url: string
  db: Db
  log: Log
  roles: readonly string[]
  /** The keys of the ring that this process has. */
  keyIds?: readonly string[]
  /** Gets what the database's clock says, once a second. */
  onClock?: (sample: ClockSample) => void
}

/** What was given to onLost, onReady, onSilence and onNotice, in this order each. */
interface WorkerCallbacks {
  onLost: (() => void)[]
  onReady: (() => unknown)[]
  onSilence: (() => void)[]
  onNotice: ((payload: string) => void)[]
}

const JANITOR_MS = 2000
const REOPEN_MS = 500

/**
 * Registers this process. A lost session is opened again, under a new id. At once and every 2 s it also frees what dead
 * workers of any process held. Rejects when the first registration fails.
 */
export async function registerWorker(deps: WorkerDeps): Promise<RegisteredWorker> {
  const { db, log } = deps
  const callbacks: WorkerCallbacks = { onLost: [], onReady: [], onSilence: [], onNotice: [] }
  const sessions = await keepSession(deps, callbacks)
  const heartbeat = repeatWithPause(HEARTBEAT_MS, async () => {
    if (!sessions.isLost()) await sessions.currentSession().sendHeartbeat()
  })
  // Apart from the heartbeat, which alone can tell that the pool's connections are dead.
  const freeDead = () =>
    freeDeadWorkers({ db, log }).then(
      () => {},
      (error) => log.warn({ err: error }, 'worker.janitor_failed'),
    )
  // Before this process first looks for work: it may be there in place of one that died.
  await freeDead()
  const janitor = repeatWithPause(JANITOR_MS, freeDead)

  return {
    get id() {
      return sessions.currentSession().id
    },
    async claimUnits(units) {
      const { id } = sessions.currentSession()
      if (sessions.isLost() || units.length === 0) return { held: [], elsewhere: [] }
      const claimed = await claimLeases(db, units, id)
      // Claimed under an id that is lost by now: the janitor frees it.
      return sessions.isLost() || sessions.currentSession().id !== id ? { held: [], elsewhere: [] } : claimed
    },
    async releaseUnits(units) {
      if (units.length > 0) await releaseLeases(db, units, sessions.currentSession().id)
    },
    onLost: (callback) => void callbacks.onLost.push(callback),
    onReady: (callback) => void callbacks.onReady.push(callback),
    onSilence: (callback) => void callbacks.onSilence.push(callback),
    onNotice: (callback) => void callbacks.onNotice.push(callback),
    isRegistered: () => !sessions.isLost() && !sessions.isStopped(),
    setGraphilePool: sessions.setGraphilePool,
    async stop() {
      sessions.stopReopening()
      await janitor.stop()
      try {
        await leaveWorkers(db, sessions.currentSession().id)
      } finally {
        // The heartbeat goes on to the last: without it, a database that vanishes now would be waited for in vain.
        await heartbeat.stop()
        await sessions.currentSession().endSession()
      }
    },
  }
}

/** Opens the worker's session, and another one, under a new id, whenever it is lost. Rejects when the first cannot be opened. */
async function keepSession({ url, db, log, roles, keyIds = [], onClock }: WorkerDeps, callbacks: WorkerCallbacks) {
  const processId = newId()
  let pool: string | null = null
  let isStopped = false
  let isLost = false

  const openNext = () =>
    openSession({
      ...{ url, roles, keyIds, processId, onClock },
      onLost: (how) => void reopenSession(how),
      onNotice(payload) {
        for (const call of callbacks.onNotice) call(payload)
      },
    })
  let session: WorkerSession = await openNext()

  const reopenSession = async (how: SessionLoss) => {
    isLost = true
    const { id: former } = session
    log.error({ workerId: former, how }, 'worker.session_lost')
    for (const call of callbacks.onLost) call()
    if (how === 'silent') for (const call of callbacks.onSilence) call()
    while (isLost && !isStopped) {
      await delay(REOPEN_MS, undefined, { ref: false })
      const fresh = await openNext().catch((error) => log.warn({ err: error }, 'worker.not_registered'))
      if (!fresh) continue
      session = fresh
      isLost = false
    }
    if (isLost || isStopped) return
    await session.setGraphilePool(pool).catch(() => {})
    // Its leases were forgotten at the loss. The server may take the old session for alive for some seconds more.
    await leaveWorkers(db, former).catch((error) => log.warn({ err: error }, 'worker.not_left'))
    await forgetInterruption(db, processId).catch((error) => log.warn({ err: error }, 'worker.interruption_kept'))
    log.info({ workerId: session.id }, 'worker.registered_again')
    const { id } = session
    for (const call of callbacks.onReady)
      void retryUntilDone(call, {
        isWanted: () => !isLost && !isStopped && session.id === id,
        onFailed: (error) => log.error({ err: error }, 'worker.not_ready'),
      })
  }
  return {
    currentSession: () => session,
    isLost: () => isLost,
    isStopped: () => isStopped,
    async setGraphilePool(graphilePool: string) {
      pool = graphilePool
      await session.setGraphilePool(pool)
    },
    stopReopening() {
      isStopped = true
    },
  }
}

/** Takes a worker off the list and gives back its leases; when there were any, the other workers are notified to sweep. */
async function leaveWorkers(db: Db, id: string): Promise<void> {
  await db.query('delete from workers where id = $1', [id])
  const { count } = await queryAnsweringNodes(db, (whose) => `delete from leases where worker_id = $1 and ${whose}`, [
    id,
  ])
  if (count > 0) await db.query('select pg_notify($1, $2)', [WAKE_CHANNEL, 'sweep'])
}

/** Repeats the work, each time `pauseMs` after it ended. `stop` waits for what is under way. */
function repeatWithPause(pauseMs: number, work: () => Promise<void>) {
  let running = Promise.resolve()
  let stopped = false
  let timer: NodeJS.Timeout
  const next = () => {
    timer = setTimeout(() => {
      running = work().then(() => {
        if (!stopped) next()
      })
    }, pauseMs).unref()
  }
  next()
  return {
    async stop() {
      stopped = true
      clearTimeout(timer)
      await running
    },
  }
}
