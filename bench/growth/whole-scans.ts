import type { Db } from '../../src/database/db.ts'

/** A table this small is read as a whole at little cost. */
const FEW = 2_000

/** A node of `explain (format json)`, as far as it is read here. */
interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Index Cond'?: string
  'Recheck Cond'?: string
  Plans?: PlanNode[]
}

/**
 * What a statement reads from one end to the other, as PostgreSQL would plan it for these values, and for any: scans of a table that is
 * not small without an index, or of an index without a condition. What a limit ends early is none.
 */
export async function findWholeScans(
  db: Db,
  { text, values }: { text: string; values: readonly unknown[] },
): Promise<string[]> {
  const ask = async (how: string, own: readonly unknown[]) => {
    const { rows } = await db.query(`explain (${how}format json) ${text}`, [...own])
    return rows[0]['QUERY PLAN'][0].Plan as PlanNode
  }
  const planned: [string, PlanNode][] = [['for any values', await ask('generic_plan, ', [])]]
  if (values.length > 0) planned.push(['for its values', await ask('', values)])
  const found: string[] = []
  for (const [how, root] of planned)
    for (const node of wholeScansOf(root))
      if ((await countUpTo(db, node['Relation Name'] ?? '')) >= FEW) found.push(`${how}: ${describeScan(node)}`)
  return [...new Set(found)]
}

function wholeScansOf(node: PlanNode): PlanNode[] {
  // It ends as soon as enough was found.
  if (node['Node Type'] === 'Limit') return []
  const inner = (node.Plans ?? []).flatMap(wholeScansOf)
  const isWhole =
    node['Node Type'] === 'Seq Scan' || (/^Index (Only )?Scan$/.test(node['Node Type']) && !node['Index Cond'])
  return isWhole && node['Relation Name'] ? [node, ...inner] : inner
}

const describeScan = (node: PlanNode) =>
  [node['Node Type'], node['Index Name'], 'of', node['Relation Name']].filter(Boolean).join(' ')

const counts = new WeakMap<Db, Map<string, number>>()

async function countUpTo(db: Db, table: string): Promise<number> {
  const known = counts.get(db) ?? new Map<string, number>()
  counts.set(db, known)
  const count =
    known.get(table) ??
    (await db.query(`select count(*)::int as count from (select from ${table} limit ${FEW}) t`)).rows[0].count
  known.set(table, count)
  return count
}
