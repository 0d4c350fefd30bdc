import pg from 'pg'
import { createHostConnector } from './hosts.ts'

export type Db = pg.Pool
export type Tx = pg.PoolClient
/** What a room needs to read and write: the pool, or one connection inside a transaction. */
export type Queryable = Pick<pg.Pool | pg.PoolClient, 'query'>

// bigint arrives as text by default; ours are versions and counts, far below 2^53.
const INT8 = 20
const TYPE_PARSERS: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: any) =>
    oid === INT8 ? (text: string) => Number(text) : pg.types.getTypeParser(oid, format),
} as pg.CustomTypesConfig

/**
 * Lets the server give up a client that has vanished without a word after 7 s, and with it the locks that it held: by probes
 * while nothing is said, by the last one while something that was said is not acknowledged. Else it takes hours.
 */
export const KEEPALIVES =
  'set tcp_keepalives_idle = 3; set tcp_keepalives_interval = 1; set tcp_keepalives_count = 4; set tcp_user_timeout = 7000'
const KEEPALIVES_TIMEOUT_MS = 5000

/**
 * On Citus what many shards are changed by goes over one connection to each node, shard after shard. By itself Citus takes one
 * for each shard: each is a transaction to prepare and to commit, and a place of the node's max_connections. To PostgreSQL
 * alone it says nothing.
 */
const ONE_CONNECTION_PER_NODE = `set citus.multi_shard_modify_mode = 'sequential'`

/**
 * A pool on `url`, which may name several hosts (see hosts.ts). An idle connection that breaks is replaced by the pool and
 * told to `onError`.
 */
export function openPool(url: string, { max = 10, onError = (_: Error) => {} } = {}): Db {
  const { config, Client, forgetPrimary: forget } = createHostConnector(url)
  const pool = new pg.Pool({
    ...config,
    Client: Client as new () => pg.Client,
    max,
    types: TYPE_PARSERS,
    application_name: 'flo-gateway',
    onConnect: (client) =>
      client.query({
        text: `${KEEPALIVES}; ${ONE_CONNECTION_PER_NODE}`,
        query_timeout: KEEPALIVES_TIMEOUT_MS,
      } as never) as unknown as undefined,
  })
  pool.on('error', (error) => {
    // The pool hangs the whole connection onto it, statements and all: too much for a log line.
    Object.defineProperty(error, 'client', { enumerable: false })
    // While the pool ends, its connections may end as they like.
    if (!pool.ending) onError(error)
  })
  // A connection that breaks while somebody has it: the next statement tells them. Unheard, the event would end the process.
  const open = new Set<pg.PoolClient>()
  pool.on('connect', (client) => {
    client.on('error', () => {})
    open.add(client)
    client.once('end', () => open.delete(client))
  })
  poolCutters.set(pool, () => {
    forget()
    for (const client of open) {
      const { connection } = client as unknown as { connection: { stream: { destroy(error: Error): void } } }
      connection.stream.destroy(Object.assign(new Error('the database does not answer'), { code: 'ETIMEDOUT' }))
    }
  })
  return pool
}

const poolCutters = new WeakMap<Db, () => void>()

/**
 * Breaks every connection of the pool: whoever waits for an answer gets an error at once, and new connections are made. For
 * a server that does not answer any more: a connection whose other end has vanished says nothing for a quarter of an hour.
 */
export const cutConnections = (pool: Db): void => poolCutters.get(pool)?.()

/** A session of its own on `url`, not yet connected. */
export function createSession(url: string, own: pg.ClientConfig = {}): pg.Client {
  const { config, Client } = createHostConnector(url)
  return new Client({ ...config, ...own })
}

// PostgreSQL's classes and codes for "come back later" (connection lost, out of space or connections, starting, ending, a
// standby), and the network's.
const AWAY_CODES =
  /^(08...|53...|57P0[1-5]|25006|ECONNREFUSED|ECONNRESET|EPIPE|ENOENT|ENOTFOUND|EAI_AGAIN|E(HOST|NET)UNREACH|ETIMEDOUT)$/
// What `pg` says without a code.
const LOST_MESSAGES = /^(Connection terminated|timeout expired|Query read timeout|Client (has encountered|was closed))/

/** Whether an error means that the database is away or full for now, and not that the statement is wrong. */
export function isDatabaseAway(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  return typeof code === 'string' ? AWAY_CODES.test(code) : typeof message === 'string' && LOST_MESSAGES.test(message)
}

/**
 * Whether one node of a cluster is away: class 08 (a connection) in the server's own words, so that not our way to it is
 * broken, but the coordinator's to a node.
 */
export function isNodeAway(error: unknown): boolean {
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown }
  return severity !== undefined && String(code).startsWith('08')
}

/** Whether transactions had locked each other out, and this one was ended for it: it may be tried again. */
export const isDeadlock = (error: unknown): boolean => (error as { code?: unknown })?.code === '40P01'

/** Runs `work` in one transaction: committed when it returns, rolled back when it throws. */
export async function inTransaction<T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<T> {
  const tx = await db.connect()
  let broken: Error | undefined
  try {
    await tx.query('begin')
    const result = await work(tx)
    await tx.query('commit')
    return result
  } catch (error) {
    await tx.query('rollback').catch((cause) => {
      broken = cause
    })
    throw error
  } finally {
    tx.release(broken)
  }
}
