import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import pg from 'pg'
import { newId } from './ids.ts'

/** Notifications on this channel wake other processes: `sweep`, or `<room>:<clientId>`. */
export const WAKE = 'flo_wake'

// A worker that is cut off must notice before the server gives it up, or two would work on one unit: a heartbeat every 2 s
// that waits 4 s tells it within 6 s, the server's keepalive takes 3 + 3 x 2 = 9 s.
const HEARTBEAT_TIMEOUT_MS = 4000
const KEEPALIVE = 'set tcp_keepalives_idle = 3; set tcp_keepalives_interval = 2; set tcp_keepalives_count = 3'

/** The session that keeps one worker alive: while it lasts, the advisory lock of the worker's row is held. */
export interface WorkerSession {
  /** The worker's id; another one after each loss. */
  readonly id: string
  /** Says which Graphile Worker pool locks jobs for this process. */
  runsPool(graphilePool: string | null): Promise<void>
  /** Asks the server for a sign of life; `lost` follows when none comes. */
  beat(): Promise<void>
  /** Ends it, without calling `lost`. */
  end(): Promise<void>
}

/** Opens a session on `url`, locks, and lists the worker. `lost` is called once, when the session has ended unasked. */
export async function openSession({
  url,
  roles,
  keyIds,
  lost,
  noticed,
}: {
  url: string
  roles: readonly string[]
  keyIds: readonly string[]
  lost: () => void
  noticed: (payload: string) => void
}): Promise<WorkerSession> {
  const id = newId()
  const client = new pg.Client({ connectionString: url, application_name: 'flo-gateway worker', keepAlive: true })
  let state: 'opening' | 'open' | 'ended' = 'opening'
  const ended = () => {
    const wasOpen = state === 'open'
    state = 'ended'
    if (wasOpen) lost()
  }
  client.on('error', () => {})
  client.on('end', ended)
  client.on('notification', ({ payload = '' }) => noticed(payload))
  await client.connect()
  try {
    await client.query(KEEPALIVE)
    await client.query(`listen ${WAKE}`)
    // Locked before it is listed: a listed worker whose lock is free is dead.
    const lockKey = randomBytes(8).readBigInt64BE().toString()
    await client.query('select pg_advisory_lock($1)', [lockKey])
    await client.query(
      'insert into workers (id, lock_key, host, pid, roles, key_ids) values ($1, $2, $3, $4, $5, $6)',
      [id, lockKey, hostname(), process.pid, roles, keyIds],
    )
  } catch (error) {
    await client.end().catch(() => {})
    throw error
  }
  state = 'open'
  return {
    id,
    async runsPool(graphilePool) {
      await client.query('update workers set graphile_pool = $2 where id = $1', [id, graphilePool])
    },
    async beat() {
      const query = { text: 'select', query_timeout: HEARTBEAT_TIMEOUT_MS }
      await client.query(query).catch(() => {
        ended()
        void client.end().catch(() => {})
      })
    },
    async end() {
      state = 'ended'
      await client.end().catch(() => {})
    },
  }
}
