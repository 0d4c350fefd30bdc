import { makeWorkerUtils } from 'graphile-worker'
import type { Db } from '../database/db.ts'
import { graphileLogger } from '../database/graphile-log.ts'
import type { Log } from '../log.ts'
import { createBatcher } from './batcher.ts'
import { createWakeJobs } from './wake-jobs.ts'
import { isWorkRoom, type WorkRoom } from './work-rooms.ts'
import { WAKE_CHANNEL } from './worker-session.ts'

/**
 * How the rooms of this process reach those of others. Every call returns at once. Wakes are coalesced: a few statements for however many
 * clients.
 */
export interface Wakes {
  /** Some worker process should look for work of this client: a Graphile Worker job, for processes without the role `work`. */
  wakeAnywhere(room: WorkRoom, clientId: string): void
  /** Another process holds units of this client that have work: a notification to all. */
  wakeElsewhere(room: WorkRoom, clientId: string): void
  /**
   * Some worker process should look at deliveries of this client at that moment, in case this one is gone by then. What is due later than
   * sweeps look ahead is left to them.
   */
  wakeDeliverAt(clientId: string, at: Date): void
  /** Sends the wakes that still wait, and ends. */
  stop(): Promise<void>
}

interface WakesDeps {
  db: Db
  log: Log
  /** Marks this process's own notifications, which it ignores (see `parseNotice`). */
  workerId: () => string
  /** The database's clock. */
  now: () => Date
}

const JOB_SPACING_MS = 25
// Two processes that hold units of one client answer each other's notices for as long as work waits: not too often.
const NOTICE_SPACING_MS = 100
/** Clients of one notification, which may have 8,000 bytes. */
const CLIENTS_PER_NOTICE = 200
const BACKSTOP_SPACING_MS = 1000
/** Moments so close to each other share a job. */
const BACKSTOP_SLOT_MS = 5000
// So much later than the retry clock of the process that planned the attempt, which comes first.
const BACKSTOP_GRACE_MS = 2000
/** Sweeps come every minute and look so far ahead. */
const SWEEP_AHEAD_MS = 90_000

export async function createWakes({ db, log, workerId, now }: WakesDeps): Promise<Wakes> {
  const graphile = await makeWorkerUtils({ pgPool: db, logger: graphileLogger(log) })
  const jobs = createWakeJobs(graphile.addJobs)
  const jobWakes = coalesceWakes<RoomWake>(log, JOB_SPACING_MS, jobs.addWakes)
  const notices = coalesceWakes<RoomWake>(log, NOTICE_SPACING_MS, (wakes) =>
    db.query('select pg_notify($1, notice) from unnest($2::text[]) notice', [
      WAKE_CHANNEL,
      formatNotices(wakes, workerId()),
    ]),
  )
  const moments = new Map<string, Date>()
  const backstopJobs = createWakeJobs(graphile.addJobs)
  const backstops = coalesceWakes<{ clientId: string }>(log, BACKSTOP_SPACING_MS, (wakes) =>
    backstopJobs.addWakes(
      wakes.map(({ clientId }) => {
        const at = moments.get(clientId)?.getTime() ?? 0
        moments.delete(clientId)
        const slotEnd = Math.ceil(at / BACKSTOP_SLOT_MS) * BACKSTOP_SLOT_MS
        return { room: 'deliver', clientId, runAt: new Date(slotEnd + BACKSTOP_GRACE_MS) }
      }),
    ),
  )
  return {
    wakeAnywhere: (room, clientId) => jobWakes.addWake(`${room} ${clientId}`, { room, clientId }),
    wakeElsewhere: (room, clientId) => notices.addWake(`${room} ${clientId}`, { room, clientId }),
    wakeDeliverAt(clientId, at) {
      if (at.getTime() > now().getTime() + SWEEP_AHEAD_MS) return
      moments.set(clientId, at)
      backstops.addWake(clientId, { clientId })
    },
    async stop() {
      await Promise.all([jobWakes.flushWakes(), notices.flushWakes(), backstops.flushWakes()])
      await graphile.release()
    },
  }
}

interface RoomWake {
  room: WorkRoom
  clientId: string
}

/** The first word of a notice: `clients:<room>:<sender>:<client>,<client>,...`. */
const NOTICE = 'clients'

function formatNotices(wakes: readonly RoomWake[], workerId: string): string[] {
  return [...Map.groupBy(wakes, ({ room }) => room)].flatMap(([room, ofRoom]) => {
    const ids = ofRoom.map(({ clientId }) => clientId)
    const parts = Array.from({ length: Math.ceil(ids.length / CLIENTS_PER_NOTICE) }, (_, at) =>
      ids.slice(at * CLIENTS_PER_NOTICE, (at + 1) * CLIENTS_PER_NOTICE),
    )
    return parts.map((part) => `${NOTICE}:${room}:${workerId}:${part.join(',')}`)
  })
}

/** Which room and clients a notification on WAKE_CHANNEL wakes; null: it is this worker's own, or no such notification. */
export function parseNotice(payload: string, workerId: string): { room: WorkRoom; clientIds: string[] } | null {
  const words = payload.split(':')
  // Processes of the version before send `<room>:<client>:<sender>`.
  const [room, sender, clientIds] = words[0] === NOTICE ? words.slice(1) : [words[0], words[2], words[1]]
  return isWorkRoom(room) && clientIds && sender !== workerId ? { room, clientIds: clientIds.split(',') } : null
}

/** Coalesces wakes: each is sent once per `spacingMs`. A failure is only logged, since sweeps make up for it. */
function coalesceWakes<Wake>(log: Log, spacingMs: number, sendWakes: (wakes: Wake[]) => Promise<unknown>) {
  const waiting = new Map<string, Promise<void>>()
  const add = createBatcher<[key: string, wake: Wake], void>(
    async (wakes) => {
      for (const [key] of wakes) waiting.delete(key)
      await sendWakes(wakes.map(([, wake]) => wake)).catch((error) =>
        log.warn({ err: error, wakes: wakes.length }, 'wakes.lost'),
      )
      return wakes.map(() => undefined)
    },
    { spacingMs, max: WAKES_PER_STATEMENT },
  )
  return {
    addWake(key: string, wake: Wake) {
      if (!waiting.has(key)) waiting.set(key, add([key, wake]))
    },
    flushWakes: () => Promise.all(waiting.values()),
  }
}

const WAKES_PER_STATEMENT = 10_000
