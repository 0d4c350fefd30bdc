import type { Queryable } from '../../database/db.ts'
import { queryEachClient } from '../../database/each-client.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import type { PageQuery } from './field-schemas.ts'
import { type Listing, lastRowLookedAt, type PageParts, pageSelection } from './page-sql.ts'
import type { ApiCall, ApiDeps, ApiReply } from './route.ts'

/**
 * One page by keyset: as many rows as `query.limit`, after `query.cursor`, and the cursor of the next page or null. It is read
 * by one index and looks at a bounded number of rows: where a filter has none and fits few of many, a page may be short, even
 * empty, with a cursor to go on by. Where an operator asks across all clients, each client's rows are read by their own index.
 * Throws `cursor_invalid`.
 */
export async function readPage(
  { keyRing }: Pick<ApiDeps, 'keyRing'>,
  { db, clientId, query }: Pick<ApiCall<PageQuery, unknown, string | null>, 'db' | 'clientId' | 'query'>,
  listing: Listing,
): Promise<ApiReply> {
  const { limit, cursor, order, since, until } = query
  const { list, keys = BY_ID, isOwned: owned = true } = listing
  const after = cursor === undefined ? undefined : decodeCursor(keyRing, cursor, { list, order })
  const parts: PageParts = {
    ...listing,
    keys,
    order,
    after,
    since,
    until,
    limit: limit + 1, // One more than asked for tells whether there is a next page.
    owner: !owned ? 'nobody' : clientId === null ? 'all' : { clientId },
  }
  const { rows, bounded } = await readRows(db, parts)
  const shown = rows.slice(0, limit)
  const last: string[] | undefined = shown.at(-1)?.keys
  let next = rows.length > limit ? last : undefined
  if (!next && bounded) {
    const { text, values } = lastRowLookedAt(parts)
    next = furthestKeys(order, (await db.query(text, values)).rows[0]?.keys, last)
  }
  const nextCursor = next ? encodeCursor(keyRing, { list, order, keys: next }) : null
  return { data: shown.map((row) => withoutKeys(row, keys.length)), meta: { nextCursor } }
}

/** The rows in their order. Those of all clients come in order from one PostgreSQL, and client by client from Citus. */
async function readRows(db: Queryable, parts: PageParts): Promise<{ rows: any[]; bounded: boolean }> {
  const { sqlOfClient: of, columns, orderAndLimit: rest, values, client, isBounded: bounded } = pageSelection(parts)
  if (parts.owner !== 'all')
    return { ...(await db.query(`select ${columns} from (${of(client)}) x ${rest}`, values)), bounded }
  const rows = await queryEachClient<{ keys: string[] }>(db, of, values, { columns, rest })
  return { rows: rows.sort(compareByKeys(parts)).slice(0, parts.limit), bounded }
}

/** Orders rows by their keys, which are written as PostgreSQL writes them. */
function compareByKeys({ keys, order }: Pick<PageParts, 'keys' | 'order'>) {
  const sign = order === 'asc' ? 1 : -1
  const compareKey = (type: string, a: string, b: string) =>
    // Times first by the millisecond: their texts are in the order of the moments only within one offset.
    (type === 'timestamptz' && Date.parse(a) - Date.parse(b)) || (a < b ? -1 : a > b ? 1 : 0)
  return (a: { keys: string[] }, b: { keys: string[] }) => {
    for (const [at, [, type]] of keys.entries()) {
      const difference = compareKey(type, a.keys[at]!, b.keys[at]!)
      if (difference !== 0) return sign * difference
    }
    return 0
  }
}

const BY_ID = [['t.id', 'uuid']] as const

// Rows that came in since the page was read make the second look end earlier: nothing may be shown twice.
function furthestKeys(order: 'asc' | 'desc', looked: string[] | undefined, last: string[] | undefined) {
  if (!looked || !last) return looked
  const isFurther = order === 'asc' ? looked[0]! > last[0]! : looked[0]! < last[0]!
  return isFurther ? looked : last
}

function withoutKeys({ keys: _, ...row }: Record<string, unknown>, count: number) {
  for (let at = 0; at < count; at++) delete row[`key${at}`]
  return row
}
