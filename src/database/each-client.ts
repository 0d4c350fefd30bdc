import type { Queryable } from './db.ts'

/**
 * The rows of a statement about one client, for all clients. `statement` gets the SQL that names the client and must use it for
 * every table that grows, so that each client's part is found by an index; `values` are its $1 and on. `columns` of its rows,
 * `x`, are returned, and `rest` may order and limit them: over all clients, or for each where they are queried one by one.
 *
 * On one PostgreSQL that is one statement. Citus plans no such lateral join across machines, so there each client is queried by
 * itself (docs/scaling.md).
 */
export async function queryEachClient<Row extends object>(
  db: Queryable,
  statement: (client: string) => string,
  values: readonly unknown[] = [],
  { columns = 'x.*', rest = '' } = {},
): Promise<Row[]> {
  if (!(await hasCitus(db))) {
    const { rows } = await db.query<Row>(
      `select ${columns} from clients c cross join lateral (${statement('c.id')}) x ${rest}`,
      values as unknown[],
    )
    return rows
  }
  const { rows: clients } = await db.query<{ id: string }>('select id from clients order by id')
  const all: Row[] = []
  const one = `select ${columns} from (${statement(`$${values.length + 1}::uuid`)}) x ${rest}`
  for (const { id } of clients) {
    const { rows } = await db.query<Row>(one, [...values, id])
    all.push(...rows)
  }
  return all
}

/** Whether the database has Citus: the tables that grow may be on several machines. */
async function hasCitus(db: Queryable): Promise<boolean> {
  const { rows } = await db.query<{ exists: boolean }>(`select to_regclass('pg_dist_partition') is not null as exists`)
  return rows[0]?.exists === true
}
