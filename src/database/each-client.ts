import type { Queryable } from './db.ts'

/**
 * The rows that a statement about one client gives, of all clients. `statement` is handed the SQL that names the client, and
 * pins every table that grows to it, so that each client's part is found by its index; $1 and on are `values`. Of its rows, `x`,
 * `columns` are answered, and `rest` may order and cut them: over all clients, or where they are asked one by one, of each.
 *
 * On one PostgreSQL that is one statement. Citus plans no such lateral join across machines: there it is asked client by
 * client, one short statement for each (docs/scaling.md).
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

/** Whether the tables that grow may lie on several machines: the database has Citus. */
async function hasCitus(db: Queryable): Promise<boolean> {
  const { rows } = await db.query(`select to_regclass('pg_dist_partition') is not null as spread`)
  return rows[0].spread
}
