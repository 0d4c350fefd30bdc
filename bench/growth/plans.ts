import type { Queryable } from '../../src/database/db.ts'

/** A statement that ran. */
export interface Ran {
  text: string
  values: unknown[]
}

/** How PostgreSQL did it. */
export interface Plan {
  /** Rows that scans have read, those that a filter threw away included. */
  rows: number
  indexes: string[]
  /** Scanned from one end to the other. */
  whole: string[]
  buffers: number
  planMs: number
}

export async function planOf(db: Queryable, { text, values }: Ran): Promise<Plan> {
  const { rows } = await db.query(`explain (analyze, buffers, format json) ${text}`, values)
  const [{ Plan: root, 'Planning Time': planMs }] = rows[0]['QUERY PLAN']
  const plan: Plan = { rows: 0, indexes: [], whole: [], buffers: 0, planMs }
  plan.buffers = root['Shared Hit Blocks'] + root['Shared Read Blocks']
  walkPlan(root, plan)
  plan.indexes = [...new Set(plan.indexes)]
  return plan
}

/** A node of `explain (format json)`, as far as it is read here. */
interface PlanNode {
  'Node Type': string
  'Actual Loops'?: number
  'Actual Rows': number
  'Rows Removed by Filter'?: number
  'Relation Name'?: string
  'Index Name'?: string
  Plans?: PlanNode[]
}

function walkPlan(node: PlanNode, plan: Plan) {
  const loops = node['Actual Loops'] ?? 0
  const read = (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * loops
  const type = node['Node Type']
  if (loops > 0 && /Scan/.test(type) && node['Relation Name']) {
    plan.rows += read
    if (node['Index Name']) plan.indexes.push(shortName(node['Index Name']))
    if (type === 'Seq Scan' && read > FEW) plan.whole.push(node['Relation Name'])
  }
  for (const inner of node.Plans ?? []) walkPlan(inner, plan)
}

/** A table this small is read as a whole at little cost. */
const FEW = 2_000

/** `deliveries_20260410_client_id_id_idx`: of whatever day. */
const shortName = (index: string) => index.replace(/_\d{8}_/, '_')
