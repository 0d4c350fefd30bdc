import type { Queryable } from '../database/db.ts'

/** A deletion of old rows from a table without partitions. In its conditions $2 is the time before which rows are old. */
export interface RowPurge {
  /** Its name in the table `purges`, which holds the rounds. */
  name: string
  table: string
  /** The primary key after client_id, with types: the order in which rows are read. */
  keys: readonly (readonly [column: string, type: string])[]
  /** Limits the rows that are read, where the key tells the age. */
  within?: string
  /** Which of the rows that are read are deleted. */
  old: string
  before: Date
}

const PAGE_SIZE = 2000

/**
 * Reads the next rows of one client after the key `reached` and deletes the old ones. Returns the last key it has read, null
 * when there are no more, and how many rows it has deleted.
 */
export async function purgePageOfRows(
  db: Queryable,
  clientId: string,
  { table, keys, within, old, before }: RowPurge,
  reached: readonly string[] | null,
): Promise<{ reached: string[] | null; deleted: number }> {
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
  const oldKeys = rows.filter((row) => row.old).map(({ key }) => key)
  const last = rows.length === PAGE_SIZE ? (rows.at(-1)?.key ?? null) : null
  if (oldKeys.length === 0) return { reached: last, deleted: 0 }
  // The condition is checked again: meanwhile one of them may be needed.
  const { rowCount } = await db.query(
    `delete from ${table}
      where client_id = $1 and $2::timestamptz is not null and ${old}
        and (${names}) in (select * from unnest(${keys.map(([, type], at) => `$${at + 3}::${type}[]`)}))`,
    [clientId, before, ...keys.map((_, at) => oldKeys.map((key) => key[at]))],
  )
  return { reached: last, deleted: rowCount ?? 0 }
}
