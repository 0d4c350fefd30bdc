import pg from 'pg'

export type Db = pg.Pool
export type Tx = pg.PoolClient
/** What a room needs to read and write: the pool, or one connection inside a transaction. */
export type Queryable = Pick<pg.Pool | pg.PoolClient, 'query'>

// bigint arrives as text by default; ours are versions and counts, far below 2^53.
const INT8 = 20
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: any) =>
    oid === INT8 ? (text: string) => Number(text) : pg.types.getTypeParser(oid, format),
} as pg.CustomTypesConfig

/** A pool on `url`. An idle connection that breaks is replaced by the pool and told to `onError`. */
export function connect(url: string, { max = 10, onError = (_: Error) => {} } = {}): Db {
  const pool = new pg.Pool({ connectionString: url, max, types, application_name: 'flo-gateway' })
  pool.on('error', (error) => {
    // The pool hangs the whole connection onto it, statements and all: too much for a log line.
    Object.defineProperty(error, 'client', { enumerable: false })
    // While the pool ends, its connections may end as they like.
    if (!pool.ending) onError(error)
  })
  // A connection that breaks while somebody has it: the next statement tells them. Unheard, the event would end the process.
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

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
