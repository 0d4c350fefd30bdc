/** A list of rows of one table, `t` in all its SQL. */
export interface Listing {
  /** Names the list in its cursors, so that a cursor of one list does not fit another. */
  list: string
  table: string
  /** Adds columns to each row, and takes none away. */
  joins?: string
  /** With aliases in the words of the API. */
  columns: string
  /** Always holds. */
  where?: string
  /** By name: `?` stands for the value; a filter whose value is undefined is left out. */
  filters?: Readonly<Record<string, readonly [sql: string, value: unknown]>>
  /**
   * Of a table that grows: which filters, or sets of them, an index finds in the order of the list, the best first. The others
   * are judged row by row. Left out: any of them.
   */
  indexedFilters?: readonly (readonly string[])[]
  /** What the list is ordered by, unique together: expression and type. */
  keys?: readonly (readonly [expression: string, type: string])[]
  /** `false` for a table that no client owns. */
  isOwned?: boolean
}

/** A listing with everything that one page of it depends on. */
export interface PageParts extends Listing {
  keys: NonNullable<Listing['keys']>
  order: 'asc' | 'desc'
  /** The keys that the page before ended with. */
  after: readonly string[] | undefined
  since: Date | undefined
  until: Date | undefined
  limit: number
  owner: 'nobody' | 'all' | { clientId: string }
}

interface SqlStatement {
  text: string
  values: unknown[]
}

/** Rows that one page looks at where a filter is judged row by row; each may lie in a block of its own. */
const MAX_ROWS_LOOKED_AT = 1_000

/** Stands in our SQL for the client whose rows are read. */
const CLIENT = ':client'

/**
 * `t.client_id` in the SQL of a list as `client`, which the planner knows: so that what is joined or asked beside each row is
 * found by the client's index, and on Citus on the client's node.
 */
export const pinClient = (sql: string, client: string): string => sql.replaceAll('t.client_id', client)

/** The rows of a page: `of` one client, and how they are shown in their order. */
interface PageSelection {
  sqlOfClient: (client: string) => string
  columns: string
  orderAndLimit: string
  values: unknown[]
  /** The client as the statement names it, where it is about one. */
  client: string
  /** It looks at LOOK rows at most, and may have found too few among them. */
  isBounded: boolean
}

/** The statement that reads a page. */
export function pageSelection(parts: PageParts): PageSelection {
  const { table, joins = '', columns, keys, order, limit, owner: whose } = parts
  const { values, bound, found, others, client } = pageConditions(parts)
  const judged = others.map(([, [sql, value]]) => sql.replace('?', () => bound(value)))
  const named = keys.map(([key], at) => `${key} as "key${at}"`)
  const rows = bound(limit)
  const inOrder = `order by ${keys.map(([key]) => `${key} ${order}`)}`
  const looked = `select t.* from ${table} t ${found.length > 0 ? `where ${found.join(' and ')}` : ''}
                   ${inOrder} limit ${judged.length > 0 ? MAX_ROWS_LOOKED_AT : rows}`
  const fitting =
    judged.length > 0 ? `select t.* from (${looked}) t where ${judged.join(' and ')} ${inOrder} limit ${rows}` : looked
  const withClient = (sql: string) => (whose === 'nobody' ? sql : pinClient(sql, CLIENT))
  // Cut off before it is joined, so that no plan joins all that there is in order to sort it.
  const inner = `select ${withClient(columns)}, ${named} from (${fitting}) t ${withClient(joins)} ${inOrder}`
  return {
    sqlOfClient: (name) => inner.replaceAll(CLIENT, name),
    columns: `x.*, array[${keys.map((_, at) => `x."key${at}"::text`)}] as keys`,
    orderAndLimit: `order by ${keys.map((_, at) => `x."key${at}" ${order}`)} limit ${rows}`,
    values,
    client,
    isBounded: judged.length > 0,
  }
}

/** The statement that answers the keys of the last row that a bounded page has looked at; none: it has looked at all. */
export function lastRowLookedAt(parts: PageParts): SqlStatement {
  const { table, keys, order } = parts
  const { values, found, client } = pageConditions(parts)
  const text = `select array[${keys.map(([key]) => `${key}::text`)}] as keys from ${table} t where ${found.join(' and ')}
    order by ${keys.map(([key]) => `${key} ${order}`)} offset ${MAX_ROWS_LOOKED_AT - 1} limit 1`
  return { text: text.replaceAll(CLIENT, client), values }
}

/** What an index finds, and the filters that have to be judged row by row. */
function pageConditions({
  filters = {},
  indexedFilters: ways,
  where,
  keys,
  order,
  after,
  since,
  until,
  owner: whose,
}: PageParts) {
  const values: unknown[] = []
  const bindValue = (value: unknown) => `$${values.push(value)}`
  const given = Object.entries(filters).flatMap(([name, [sql, value]]) =>
    value === undefined ? [] : [[name, [whose === 'nobody' ? sql : pinClient(sql, CLIENT), value]] as const],
  )
  // Across clients each client's part would end at another place: all that is asked for is read.
  const byIndex = ways && whose !== 'all' ? filtersByIndex(given, ways) : given.map(([name]) => name)
  const client = typeof whose === 'object' ? `${bindValue(whose.clientId)}::uuid` : ''
  const found = whose === 'nobody' ? [] : [`t.client_id = ${CLIENT}`]
  for (const [name, [sql, value]] of given)
    if (byIndex.includes(name)) found.push(sql.replace('?', () => bindValue(value)))
  if (where) found.push(where)
  if (since) found.push(`t.id >= uuid7_floor(${bindValue(since)})`)
  if (until) found.push(`t.id < uuid7_floor(${bindValue(until)})`)
  if (after) {
    const place = after.map((key, at) => `${bindValue(key)}::${keys[at]?.[1]}`)
    found.push(`(${keys.map(([key]) => key)}) ${order === 'asc' ? '>' : '<'} (${place})`)
  }
  return { values, bound: bindValue, found, client, others: given.filter(([name]) => !byIndex.includes(name)) }
}

const filtersByIndex = (given: readonly (readonly [string, unknown])[], ways: readonly (readonly string[])[]) =>
  ways.find((way) => way.every((name) => given.some(([one]) => one === name))) ?? []
