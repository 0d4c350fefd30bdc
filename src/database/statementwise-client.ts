import type pg from 'pg'
import { splitStatements } from './sql-statements.ts'

/** So long a migration waits for a lock: whoever writes meanwhile waits behind it. */
const LOCK_TIMEOUT = '800ms'

/** What a migration says whose statements are transactions of their own, as `create index concurrently` needs it. */
const WITHOUT_TRANSACTION = /^-- Without a transaction\b/m

/**
 * A client for node-pg-migrate that sends the statements of a migration one by one: Citus passes a change of a table on to the
 * nodes as the text that it came in, and they take no text of several statements (citusdata/citus#6608). The transaction
 * around a migration waits for locks for 0.8 s at most, and is left out where the migration says so.
 */
export function createStatementwiseClient(session: pg.Client): pg.Client {
  let transaction: 'none' | 'asked' | 'open' = 'none'
  const sendText = async (text: string): Promise<unknown> => {
    if (text === 'BEGIN;') {
      // Which migration it is for, and whether that one wants it, the next text says.
      transaction = 'asked'
      return undefined
    }
    if (transaction === 'asked') {
      transaction = WITHOUT_TRANSACTION.test(text) ? 'none' : 'open'
      if (transaction === 'open') await session.query(`begin; set local lock_timeout = '${LOCK_TIMEOUT}'`)
    }
    if (text === 'COMMIT;' && transaction === 'none') return undefined
    let result: unknown
    for (const statement of splitStatements(text)) result = await session.query(statement)
    return result
  }
  const client: pg.Client = Object.create(session)
  const query = (text: string, values?: unknown[]) => (values ? session.query(text, values) : sendText(text))
  return Object.assign(client, { query })
}
