import { type AddJobsJobSpec, makeWorkerUtils } from 'graphile-worker'
import type { Db } from '../database/db.ts'
import { graphileLogger } from '../graphile-log.ts'
import type { Log } from '../log.ts'
import { batcher } from './batcher.ts'
import { WAKE } from './session.ts'

const ROOMS = ['normalize', 'deliver', 'hydrate', 'backfill', 'replay'] as const
/** A room of the role `work`, as wakes, jobs and notices name it. */
export type Room = (typeof ROOMS)[number]
const isRoom = (name: string | undefined): name is Room => ROOMS.includes(name as Room)

/** How the rooms of this process reach those of others. Every call returns at once; what is said often is said once. */
export interface Wakes {
  /** Some worker process should look for work of this client: a Graphile Worker job, for processes without the role `work`. */
  anywhere(room: Room, clientId: string): void
  /** Another process holds units of this client that have work: a notification to all. */
  elsewhere(room: Room, clientId: string): void
  /** Some worker process should look at deliveries of this client at that moment, in case this one is gone by then. */
  deliverAt(clientId: string, at: Date): void
  /** Says what is still unsaid, and ends. */
  stop(): Promise<void>
}

const JOB_SPACING_MS = 25
// Two processes that hold units of one client answer each other's notices for as long as work waits: not too often.
const NOTICE_SPACING_MS = 100
const BACKSTOP_SPACING_MS = 1000
// The retry clock of the process that planned the attempt comes first.
const BACKSTOP_GRACE_MS = 2000

/** `workerId` marks this process's own notifications, which it passes over (see `noticeFor`). */
export async function newWakes({ db, log, workerId }: { db: Db; log: Log; workerId: () => string }): Promise<Wakes> {
  const graphile = await makeWorkerUtils({ pgPool: db, logger: graphileLogger(log) })

  const jobs = once(log, JOB_SPACING_MS, (keys) =>
    graphile.addJobs(
      keys.map((key): AddJobsJobSpec => {
        const [room = '', clientId] = key.split(':')
        return { identifier: room, payload: { clientId }, jobKey: key }
      }),
    ),
  )
  const notices = once(log, NOTICE_SPACING_MS, (keys) =>
    db.query('select pg_notify($1, said) from unnest($2::text[]) said', [
      WAKE,
      keys.map((key) => `${key}:${workerId()}`),
    ]),
  )
  const moments = new Map<string, Date>()
  const backstops = once(log, BACKSTOP_SPACING_MS, (clientIds) =>
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
    anywhere: (room, clientId) => jobs.say(`${room}:${clientId}`),
    elsewhere: (room, clientId) => notices.say(`${room}:${clientId}`),
    deliverAt(clientId, at) {
      moments.set(clientId, at)
      backstops.say(clientId)
    },
    async stop() {
      await Promise.all([jobs.said(), notices.said(), backstops.said()])
      await graphile.release()
    },
  }
}

/** Whom a notification on WAKE is for; null when it is this worker's own or none of ours. */
export function noticeFor(payload: string, workerId: string): { room: Room; clientId: string } | null {
  const [room, clientId, sender] = payload.split(':')
  if (!isRoom(room) || !clientId || sender === workerId) return null
  return { room, clientId }
}

/** Gathers words and passes each one on once per `spacingMs`; a loss is logged, since sweeps make up for it. */
function once(log: Log, spacingMs: number, pass: (words: string[]) => Promise<unknown>) {
  const waiting = new Map<string, Promise<string>>()
  const add = batcher<string, string>(
    async (words) => {
      for (const word of words) waiting.delete(word)
      await pass(words).catch((error) => log.warn({ err: error, words: words.length }, 'wakes.lost'))
      return words
    },
    { spacingMs },
  )
  return {
    say(word: string) {
      if (!waiting.has(word)) waiting.set(word, add(word))
    },
    said: () => Promise.all(waiting.values()),
  }
}
