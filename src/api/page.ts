import { cursorOf, keysOf } from './cursor.ts'
import type { Call, Deps, Reply } from './route.ts'
import type { PageAsked } from './words.ts'

/** A list of rows of the table aliased `t`, as SQL. */
interface Listing {
  /** Names the list in its cursors, so that a cursor of one list does not fit another. */
  list: string
  /** With aliases in the words of the API. */
  columns: string
  /** e.g. `endpoints t`. */
  from: string
  /** Always holds. */
  where?: string
  /** `?` stands for the value; a filter whose value is undefined is left out. */
  filters?: readonly (readonly [sql: string, value: unknown])[]
  /** What the list is ordered by, unique together: expression and type. */
  keys?: readonly (readonly [expression: string, type: string])[]
  /** `false` for a table that no client owns. */
  owned?: boolean
}

/**
 * One page by keyset: as many rows as `query.limit`, after `query.cursor`, and the cursor of the next page or null. Where an
 * operator asks across all clients, each client's rows are read by their own index. Throws `cursor_invalid`.
 */
export async function page(
  { keyRing }: Pick<Deps, 'keyRing'>,
  { db, clientId, query }: Pick<Call<PageAsked, unknown, string | null>, 'db' | 'clientId' | 'query'>,
  { list, columns, from, where, filters = [], keys = [['t.id', 'uuid']], owned = true }: Listing,
): Promise<Reply> {
  const { limit, cursor, order } = query
  const values: unknown[] = []
  const bound = (value: unknown) => `$${values.push(value)}`
  const conditions = filters
    .filter(([, value]) => value !== undefined)
    .map(([sql, value]) => sql.replace('?', () => bound(value)))
  if (where) conditions.push(where)
  if (cursor !== undefined) {
    const after = keysOf(keyRing, cursor, { list, order }).map((key, at) => `${bound(key)}::${keys[at]?.[1]}`)
    conditions.push(`(${keys.map(([key]) => key)}) ${order === 'asc' ? '>' : '<'} (${after})`)
  }
  const across = owned && clientId === null
  if (owned) conditions.unshift(across ? 't.client_id = c.id' : `t.client_id = ${bound(clientId)}`)
  const rowsLimit = bound(limit + 1) // One more than asked for tells whether there is a next page.
  const inner = `select ${columns}, ${keys.map(([key], at) => `${key} as "key${at}"`)} from ${from}
    ${conditions.length > 0 ? `where ${conditions.join(' and ')}` : ''}
    order by ${keys.map(([key]) => `${key} ${order}`)} limit ${rowsLimit}`
  const { rows } = await db.query(
    `select x.*, array[${keys.map((_, at) => `x."key${at}"::text`)}] as keys
       from ${across ? `clients c cross join lateral (${inner}) x` : `(${inner}) x`}
      order by ${keys.map((_, at) => `x."key${at}" ${order}`)} limit ${rowsLimit}`,
    values,
  )
  const shown = rows.slice(0, limit)
  const nextCursor = rows.length > limit ? cursorOf(keyRing, { list, order, keys: shown.at(-1).keys }) : null
  return { data: shown.map((row) => bare(row, keys.length)), meta: { nextCursor } }
}

function bare({ keys: _, ...row }: Record<string, unknown>, count: number) {
  for (let at = 0; at < count; at++) delete row[`key${at}`]
  return row
}
