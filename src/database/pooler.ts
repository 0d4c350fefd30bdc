import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { ConfigError } from '../errors.ts'
import { createSession, isDatabaseAway } from './db.ts'
import { describeNeed, type NeededConnections } from './requirements.ts'

/** A setting of nobody else: what a session wrote into it, it alone reads. */
const MARK = 'flo_gateway.session'
// A pooler in transaction mode that hands out its connections in turn, or by chance, is found out by one of them.
const READS = 8
const TIMEOUT_MS = 5000

/**
 * Throws a ConfigError when connections to `url` are no sessions: behind a pooler in transaction or statement mode they lose
 * settings, advisory locks and notifications, and one that hands a session on as it was left keeps the locks of the dead. Behind
 * a pooler it also makes sure that as many sessions as are needed can be open at once.
 */
export async function assertSessionsAreOwn(url: string, need: NeededConnections): Promise<void> {
  const open: pg.Client[] = []
  const connect = async () => {
    const session = createSession(url, { application_name: 'flo-gateway check', query_timeout: TIMEOUT_MS })
    session.on('error', () => {})
    open.push(session)
    await session.connect()
    return session
  }
  try {
    const first = await connect()
    const mark = randomUUID()
    await first.query(`select set_config('${MARK}', '${mark}', false)`)
    const pids = new Set<number>()
    for (let read = 0; read < READS; read += 1) {
      const seen = await readSession(first)
      pids.add(seen.pid)
      if (pids.size > 1 || seen.mark !== mark) throw sharedSessions()
    }
    const isPooled = !pids.has((first as unknown as { processID: number }).processID)
    const second = await connect()
    const seen = await readSession(second)
    if (pids.has(seen.pid) || seen.mark === mark) throw sharedSessions()
    await first.end()
    if ((await readSession(await connect())).mark === mark)
      throw new ConfigError(
        `The pooler at DATABASE_URL hands sessions on as they were left: set server_reset_query = DISCARD ALL in it, or connect to PostgreSQL itself.`,
      )
    if (isPooled) await assertSessionsFit(connect, need.connections - (open.length - 1), need)
  } finally {
    await Promise.all(open.map((session) => session.end().catch(() => {})))
  }
}

const sharedSessions = () =>
  new ConfigError(
    'The pooler at DATABASE_URL is in transaction or statement mode, where settings, advisory locks and notifications get lost: set pool_mode = session in it, or connect to PostgreSQL itself (docs/scaling.md).',
  )

async function readSession(session: pg.Client): Promise<{ pid: number; mark: string | null }> {
  const { rows } = await session.query(`select pg_backend_pid() as pid, current_setting('${MARK}', true) as mark`)
  return rows[0]
}

async function assertSessionsFit(
  connect: () => Promise<pg.Client>,
  more: number,
  need: NeededConnections,
): Promise<void> {
  const opened = await Promise.allSettled(Array.from({ length: Math.max(0, more) }, connect))
  const refused = opened.find((one) => one.status === 'rejected')
  if (!refused) return
  if (!isDatabaseAway(refused.reason)) throw refused.reason
  const got = need.connections - opened.filter(({ status }) => status === 'rejected').length
  throw new ConfigError(
    `The pooler at DATABASE_URL lets ${got} connections through, and ${describeNeed(need)} at once: raise its default_pool_size (and max_db_connections, max_user_connections), and max_connections of the server.`,
  )
}
