import { awayNodesOf } from './away-nodes.ts'
import { isNodeAway, type Queryable } from './db.ts'
import { hasShards, readShardGroups } from './shard-groups.ts'

interface EachClientOptions {
  /** What is answered of the statement's rows, `x`. */
  columns?: string
  /** Orders and limits the rows: of all clients, or of each group of them where they are queried by group. */
  rest?: string
  /** SQL of the `id`s of all clients that can have rows, where those are found without a look at every client. */
  candidates?: string
  /** Clients whose node of a cluster is away are passed over; else the query throws. Not within a transaction. */
  passOverAway?: boolean
}

/** A condition about the client of a table: empty, or one by which Citus finds the shard. */
type Tie = (column: string) => string

/**
 * The rows of a statement about one client, for all clients. `statement` gets the SQL that names the client and must use it for
 * every table that grows, as `t.client_id = <client>`, so that each client's part is found by an index; `values` are its $1 and
 * on. Where a table is asked in another form, that has to be tied in addition.
 *
 * On one PostgreSQL that is one statement, about the `candidates` where there are any. Citus plans no such lateral join across machines, but one within a shard: there the
 * clients of each shard are queried together, which every table is told by a condition of its own (docs/scaling.md).
 */
export async function queryEachClient<Row extends object>(
  db: Queryable,
  statement: (client: string, tie: Tie) => string,
  values: readonly unknown[] = [],
  { columns = 'x.*', rest = '', candidates, passOverAway = false }: EachClientOptions = {},
): Promise<Row[]> {
  if (!(await hasShards(db))) {
    const { rows } = await db.query<Row>(
      `select ${columns} from ${candidates ? `(${candidates})` : 'clients'} c cross join lateral (${statement('c.id', () => '')}) x ${rest}`,
      values as unknown[],
    )
    return rows
  }
  const ids = `$${values.length + 1}::uuid[]`
  const tied = statement('c.id', (column) => `and ${column} = any(${ids})`).replaceAll(
    /([\w.]*client_id) = c\.id/g,
    (condition, column) => `${condition} and ${column} = any(${ids})`,
  )
  const ofGroup = `select ${columns} from unnest(${ids}) c(id) cross join lateral (${tied}) x ${rest}`
  const away = awayNodesOf(db)
  const all: Row[] = []
  for (const { node, clientIds } of await readShardGroups(db))
    try {
      if (passOverAway && away.isAway(node)) continue
      const { rows } = await db.query<Row>(ofGroup, [...values, clientIds])
      all.push(...rows)
    } catch (error) {
      const [clientId] = clientIds
      if (!passOverAway || !isNodeAway(error) || clientId === undefined) throw error
      away.noteAway(node, clientId)
    }
  return all
}
