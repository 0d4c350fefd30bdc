import { readCompleteness } from '../../database/complete-until.ts'
import type { Queryable } from '../../database/db.ts'
import { queryEachClient } from '../../database/each-client.ts'
import { Refusal } from '../../errors.ts'
import type { ApiDeps } from './api-deps.ts'
import { type CursorPlace, decodeCursor, encodeCursor } from './cursor.ts'
import type { PageQuery } from './field-schemas.ts'
import { type Listing, lastRowExaminedSql, type PageParts, pageSql } from './page-sql.ts'
import type { ApiCall } from './route.ts'

/** A page as a route answers it. */
interface Page<Row> {
  data: Row[]
  meta: { nextCursor: string | null; prevCursor: string | null; completeUntil?: Date; isHeldBack?: true }
}

/** A row with the keys that the list is ordered by, each also as `key0`, `key1`, ... */
type KeyedRow = Record<string, unknown> & { keys: string[] }

const BY_ID = [['t.id', 'uuid']] as const

/**
 * One page by keyset: up to `query.limit` rows after `query.cursor`, or before it where it is a `prevCursor`, and the cursors of
 * the pages beside it, or null. In ascending order it ends before rows that may still come in front of others, and says until when
 * it is complete. It reads one index and examines a bounded number of rows: when a filter has no index and matches few rows, a page may be short, even
 * empty, and still have a next one. When an operator asks across all clients, each client's rows are read by their own index.
 * Throws `cursor_invalid`, and `invalid` for a window that ends before it begins.
 */
export async function readPage<Row = Record<string, unknown>>(
  { keyRing }: Pick<ApiDeps, 'keyRing'>,
  { db, clientId, query }: Pick<ApiCall<PageQuery, unknown, string | null>, 'db' | 'clientId' | 'query'>,
  listing: Listing,
): Promise<Page<Row>> {
  const { limit, cursor, order, since, until } = query
  const { list, keys = BY_ID, isOwned = true, isTimed = true } = listing
  assertWindow(query)
  const place = cursor === undefined ? undefined : decodeCursor(keyRing, cursor, { list, order })
  const { completeUntil, isHeldBack } = order === 'asc' ? await readWindowEnd(db, since) : {}
  const parts: PageParts = {
    ...listing,
    keys,
    order: place?.isBackward ? OPPOSITE[order] : order,
    after: place?.keys,
    isInclusive: place?.isInclusive === true,
    completeUntil: isTimed ? completeUntil : undefined,
    since,
    until,
    limit: limit + 1, // One more than asked for shows whether there is a page beyond.
    owner: !isOwned ? 'nobody' : clientId === null ? 'all' : { clientId },
  }
  const { rows, further } = await readOnwards(db, parts)
  const onPage = rows.slice(0, limit)
  const { next, prev } = placesBeside(place, { first: onPage[0]?.keys, further })
  if (place?.isBackward) onPage.reverse()
  const cursorAt = (to: CursorPlace | null) => to && encodeCursor(keyRing, { list, order, ...to })
  return {
    data: onPage.map((row) => withoutKeys(row, keys.length) as Row),
    meta: {
      ...{ nextCursor: cursorAt(next), prevCursor: cursorAt(prev) },
      ...(completeUntil && { completeUntil }),
      ...(isHeldBack && { isHeldBack }),
    },
  }
}

/**
 * Until when what follows `since` is complete: never before it, since a follower that goes on from there would get again what it
 * has. (A transaction that had written nothing yet counts from its start as soon as it writes.)
 */
async function readWindowEnd(db: Queryable, since: Date | undefined) {
  const { until, isHeldBack } = await readCompleteness(db)
  return { completeUntil: since && since > until ? since : until, isHeldBack }
}

const OPPOSITE = { asc: 'desc', desc: 'asc' } as const

/** Throws `invalid` for a window that ends before it begins: it would be empty without a word. */
export function assertWindow({ since, until }: { since?: Date | undefined; until?: Date | undefined }): void {
  if (!since || !until || since <= until) return
  throw new Refusal('invalid', { details: [{ path: 'since', code: 'custom', message: 'must not be after `until`' }] })
}

/**
 * The places of the pages beside one that was read from `place` on: `first` are the keys of its first row in the direction of
 * reading, `further` those from which reading goes on, if there is more.
 */
function placesBeside(
  place: CursorPlace | undefined,
  { first, further }: { first: string[] | undefined; further: string[] | undefined },
): { next: CursorPlace | null; prev: CursorPlace | null } {
  const isBackward = place?.isBackward === true
  const onwards = further ? { keys: further, isBackward } : null
  // Where the page is empty, what it was read from stands at the end of the page where one came from.
  const back = first
    ? { keys: first, isBackward: !isBackward }
    : place && { keys: place.keys, isBackward: !isBackward, isInclusive: !place.isInclusive }
  const returning = (place && back) ?? null
  return isBackward ? { next: returning, prev: onwards } : { next: onwards, prev: returning }
}

/** Up to `limit` rows, one of them to show that there are more, and the keys from which reading goes on, if it does. */
async function readOnwards(db: Queryable, parts: PageParts): Promise<{ rows: KeyedRow[]; further?: string[] }> {
  const { rows, isBounded } = await readRows(db, parts)
  const most = parts.limit - 1
  const last = rows.slice(0, most).at(-1)?.keys
  if (rows.length > most) return { rows, ...(last && { further: last }) }
  if (!isBounded) return { rows }
  const { text, values } = lastRowExaminedSql(parts)
  const { rows: examined } = await db.query<{ keys: string[] }>(text, values)
  const further = furthestKeys(parts.order, examined[0]?.keys, last)
  return { rows, ...(further && { further }) }
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
