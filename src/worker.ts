import { setTimeout as delay } from 'node:timers/promises'
import type { Db } from './db.ts'
import { freeTheDead } from './janitor.ts'
import type { Log } from './log.ts'
import { openSession, WAKE, type WorkerSession } from './worker-session.ts'

/** This process among the others that work on the same database. */
export interface Worker {
  /** Changes when the session was lost and the process registered anew. */
  readonly id: string
  /**
   * Claims units of work of one client (`endpoint:<id>`, `lane:<n>`): `held` are those this worker has now (newly or already),
   * `elsewhere` those another live worker has. One statement. While the session is lost both are empty.
   */
  claim(clientId: string, units: string[]): Promise<{ held: string[]; elsewhere: string[] }>
  /** Gives units back; a unit that is not held is passed over. */
  release(clientId: string, units: string[]): Promise<void>
  /** Called when the session that keeps this worker alive is lost: forget all leases at once, others may have them by now. */
  onLost(callback: () => void): void
  /** Called when the worker is registered again: look for work. */
  onReady(callback: () => void): void
}

/** The worker of a process, for the one that starts and stops it. */
export interface RegisteredWorker extends Worker {
  /** Called with what is said on the channel WAKE; `sweep` means that a worker ended and left work behind. */
  onNotice(callback: (payload: string) => void): void
  /** Whether its session lives, and with it the connection to the database. */
  isRegistered(): boolean
  /** Says which Graphile Worker pool locks jobs for this process: they are freed when it dies. */
  runsPool(graphilePool: string): Promise<void>
  /** Gives back all that is held and leaves; the others are told to sweep. */
  stop(): Promise<void>
}

const JANITOR_MS = 2000
const REOPEN_MS = 500

/**
 * Registers this process. A lost session is opened again, under a new id. Every 2 s it also frees what dead workers of
 * any process held. Rejects when the first registration fails.
 */
export async function registerWorker({
  url,
  db,
  log,
  roles,
  keyIds = [],
}: {
  url: string
  db: Db
  log: Log
  roles: readonly string[]
  /** The keys of the ring that this process has. */
  keyIds?: readonly string[]
}): Promise<RegisteredWorker> {
  const lostCalls: (() => void)[] = []
  const readyCalls: (() => void)[] = []
  const noticeCalls: ((payload: string) => void)[] = []
  let pool: string | null = null
  let stopped = false

  const open = () =>
    openSession({
      url,
      roles,
      keyIds,
      lost: () => void reopen(),
      noticed(payload) {
        for (const call of noticeCalls) call(payload)
      },
    })
  let session: WorkerSession = await open()
  let lost = false

  const reopen = async () => {
    lost = true
    log.error({ workerId: session.id }, 'worker.session_lost')
    for (const call of lostCalls) call()
    while (lost && !stopped) {
      await delay(REOPEN_MS, undefined, { ref: false })
      const fresh = await open().catch((error) => log.warn({ err: error }, 'worker.not_registered'))
      if (!fresh) continue
      session = fresh
      lost = false
    }
    if (lost || stopped) return
    await session.runsPool(pool).catch(() => {})
    log.info({ workerId: session.id }, 'worker.registered_again')
    for (const call of readyCalls) call()
  }

  let janitor = Promise.resolve()
  let ticking: NodeJS.Timeout
  const tick = async () => {
    if (!lost) await session.beat()
    await freeTheDead({ db, log }).catch((error) => log.warn({ err: error }, 'worker.janitor_failed'))
    if (!stopped) next()
  }
  const next = () => {
    ticking = setTimeout(() => {
      janitor = tick()
    }, JANITOR_MS).unref()
  }
  next()

  return {
    get id() {
      return session.id
    },
    async claim(clientId, units) {
      if (lost || units.length === 0) return { held: [], elsewhere: [] }
      const { id } = session
      // In one order everywhere: two workers that claim the same units wait for each other in a line, not in a ring.
      const { rows } = await db.query(
        `with claimed as (
           insert into leases (client_id, unit, worker_id)
           select $1, unit, $3 from unnest($2::text[]) unit order by unit
           on conflict (client_id, unit) do nothing
           returning unit)
         select unit from claimed
         union all
         select unit from leases where client_id = $1 and unit = any($2) and worker_id = $3`,
        [clientId, units, id],
      )
      // Claimed under an id that is lost by now: the janitor frees it.
      if (lost || session.id !== id) return { held: [], elsewhere: [] }
      const held = new Set(rows.map(({ unit }) => unit))
      return { held: [...held], elsewhere: units.filter((unit) => !held.has(unit)) }
    },
    async release(clientId, units) {
      if (units.length === 0) return
      await db.query('delete from leases where client_id = $1 and unit = any($2) and worker_id = $3', [
        clientId,
        units,
        session.id,
      ])
    },
    onLost: (callback) => void lostCalls.push(callback),
    onReady: (callback) => void readyCalls.push(callback),
    onNotice: (callback) => void noticeCalls.push(callback),
    isRegistered: () => !lost && !stopped,
    async runsPool(graphilePool) {
      pool = graphilePool
      await session.runsPool(pool)
    },
    async stop() {
      stopped = true
      clearTimeout(ticking)
      await janitor
      await db.query(
        `with gone as (delete from workers where id = $1),
              freed as (delete from leases where worker_id = $1 returning 1)
         select pg_notify($2, 'sweep') from freed limit 1`,
        [session.id, WAKE],
      )
      await session.end()
    },
  }
}
