import type { QueryResultRow } from 'pg'
import type { Queryable } from './db.ts'

interface ClientStatement {
  /** Of the prepared statement. */
  name: string
  /**
   * The SQL. Its rows name their clients themselves (`from unnest($1::uuid[], $2::uuid[]) w(client_id, id) join deliveries d on d.client_id =
   * w.client_id ...`), and each table that grows is tied to the batch in addition: `where ... ${tie('d.client_id')}`. Where ids are
   * bounded to rule out days, the list's are too (`w.id between ... and d.id between ...`): the planner then takes the list for a
   * short one and finds each row by its key, instead of reading all clients' rows between the bounds. A lateral join with `offset 0`
   * leaves it no choice.
   */
  text: (tie: (column: string) => string) => string
  /** Rows are arrays, not objects. */
  rowMode?: 'array'
}

/** Runs a statement about these clients (those of a batch; repeats do no harm) with its values, $1 and on. */
export type RunClientStatement<Row extends QueryResultRow | unknown[]> = (
  db: Queryable,
  clientIds: Iterable<string>,
  values: readonly unknown[],
) => Promise<{ rows: Row[]; rowCount: number }>

/**
 * Makes a statement that serves one client or many, so that no room has to know how many a batch holds. About one client, `tie` adds a
 * condition with its id as a value: on a Citus cluster the statement is then one of a single shard, and on one PostgreSQL its plan is
 * that of an index on the client. About several it adds nothing: the rows' own client ids do. Which clients come together is decided in
 * client-groups.ts.
 */
export function createClientStatement<Row extends QueryResultRow | unknown[]>({
  name,
  text,
  rowMode,
}: ClientStatement): RunClientStatement<Row> {
  const ofMany = { name: `${name}.many`, text: text(() => '') }
  const count = Math.max(0, ...[...ofMany.text.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number)))
  const ofOne = { name: `${name}.one`, text: text((column) => `and ${column} = $${count + 1}::uuid`) }
  made.push({ name, ofOne: ofOne.text, ofMany: ofMany.text })
  return async (db, clientIds, values) => {
    const [first, second] = new Set(clientIds)
    // About nobody: on a cluster it would go to every shard.
    if (first === undefined) return { rows: [], rowCount: 0 }
    const query = second === undefined ? { ...ofOne, values: [...values, first] } : { ...ofMany, values: [...values] }
    const { rows, rowCount } = await (rowMode
      ? db.query<unknown[]>({ ...query, rowMode })
      : db.query<QueryResultRow>(query))
    return { rows: rows as Row[], rowCount: rowCount ?? 0 }
  }
}

/** A statement by its name, as SQL about one client and about several. */
export interface MadeStatement {
  name: string
  ofOne: string
  ofMany: string
}

const made: MadeStatement[] = []

/** All statements of the modules that are loaded, for those who judge them. */
export const listClientStatements = (): readonly MadeStatement[] => made
