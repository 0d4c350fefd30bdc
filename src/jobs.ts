import { EventEmitter } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { parseCronItems, type Runner, run, type TaskList, type WorkerEvents } from 'graphile-worker'
import { z } from 'zod'
import { cutConnections, type Db, openPool } from './database/db.ts'
import { graphileLogger } from './database/graphile-log.ts'
import { makePartitions } from './database/partitions.ts'
import { moveFloor } from './database/pending-floor.ts'
import type { Log } from './log.ts'
import type { RetentionDays } from './retention/horizons.ts'
import { purgeExpired } from './retention/purge-expired.ts'
import { retryUntilDone } from './workers/retry-until-done.ts'
import { WAKE_TASK, WakePayload } from './workers/wake-jobs.ts'
import { parseNotice } from './workers/wakes.ts'
import type { WorkRoom } from './workers/work-rooms.ts'
import type { RegisteredWorker } from './workers/worker.ts'

/** What the jobs call of a room. */
export interface WorkingRoom {
  wake(clientId: string): void
  sweep(): Promise<void>
}

interface JobsDeps {
  url: string
  db: Db
  log: Log
  worker: RegisteredWorker
  rooms: Readonly<Record<WorkRoom, WorkingRoom>>
  /** Lets every room look for work. */
  sweepRooms: () => Promise<void>
  /** The database's clock. */
  now: () => Date
  /** Days that payloads and metadata are kept. */
  retentionDays: RetentionDays
  /** Looks for trouble that operators are notified of. */
  raiseAlarms: () => Promise<void>
}

export interface Jobs {
  /** Whether Graphile Worker runs here at present. */
  isRunning(): boolean
  /** Takes no new job and waits for the running ones: they only wake rooms, or end when they are asked to. */
  stop(): Promise<void>
}

// One listens, one runs jobs, one runs the clock's.
const CONNECTIONS = 3
const RESTART_MS = 2000
const IDEMPOTENCY_HOURS = 24
const ROWS_PER_STATEMENT = 1000

const ClientPayload = z.object({ clientId: z.uuid() })

const CRON = parseCronItems([
  { task: 'sweep', match: '* * * * *', options: { jobKey: 'sweep', maxAttempts: 1 } },
  { task: 'alarms', match: '* * * * *', options: { jobKey: 'alarms', maxAttempts: 1 } },
  { task: 'partitions', match: '7 * * * *', options: { jobKey: 'partitions', maxAttempts: 5 } },
  { task: 'purge', match: '37 * * * *', options: { jobKey: 'purge', maxAttempts: 5 } },
])

/** Runs what wakes the rooms of this process: Graphile Worker's jobs and clock, and the notices of other processes. */
export async function startJobs(deps: JobsDeps): Promise<Jobs> {
  const { url, db, log, worker, rooms } = deps
  // A dead worker is announced only once, and the database may be in trouble just then.
  const sweepSoon = () =>
    retryUntilDone(deps.sweepRooms, {
      isWanted: () => !stopping,
      onFailed: (error) => log.error({ err: error }, 'jobs.sweep_failed'),
    })
  let stopping = false
  let runner: Runner | null = null
  // Graphile Worker locks jobs by these ids, one for each of its runs here.
  const poolIds: string[] = []
  const pool = openPool(url, {
    max: CONNECTIONS,
    onError: ({ message }) => log.warn({ message }, 'jobs.connection_lost'),
  })
  worker.onSilence(() => cutConnections(pool))

  worker.onNotice((payload) => {
    if (stopping) return
    if (payload === 'sweep') return void sweepSoon()
    const notice = parseNotice(payload, worker.id)
    for (const clientId of notice?.clientIds ?? []) if (notice) rooms[notice.room].wake(clientId)
  })

  const startRunner = async () => {
    runner = await runGraphile(deps, pool, poolIds, {
      [WAKE_TASK]: async (payload) => {
        const { room, clientIds } = WakePayload.parse(payload)
        for (const clientId of clientIds) rooms[room].wake(clientId)
      },
      // Jobs of the version before, for one client each.
      ...Object.fromEntries(
        Object.entries(rooms).map(([name, room]) => [
          name,
          async (payload: unknown) => room.wake(ClientPayload.parse(payload).clientId),
        ]),
      ),
      sweep: async () => void (await deps.sweepRooms()),
      alarms: deps.raiseAlarms,
      partitions: async () => {
        await makePartitions({ db, log })
        await moveFloor(db, deps.now())
      },
      purge: async () => {
        await purgeIdempotencyKeys(db)
        await purgeExpired({ ...deps, isStopping: () => stopping }, deps.retentionDays)
      },
    })
    // It reconnects by itself; when it gives up nevertheless, rooms would wait for the next sweep for ever.
    runner.promise
      .then(
        () => stopping || log.error('jobs.ended'),
        (error) => log.error({ err: error }, 'jobs.ended'),
      )
      .finally(() => {
        runner = null
        if (!stopping) void restartRunner()
      })
  }
  const restartRunner = async () => {
    while (!runner && !stopping) {
      await delay(RESTART_MS, undefined, { ref: false })
      if (stopping) return
      // What the one that has ended could not mark as done is done once more: a wake too many does no harm.
      const unlocked = pool.query('select graphile_worker.force_unlock_workers($1::text[])', [poolIds])
      await unlocked.then(startRunner).catch((error) => log.error({ err: error }, 'jobs.not_started'))
    }
  }

  // After days of downtime, queries would scan all of them until the hourly job.
  moveFloor(db, deps.now()).catch((error) => log.warn({ err: error }, 'jobs.floor_not_moved'))
  await startRunner().catch(async (error) => {
    await pool.end()
    throw error
  })
  return {
    isRunning: () => runner !== null,
    async stop() {
      stopping = true
      await runner?.stop()
      await pool.end()
    },
  }
}

async function runGraphile(
  { log, worker }: JobsDeps,
  pgPool: Db,
  pools: string[],
  taskList: TaskList,
): Promise<Runner> {
  const events: WorkerEvents = new EventEmitter()
  // Its pool locks jobs by an id of its own choosing: known before the first one is taken, freed when we die.
  events.on('pool:create', ({ workerPool }) => {
    pools.push(workerPool.id)
    worker.setGraphilePool(workerPool.id).catch((error) => log.warn({ err: error }, 'jobs.pool_not_listed'))
  })
  return run({
    pgPool,
    // In batches, since a job that cannot be marked as done, its connection broken say, ends Graphile Worker then. Without
    // them it is a rejection that nobody takes, and ends the process.
    preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
    concurrency: 2,
    noHandleSignals: true,
    parsedCronItems: CRON,
    taskList,
    events,
    logger: graphileLogger(log),
  })
}

/** The replies that an Idempotency-Key brings back are kept for 24 hours. Returns how many went. */
export async function purgeIdempotencyKeys(db: Db): Promise<number> {
  for (let gone = 0; ; ) {
    const { rowCount } = await db.query(
      `delete from idempotency_keys where (api_key_id, key) in (
         select api_key_id, key from idempotency_keys where created_at < now() - make_interval(hours => $1)
          order by created_at limit $2)`,
      [IDEMPOTENCY_HOURS, ROWS_PER_STATEMENT],
    )
    gone += rowCount ?? 0
    if ((rowCount ?? 0) < ROWS_PER_STATEMENT) return gone
  }
}
