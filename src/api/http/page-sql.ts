import { keptCondition } from '../../database/deletions.ts'

/** A list of the rows of one table, which is `t` in all its SQL. */
export interface Listing {
  /** Identifies the list in its cursors, so that a cursor fits no other list. */
  list: string
  table: string
  /** Adds columns to each row and removes no row. */
  joins?: string
  /** With the API's field names as aliases. */
  columns: string
  /** A condition that every row has to meet. */
  where?: string
  /** By name: `?` stands for the value; a filter whose value is undefined is left out. */
  filters?: Readonly<Record<string, readonly [sql: string, value: unknown]>>
  /**
   * For a table that grows: the filters, or sets of filters, that an index finds in the order of the list, the best first. The
   * other filters are applied row by row. If left out, an index finds any of them.
   */
  indexedFilters?: readonly (readonly string[])[]
  /** What the list is ordered by, unique in combination: expression and type. */
  keys?: readonly (readonly [expression: string, type: string])[]
  /** `false` where the keys tell no time, since rows come one after another in their order. */
  isTimed?: boolean
  /** `false` for a table without a client. */
  isOwned?: boolean
}

/** A listing with everything else that one page depends on. */
export interface PageParts extends Listing {
  keys: NonNullable<Listing['keys']>
  order: 'asc' | 'desc'
  /** The keys that the previous page ended with. */
  after: readonly string[] | undefined
  /** With the row of `after` itself. */
  isInclusive: boolean
  /** Only rows that were made before; undefined: all. */
  completeUntil: Date | undefined
  since: Date | undefined
  until: Date | undefined
  limit: number
  owner: 'nobody' | 'all' | { clientId: string }
}

/** Rows that a page examines at most when a filter is applied row by row; each may be in a block of its own. */
const MAX_ROWS_EXAMINED = 1_000

/** Stands in our SQL for the client whose rows are read. */
const CLIENT = ':client'

/**
 * The SQL of a list with `client` in place of `t.client_id`. The planner knows that value, so joins and subqueries use the
 * client's index, and on Citus run on the client's node.
 */
export const pinClient = (sql: string, client: string): string => sql.replaceAll('t.client_id', client)

/** The SQL that reads a page: the rows of one client, and the select that orders and limits them. */
interface PageSql {
  sqlOfClient: (client: string) => string
  columns: string
  orderAndLimit: string
  values: unknown[]
  /** The client as the statement refers to it, when it is about one. */
  client: string
  /** It examines at most MAX_ROWS_EXAMINED rows, and may have found too few matches among them. */
  isBounded: boolean
}

export function pageSql(parts: PageParts): PageSql {
  const { table, joins = '', columns, keys, order, limit, owner } = parts
  const { values, bindValue, indexed, unindexed, client } = pageConditions(parts)
  const rowByRow = unindexed.map(({ sql, value }) => sql.replace('?', () => bindValue(value)))
  const keyColumns = keys.map(([key], at) => `${key} as "key${at}"`)
  const rows = bindValue(limit)
  const inOrder = `order by ${keys.map(([key]) => `${key} ${order}`)}`
  const isBounded = rowByRow.length > 0
  const examined = `select t.* from ${table} t ${indexed.length > 0 ? `where ${indexed.join(' and ')}` : ''}
                     ${inOrder} limit ${isBounded ? MAX_ROWS_EXAMINED : rows}`
  const matching = isBounded
    ? `select t.* from (${examined}) t where ${rowByRow.join(' and ')} ${inOrder} limit ${rows}`
    : examined
  const withClient = (sql: string) => (owner === 'nobody' ? sql : pinClient(sql, CLIENT))
  // Limited before it is joined, so that no plan joins the whole table in order to sort it.
  const inner = `select ${withClient(columns)}, ${keyColumns} from (${matching}) t ${withClient(joins)} ${inOrder}`
  return {
    sqlOfClient: (name) => inner.replaceAll(CLIENT, name),
    columns: `x.*, array[${keys.map((_, at) => `x."key${at}"::text`)}] as keys`,
    orderAndLimit: `order by ${keys.map((_, at) => `x."key${at}" ${order}`)} limit ${rows}`,
    values,
    client,
    isBounded,
  }
}

/** The statement that returns the keys of the last row that a bounded page examined; no row: it examined all there are. */
export function lastRowExaminedSql(parts: PageParts): { text: string; values: unknown[] } {
  const { table, keys, order } = parts
  const { values, indexed, client } = pageConditions(parts)
  const text = `select array[${keys.map(([key]) => `${key}::text`)}] as keys from ${table} t where ${indexed.join(' and ')}
    order by ${keys.map(([key]) => `${key} ${order}`)} offset ${MAX_ROWS_EXAMINED - 1} limit 1`
  return { text: text.replaceAll(CLIENT, client), values }
}

/** One filter of a request. */
interface GivenFilter {
  name: string
  sql: string
  value: unknown
}

/** The conditions that an index serves, and the filters that have to be applied row by row. */
function pageConditions({ where, keys, order, after, since, until, owner, completeUntil, ...listing }: PageParts) {
  const values: unknown[] = []
  const bindValue = (value: unknown) => `$${values.push(value)}`
  const given = Object.entries(listing.filters ?? {}).flatMap(([name, [sql, value]]): GivenFilter[] =>
    value === undefined ? [] : [{ name, sql: owner === 'nobody' ? sql : pinClient(sql, CLIENT), value }],
  )
  // Across clients, each client's part would end at a different row: everything asked for is read.
  const indexedNames =
    listing.indexedFilters && owner !== 'all'
      ? bestIndexedFilters(given, listing.indexedFilters)
      : given.map(({ name }) => name)
  const client = typeof owner === 'object' ? `${bindValue(owner.clientId)}::uuid` : ''
  const indexed = owner === 'nobody' ? [] : [`t.client_id = ${CLIENT}`]
  for (const { name, sql, value } of given)
    if (indexedNames.includes(name)) indexed.push(sql.replace('?', () => bindValue(value)))
  if (where) indexed.push(where)
  const isKept = owner === 'nobody' ? undefined : keptCondition(listing.table)
  if (isKept) indexed.push(pinClient(isKept, CLIENT))
  if (since) indexed.push(`t.id >= uuid7_floor(${bindValue(since)})`)
  if (until) indexed.push(`t.id < uuid7_floor(${bindValue(until)})`)
  const [timeKey] = keys
  if (timeKey && completeUntil) indexed.push(completeSql(timeKey, bindValue(completeUntil)))
  if (after) {
    const position = after.map((key, at) => `${bindValue(key)}::${keys[at]?.[1]}`)
    const beyond = `${order === 'asc' ? '>' : '<'}${listing.isInclusive ? '=' : ''}`
    indexed.push(`(${keys.map(([key]) => key)}) ${beyond} (${position})`)
  }
  return { values, bindValue, indexed, client, unindexed: given.filter(({ name }) => !indexedNames.includes(name)) }
}

/** That a row was made before `until`, by the key that tells the time: a UUIDv7, as text or not, or the time itself. */
const completeSql = ([key, type]: readonly [string, string], until: string): string =>
  type === 'text'
    ? `${key} < uuid7_floor(${until})::text`
    : type === 'uuid'
      ? `${key} < uuid7_floor(${until})`
      : `${key} < ${until}::timestamptz`

const bestIndexedFilters = (given: readonly GivenFilter[], indexedFilters: readonly (readonly string[])[]) =>
  indexedFilters.find((names) => names.every((name) => given.some((filter) => filter.name === name))) ?? []
