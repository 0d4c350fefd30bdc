import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { type ClockSample, sampleClock } from '../database/clock.ts'
import { createSession } from '../database/db.ts'
import { newId } from '../domain/ids.ts'

/** Notifications on this channel wake other processes: `sweep`, or `<room>:<clientId>`. */
export const WAKE_CHANNEL = 'flo_wake'

// A worker that is cut off must notice before the server gives it up (PROBES: 7 s), or two would work on one unit: a
// heartbeat every second that waits 4 s notices it within 5 s.
export const HEARTBEAT_MS = 1000
const HEARTBEAT_TIMEOUT_MS = 4000
const OPEN_TIMEOUT_MS = 10_000

/** The session that keeps one worker alive: while it lasts, the advisory lock of the worker's row is held. */
export interface WorkerSession {
  /** The worker's id; another one after each loss. */
  readonly id: string
  /** Stores which Graphile Worker pool locks jobs for this process. */
  setGraphilePool(graphilePool: string | null): Promise<void>
  /** Asks the server for a sign of life; `onLost('silent')` follows when none comes. */
  sendHeartbeat(): Promise<void>
  /** Ends it, without calling `onLost`. */
  endSession(): Promise<void>
}

/** How a session was lost: its connection has ended, or nothing is heard on it any more. */
export type SessionLoss = 'ended' | 'silent'

/** Opens a session on `url`, locks, and lists the worker. `onLost` is called once, when it ends other than by `endSession`. */
export async function openSession({
  url,
  roles,
  keyIds,
  processId,
  onLost,
  onNotice,
  onClock = () => {},
}: {
  url: string
  roles: readonly string[]
  keyIds: readonly string[]
  /** Of the process, whose sessions have ids of their own. */
  processId: string
  onLost: (how: SessionLoss) => void
  onNotice: (payload: string) => void
  /** Gets what the database's clock says, at the opening and with each heartbeat. */
  onClock?: (sample: ClockSample) => void
}): Promise<WorkerSession> {
  const id = newId()
  const client = createSession(url, { application_name: 'flo-gateway worker', query_timeout: OPEN_TIMEOUT_MS })
  let state: 'opening' | 'open' | 'ended' = 'opening'
  const closeOver = (how: SessionLoss) => {
    const wasOpen = state === 'open'
    state = 'ended'
    if (wasOpen) onLost(how)
  }
  client.on('error', () => {})
  client.on('end', () => closeOver('ended'))
  client.on('notification', ({ payload = '' }) => onNotice(payload))
  const readClock = async () => onClock(await sampleClock(client))
  await client.connect()
  try {
    await readClock()
    await client.query(`listen ${WAKE_CHANNEL}`)
    // Locked before it is listed: a listed worker whose lock is free is dead.
    const lockKey = randomBytes(8).readBigInt64BE().toString()
    await client.query('select pg_advisory_lock($1)', [lockKey])
    await client.query(
      'insert into workers (id, lock_key, host, pid, roles, key_ids, process_id) values ($1, $2, $3, $4, $5, $6, $7)',
      [id, lockKey, hostname(), process.pid, roles, keyIds, processId],
    )
  } catch (error) {
    await client.end().catch(() => {})
    throw error
  }
  state = 'open'
  return {
    id,
    async setGraphilePool(graphilePool) {
      await client.query('update workers set graphile_pool = $2 where id = $1', [id, graphilePool])
    },
    async sendHeartbeat() {
      let heard = false
      const asked = readClock().then(
        () => {
          heard = true
        },
        () => {},
      )
      const late = new AbortController()
      await Promise.race([asked, delay(HEARTBEAT_TIMEOUT_MS, undefined, { signal: late.signal }).catch(() => {})])
      late.abort()
      // After a pause of this process itself, the answer may have come and not been read yet.
      if (!heard) await turn()
      if (heard || state !== 'open') return
      closeOver('silent')
      void client.end().catch(() => {})
    },
    async endSession() {
      state = 'ended'
      await client.end().catch(() => {})
    },
  }
}
