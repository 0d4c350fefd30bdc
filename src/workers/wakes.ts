import { type AddJobsJobSpec, makeWorkerUtils } from 'graphile-worker'
import type { Db } from '../database/db.ts'
import { graphileLogger } from '../database/graphile-log.ts'
import type { Log } from '../log.ts'
import { createBatcher } from './batcher.ts'
import { WAKE_CHANNEL } from './worker-session.ts'

const WORK_ROOMS = ['normalize', 'deliver', 'hydrate', 'backfill', 'replay', 'erase', 'route'] as const
/** A room of the role `work`, as wakes, jobs and notices name it. */
export type WorkRoom = (typeof WORK_ROOMS)[number]
const isWorkRoom = (name: string | undefined): name is WorkRoom => WORK_ROOMS.includes(name as WorkRoom)

/** How the rooms of this process reach those of others. Every call returns at once; wakes are coalesced. */
export interface Wakes {
  /** Some worker process should look for work of this client: a Graphile Worker job, for processes without the role `work`. */
  wakeAnywhere(room: WorkRoom, clientId: string): void
  /** Another process holds units of this client that have work: a notification to all. */
  wakeElsewhere(room: WorkRoom, clientId: string): void
  /** Some worker process should look at deliveries of this client at that moment, in case this one is gone by then. */
  wakeDeliverAt(clientId: string, at: Date): void
  /** Sends the wakes that still wait, and ends. */
  stop(): Promise<void>
}

const JOB_SPACING_MS = 25
// Two processes that hold units of one client answer each other's notices for as long as work waits: not too often.
const NOTICE_SPACING_MS = 100
const BACKSTOP_SPACING_MS = 1000
// So much later than the retry clock of the process that planned the attempt, which comes first.
const BACKSTOP_GRACE_MS = 2000

/** `workerId` marks this process's own notifications, which it ignores (see `parseNotice`). */
export async function createWakes({ db, log, workerId }: { db: Db; log: Log; workerId: () => string }): Promise<Wakes> {
  const graphile = await makeWorkerUtils({ pgPool: db, logger: graphileLogger(log) })

  const jobs = coalesceKeys(log, JOB_SPACING_MS, (keys) =>
    graphile.addJobs(
      keys.map((key): AddJobsJobSpec => {
        const [room = '', clientId] = key.split(':')
        return { identifier: room, payload: { clientId }, jobKey: key }
      }),
    ),
  )
  const notices = coalesceKeys(log, NOTICE_SPACING_MS, (keys) =>
    db.query('select pg_notify($1, notice) from unnest($2::text[]) notice', [
      WAKE_CHANNEL,
      keys.map((key) => `${key}:${workerId()}`),
    ]),
  )
  const moments = new Map<string, Date>()
  const backstops = coalesceKeys(log, BACKSTOP_SPACING_MS, (clientIds) =>
    graphile.addJobs(
      clientIds.map((clientId): AddJobsJobSpec => {
        const at = moments.get(clientId)?.getTime() ?? 0
        moments.delete(clientId)
        return {
          identifier: 'deliver',
          payload: { clientId },
          jobKey: `deliver-at:${clientId}`,
          runAt: new Date(at + BACKSTOP_GRACE_MS),
        }
      }),
    ),
  )
  return {
    wakeAnywhere: (room, clientId) => jobs.addKey(`${room}:${clientId}`),
    wakeElsewhere: (room, clientId) => notices.addKey(`${room}:${clientId}`),
    wakeDeliverAt(clientId, at) {
      moments.set(clientId, at)
      backstops.addKey(clientId)
    },
    async stop() {
      await Promise.all([jobs.flushKeys(), notices.flushKeys(), backstops.flushKeys()])
      await graphile.release()
    },
  }
}

/** Which room and client a notification on WAKE_CHANNEL wakes; null: it is this worker's own, or no such notification. */
export function parseNotice(payload: string, workerId: string): { room: WorkRoom; clientId: string } | null {
  const [room, clientId, sender] = payload.split(':')
  if (!isWorkRoom(room) || !clientId || sender === workerId) return null
  return { room, clientId }
}

/** Coalesces keys: each is sent once per `spacingMs`. A failure is only logged, since sweeps make up for it. */
function coalesceKeys(log: Log, spacingMs: number, sendKeys: (keys: string[]) => Promise<unknown>) {
  const waiting = new Map<string, Promise<string>>()
  const add = createBatcher<string, string>(
    async (keys) => {
      for (const key of keys) waiting.delete(key)
      await sendKeys(keys).catch((error) => log.warn({ err: error, words: keys.length }, 'wakes.lost'))
      return keys
    },
    { spacingMs },
  )
  return {
    addKey(key: string) {
      if (!waiting.has(key)) waiting.set(key, add(key))
    },
    flushKeys: () => Promise.all(waiting.values()),
  }
}
