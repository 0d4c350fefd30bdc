import type { Queryable } from '../../database/db.ts'
import { queryEachClient } from '../../database/each-client.ts'
import type { ApiDeps } from './api-deps.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import type { PageQuery } from './field-schemas.ts'
import { type Listing, lastRowExaminedSql, type PageParts, pageSql } from './page-sql.ts'
import type { ApiCall } from './route.ts'

/** A page as a route answers it. */
interface Page<Row> {
  data: Row[]
  meta: { nextCursor: string | null }
}

/** A row with the keys that the list is ordered by, each also as `key0`, `key1`, ... */
type KeyedRow = Record<string, unknown> & { keys: string[] }

const BY_ID = [['t.id', 'uuid']] as const

/**
 * One page by keyset: up to `query.limit` rows after `query.cursor`, and the cursor of the next page or null. It reads one
 * index and examines a bounded number of rows: when a filter has no index and matches few rows, a page may be short, even
 * empty, and still have a next one. When an operator asks across all clients, each client's rows are read by their own index.
 * Throws `cursor_invalid`.
 */
export async function readPage<Row = Record<string, unknown>>(
  { keyRing }: Pick<ApiDeps, 'keyRing'>,
  { db, clientId, query }: Pick<ApiCall<PageQuery, unknown, string | null>, 'db' | 'clientId' | 'query'>,
  listing: Listing,
): Promise<Page<Row>> {
  const { limit, cursor, order, since, until } = query
  const { list, keys = BY_ID, isOwned = true } = listing
  const after = cursor === undefined ? undefined : decodeCursor(keyRing, cursor, { list, order })
  const parts: PageParts = {
    ...listing,
    keys,
    order,
    after,
    since,
    until,
    limit: limit + 1, // One more than asked for shows whether there is a next page.
    owner: !isOwned ? 'nobody' : clientId === null ? 'all' : { clientId },
  }
  const { rows, isBounded } = await readRows(db, parts)
  const onPage = rows.slice(0, limit)
  const last = onPage.at(-1)?.keys
  let next = rows.length > limit ? last : undefined
  if (!next && isBounded) {
    const { text, values } = lastRowExaminedSql(parts)
    const { rows: examined } = await db.query<{ keys: string[] }>(text, values)
    next = furthestKeys(order, examined[0]?.keys, last)
  }
  const nextCursor = next ? encodeCursor(keyRing, { list, order, keys: next }) : null
  return { data: onPage.map((row) => withoutKeys(row, keys.length) as Row), meta: { nextCursor } }
}

/** The rows in order. For all clients, one PostgreSQL returns them in order, and Citus client by client. */
async function readRows(db: Queryable, parts: PageParts): Promise<{ rows: KeyedRow[]; isBounded: boolean }> {
  const { sqlOfClient, columns, orderAndLimit, values, client, isBounded } = pageSql(parts)
  if (parts.owner !== 'all') {
    const { rows } = await db.query<KeyedRow>(
      `select ${columns} from (${sqlOfClient(client)}) x ${orderAndLimit}`,
      values,
    )
    return { rows, isBounded }
  }
  const rows = await queryEachClient<KeyedRow>(db, sqlOfClient, values, { columns, rest: orderAndLimit })
  return { rows: rows.sort(compareByKeys(parts)).slice(0, parts.limit), isBounded }
}

/** Compares rows by their keys, which are text as PostgreSQL writes it. */
function compareByKeys({ keys, order }: Pick<PageParts, 'keys' | 'order'>) {
  const sign = order === 'asc' ? 1 : -1
  const compareKey = (type: string, a = '', b = '') =>
    // Times by the millisecond first: as text they are in the order of time only within one offset.
    (type === 'timestamptz' && Date.parse(a) - Date.parse(b)) || (a < b ? -1 : a > b ? 1 : 0)
  return (a: KeyedRow, b: KeyedRow) => {
    for (const [at, [, type]] of keys.entries()) {
      const difference = compareKey(type, a.keys[at], b.keys[at])
      if (difference !== 0) return sign * difference
    }
    return 0
  }
}

/** Rows inserted since the page was read may make the second statement end earlier: no row may be shown twice. */
function furthestKeys(order: 'asc' | 'desc', examined: string[] | undefined, last: string[] | undefined) {
  if (!examined || !last) return examined
  const [[examinedKey = ''], [lastKey = '']] = [examined, last]
  const isFurther = order === 'asc' ? examinedKey > lastKey : examinedKey < lastKey
  return isFurther ? examined : last
}

function withoutKeys({ keys: _, ...row }: KeyedRow, count: number): Record<string, unknown> {
  for (let at = 0; at < count; at++) delete row[`key${at}`]
  return row
}
