import type { Queryable } from '../database/db.ts'

/** Rows of a table without partitions that go when they are old. Its conditions read the moment before which as $2. */
export interface RowPurge {
  /** Names it in the table of rounds. */
  name: string
  table: string
  /** The primary key behind client_id, with types: what the rows are walked by. */
  keys: readonly (readonly [column: string, type: string])[]
  /** Ends the walk early, where the key tells the age. */
  within?: string
  /** What is deleted of the rows that are walked. */
  old: string
  before: Date
}

const PAGE_SIZE = 2000

/**
 * Looks at the next rows of one client behind `reached` and deletes the old ones among them. Answers the last key looked at,
 * null when there are no more, and how many rows went.
 */
export async function purgePageOfRows(
  db: Queryable,
  clientId: string,
  { table, keys, within, old, before }: RowPurge,
  reached: readonly string[] | null,
): Promise<{ reached: string[] | null; gone: number }> {
  const names = keys.map(([name]) => name)
  const { rows } = await db.query<{ key: string[]; old: boolean }>(
    `select array[${names.map((name) => `${name}::text`)}] as key, ${old} as old
       from ${table}
      where client_id = $1 and $2::timestamptz is not null
        ${within ? `and ${within}` : ''}
        ${reached ? `and (${names}) > (${keys.map(([, type], at) => `$${at + 3}::${type}`)})` : ''}
      order by ${names} limit ${PAGE_SIZE}`,
    [clientId, before, ...(reached ?? [])],
  )
  const gone = rows.filter((row) => row.old).map(({ key }) => key)
  const last = rows.length === PAGE_SIZE ? rows.at(-1)!.key : null
  if (gone.length === 0) return { reached: last, gone: 0 }
  // Asked once more whether they are old: meanwhile somebody may have needed one.
  const { rowCount } = await db.query(
    `delete from ${table}
      where client_id = $1 and $2::timestamptz is not null and ${old}
        and (${names}) in (select * from unnest(${keys.map(([, type], at) => `$${at + 3}::${type}[]`)}))`,
    [clientId, before, ...keys.map((_, at) => gone.map((key) => key[at]))],
  )
  return { reached: last, gone: rowCount ?? 0 }
}
