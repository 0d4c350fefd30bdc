import type { Db, Queryable } from '../../src/db.ts'

/** A statement that ran, with the time it took. */
export interface Ran {
  text: string
  values: unknown[]
  ms: number
}

/** The database as a route sees it, with every statement that it ran. */
export function watched(db: Db): { db: Queryable; ran: Ran[] } {
  const ran: Ran[] = []
  const query = async (first: any, given?: unknown[]) => {
    const { text, values = [] } = typeof first === 'string' ? { text: first, values: given } : first
    const started = performance.now()
    const result = await db.query(first, given)
    ran.push({ text, values, ms: performance.now() - started })
    return result
  }
  return { db: { query } as unknown as Queryable, ran }
}

/** How PostgreSQL did it. */
export interface Plan {
  /** Rows that scans have read, those that a filter threw away included. */
  rows: number
  indexes: string[]
  /** Scanned from one end to the other. */
  whole: string[]
  /** The most rows that were sorted. */
  sorted: number
  buffers: number
  planMs: number
  runMs: number
}

export async function planOf(db: Db, { text, values }: Ran): Promise<Plan> {
  const { rows } = await db.query(`explain (analyze, buffers, format json) ${text}`, values)
  const [{ Plan: root, 'Planning Time': planMs, 'Execution Time': runMs }] = rows[0]['QUERY PLAN']
  const plan: Plan = { rows: 0, indexes: [], whole: [], sorted: 0, buffers: 0, planMs, runMs }
  plan.buffers = root['Shared Hit Blocks'] + root['Shared Read Blocks']
  walk(root, plan)
  plan.indexes = [...new Set(plan.indexes)]
  return plan
}

function walk(node: any, plan: Plan) {
  const loops = node['Actual Loops'] ?? 0
  const read = (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * loops
  const type: string = node['Node Type']
  if (loops > 0 && /Scan/.test(type) && node['Relation Name']) {
    plan.rows += read
    if (node['Index Name']) plan.indexes.push(shortName(node['Index Name']))
    if (type === 'Seq Scan' && read > FEW) plan.whole.push(node['Relation Name'])
  }
  if (type === 'Sort') plan.sorted = Math.max(plan.sorted, read)
  for (const inner of node.Plans ?? []) walk(inner, plan)
}

/** A table this small is read as a whole at no cost. */
const FEW = 100

/** `deliveries_20260410_client_id_id_idx`: of whatever day. */
const shortName = (index: string) => index.replace(/_\d{8}_/, '_')
