import { setTimeout as delay } from 'node:timers/promises'
import { isNodeAway, type Queryable } from './db.ts'
import { hasShards, readShardGroups, type ShardGroup } from './shard-groups.ts'

/** The nodes of a cluster that did not answer lately, as one pool has found. */
export interface AwayNodes {
  /** Whether any is. */
  areAny(): boolean
  isAway(node: string): boolean
  /** It did not answer when it was asked for rows of this client: it is away until it answers for them. */
  noteAway(node: string, clientId: string): void
}

/** Asks a node for rows of this client: who wants to know whether it answers. */
const askNode = (db: Queryable, clientId: string) =>
  db.query('select 1 from source_events where client_id = $1 limit 1', [clientId])

const PROBE_MS = { first: 1_000, longest: 10_000 }

/** What a pool knows; each has its own, since each has connections of its own. */
const known = new WeakMap<Queryable, AwayNodes>()

/** The nodes that are away for this pool. They are asked again in the background, so that nothing else waits for them. */
export function awayNodesOf(db: Queryable): AwayNodes {
  const found = known.get(db) ?? createAwayNodes(db)
  known.set(db, found)
  return found
}

function createAwayNodes(db: Queryable): AwayNodes {
  const away = new Set<string>()
  const probe = async (node: string, clientId: string) => {
    for (let pauseMs = PROBE_MS.first; away.has(node); pauseMs = Math.min(2 * pauseMs, PROBE_MS.longest)) {
      await delay(pauseMs, undefined, { ref: false })
      try {
        await askNode(db, clientId)
        away.delete(node)
      } catch (error) {
        // Not of the node: the next who asks finds out.
        if (!isNodeAway(error)) away.delete(node)
      }
    }
  }
  return {
    areAny: () => away.size > 0,
    isAway: (node) => away.has(node),
    noteAway(node, clientId) {
      if (away.has(node)) return
      away.add(node)
      void probe(node, clientId)
    },
  }
}

/** Clients whose rows lie on one node. */
const groupByNode = (groups: readonly ShardGroup[]): Map<string, string[]> =>
  new Map(
    [...Map.groupBy(groups, ({ node }) => node)].map(([node, ofNode]) => [
      node,
      ofNode.flatMap(({ clientIds }) => clientIds),
    ]),
  )

/** Those of these clients whose node is known to be away. `on` is what asks, such as a transaction of the pool `db`. */
export async function findAwayClients(
  db: Queryable,
  on: Queryable,
  clientIds: readonly string[],
): Promise<Set<string>> {
  const away = awayNodesOf(db)
  if (!away.areAny() || clientIds.length === 0) return new Set()
  const shards = await readShardGroups(on, clientIds)
  return new Set(shards.flatMap((shard) => (away.isAway(shard.node) ? shard.clientIds : [])))
}

/** Asks the nodes of these clients whether they answer: whether one is away, which is known from then on. */
export async function noteAwayNodesOf(db: Queryable, clientIds: readonly string[]): Promise<boolean> {
  if (clientIds.length === 0) return false
  const away = awayNodesOf(db)
  const nodes = groupByNode(await readShardGroups(db, clientIds))
  for (const [node, [clientId = '']] of nodes) {
    if (away.isAway(node)) continue
    try {
      await askNode(db, clientId)
    } catch (error) {
      if (!isNodeAway(error)) throw error
      away.noteAway(node, clientId)
    }
  }
  return [...nodes.keys()].some(away.isAway)
}

/**
 * Runs a statement over the rows of all clients; while a node of a cluster is away, over those of each node that answers.
 * `statement` gets the condition that says whose rows; `values` are its $1 and on. Not within a transaction. Answers the rows and
 * how many there were.
 */
export async function queryAnsweringNodes<Row extends object>(
  db: Queryable,
  statement: (whose: string) => string,
  values: readonly unknown[] = [],
): Promise<{ rows: Row[]; count: number }> {
  const away = awayNodesOf(db)
  if (!away.areAny())
    try {
      const { rows, rowCount } = await db.query<Row>(statement('true'), [...values])
      return { rows, count: rowCount ?? 0 }
    } catch (error) {
      if (!isNodeAway(error) || !(await hasShards(db))) throw error
    }
  const found: { rows: Row[]; count: number } = { rows: [], count: 0 }
  for (const [node, clientIds] of groupByNode(await readShardGroups(db))) {
    if (away.isAway(node)) continue
    const { rows, rowCount } = await queryNode<Row>(db, {
      text: statement(`client_id = any($${values.length + 1}::uuid[])`),
      values: [...values, clientIds],
      node,
    })
    found.rows.push(...rows)
    found.count += rowCount
  }
  return found
}

/** Of a node that turns out to be away there are no rows. */
async function queryNode<Row extends object>(
  db: Queryable,
  { text, values, node }: { text: string; values: unknown[]; node: string },
): Promise<{ rows: Row[]; rowCount: number }> {
  try {
    const { rows, rowCount } = await db.query<Row>(text, values)
    return { rows, rowCount: rowCount ?? 0 }
  } catch (error) {
    const [clientId] = values.at(-1) as string[]
    if (!isNodeAway(error) || clientId === undefined) throw error
    awayNodesOf(db).noteAway(node, clientId)
    return { rows: [], rowCount: 0 }
  }
}
