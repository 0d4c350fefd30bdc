import type { Db, Queryable } from '../../src/database/db.ts'

/** A statement as it was asked for. */
export interface AskedStatement {
  /** Of a prepared statement. */
  name: string | undefined
  text: string
  values: readonly unknown[]
}

/** The same pool, for which `onStatement` hears of each statement, within transactions too. What it throws, the statement throws. */
export function watchPool(db: Db, onStatement: (statement: AskedStatement) => void): Db {
  const watch = <T extends object>(target: T, own: Record<string, unknown>): T =>
    new Proxy(target, {
      get(_, key) {
        if (typeof key === 'string' && Object.hasOwn(own, key)) return own[key]
        const value = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  const queryOf =
    (target: Queryable) =>
    async (...asked: [query: string | Partial<AskedStatement>, values?: readonly unknown[]]) => {
      const [query, given = []] = asked
      const { name, text = '', values = given } = typeof query === 'string' ? { text: query } : query
      onStatement({ name, text, values })
      return target.query(...(asked as [string, unknown[]]))
    }
  return watch(db, {
    query: queryOf(db),
    async connect() {
      const client = await db.connect()
      return watch(client, { query: queryOf(client) })
    },
  })
}
