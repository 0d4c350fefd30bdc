import pg from 'pg'
import { createHostConnector, type SessionConfig } from './hosts.ts'
import type { SessionSettings } from './session-settings.ts'

export type Db = pg.Pool
export type Tx = pg.PoolClient
/** What a room needs to read and write: the pool, or one connection inside a transaction. */
export type Queryable = Pick<pg.Pool | pg.PoolClient, 'query'>

// bigint arrives as text by default; ours are versions and counts, far below 2^53.
const INT8 = 20
const TIMESTAMPTZ = 1184
const TYPE_PARSERS: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => {
    if (oid === INT8) return (text: string) => Number(text)
    return oid === TIMESTAMPTZ && format === 'text' ? parseMoment : pg.types.getTypeParser(oid, format as 'text')
  },
}

const parseTimestamp: (text: string) => unknown = pg.types.getTypeParser(TIMESTAMPTZ, 'text')
let lastText = ''
let lastMs = 0
/** Rows that one transaction has written carry the same moment, which takes longer to read than the rest of a row: it is read once. */
function parseMoment(text: string): unknown {
  if (text === lastText) return new Date(lastMs)
  const moment = parseTimestamp(text)
  // What is no date is infinite.
  if (moment instanceof Date) {
    lastText = text
    lastMs = moment.getTime()
  }
  return moment
}

/** What a pool may be given. */
export interface PoolOptions {
  max?: number
  /** Gets the error of an idle connection that broke. */
  onError?: (error: Error) => void
  /** Settings of its sessions beside those that every session of the gateway has, e.g. a `statement_timeout`. */
  settings?: SessionSettings
}

/**
 * A pool on `url`, which may name several hosts (see hosts.ts). Its sessions have the settings of session-settings.ts. The pool
 * replaces an idle connection that breaks.
 */
export function openPool(url: string, { max = 10, onError = () => {}, settings = {} }: PoolOptions = {}): Db {
  const { config, Client, forgetPrimary: forget } = createHostConnector(url)
  const pool = new pg.Pool({
    ...config,
    Client: Client as new () => pg.Client,
    max,
    types: TYPE_PARSERS,
    application_name: 'flo-gateway',
    sessionSettings: settings,
    // Statements of one connection that are not waited for one by one go out together.
    pipeline: true,
  } as pg.PoolConfig)
  pool.on('error', (error) => {
    // The pool attaches the whole connection to the error: too much for a log line.
    Object.defineProperty(error, 'client', { enumerable: false })
    // While the pool ends, errors of its connections do not matter.
    if (!pool.ending) onError(error)
  })
  // Of a connection that breaks while it is in use, the next statement fails. Without a listener the event would end the process.
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
 * Breaks every connection of the pool: statements under way fail at once, and new connections are made. For a server that does
 * not answer any more: a connection whose other end has vanished reports nothing for a quarter of an hour.
 */
export const cutConnections = (pool: Db): void => poolCutters.get(pool)?.()

/** A connection of its own on `url`, outside any pool, not yet connected; it sets what every session of the gateway does. */
export function createSession(url: string, own: SessionConfig = {}): pg.Client {
  const { config, Client } = createHostConnector(url)
  return new Client({ ...config, ...own })
}

// Codes of PostgreSQL (connection lost or idle in a transaction, out of space or connections, starting, stopping, a standby) and of the network that mean
// "try again later".
const AWAY_CODES =
  /^(08...|53...|57P0[1-5]|25006|25P03|ECONNREFUSED|ECONNRESET|EPIPE|ENOENT|ENOTFOUND|EAI_AGAIN|E(HOST|NET)UNREACH|ETIMEDOUT)$/
// Messages of `pg` that come without a code.
const LOST_MESSAGES = /^(Connection terminated|timeout expired|Query read timeout|Client (has encountered|was closed))/

/** Whether an error means that the database is away or full for now, and not that the statement is wrong. */
export function isDatabaseAway(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  return typeof code === 'string' ? AWAY_CODES.test(code) : typeof message === 'string' && LOST_MESSAGES.test(message)
}

/**
 * Whether one node of a cluster is away: class 08 (connection) with a severity comes from the server, so it is not our connection
 * that is broken, but the coordinator's to a node.
 */
export function isNodeAway(error: unknown): boolean {
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown }
  return severity !== undefined && String(code).startsWith('08')
}

/** Whether a statement has waited for a lock as long as its `lock_timeout` lets it. */
export const isLockTimeout = (error: unknown): boolean => (error as { code?: unknown })?.code === '55P03'

/** Whether a transaction was ended because of a deadlock: it may be tried again. */
export const isDeadlock = (error: unknown): boolean => (error as { code?: unknown })?.code === '40P01'

/** The parts of a short transaction. */
interface ShortWork<Known, T> {
  /** Goes out together with `begin`, so it may only read. */
  read(tx: Tx): Promise<Known>
  /** `last`: statements that have been sent and are not waited for, `commit` goes out behind them. */
  write(tx: Tx, known: Known): Promise<{ result: T; last: Promise<unknown> }>
}

/**
 * `inTransaction` in as few round trips as it takes: the server ends a transaction of which a statement has
 * failed with a rollback, whatever follows that statement.
 */
export async function inShortTransaction<Known, T>(db: Db, { read, write }: ShortWork<Known, T>): Promise<T> {
  return onConnection(db, async (tx) => {
    const [, known] = await settleBoth(tx.query('begin'), read(tx))
    const { result, last } = await write(tx, known)
    await settleBoth(last, tx.query('commit'))
    return result
  })
}

/** Waits for both, also when one fails: nothing is under way afterwards. */
async function settleBoth<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second])
  return [await first, await second]
}

/** Runs `work` in one transaction, which has these settings: committed when it returns, rolled back when it throws. */
export async function inTransaction<T>(
  db: Db,
  work: (tx: Tx) => Promise<T>,
  settings: SessionSettings = {},
): Promise<T> {
  const begin = ['begin', ...Object.entries(settings).map(([name, value]) => `set local ${name} = '${value}'`)].join(
    '; ',
  )
  return onConnection(db, async (tx) => {
    await tx.query(begin)
    const result = await work(tx)
    await tx.query('commit')
    return result
  })
}

/** Runs a transaction on a connection of its own, and rolls back what has thrown. */
async function onConnection<T>(db: Db, transact: (tx: Tx) => Promise<T>): Promise<T> {
  const tx = await db.connect()
  let broken: Error | undefined
  try {
    return await transact(tx)
  } catch (error) {
    await tx.query('rollback').catch((cause) => {
      broken = cause
    })
    throw error
  } finally {
    tx.release(broken)
  }
}
