import { createSession } from '../../src/database/db.ts'
import { firstRow } from '../../src/database/rows.ts'
import { afterwards } from './afterwards.ts'
import type { AskedStatement } from './watched-pool.ts'

/** How a scan of a plan read its table. */
export interface PlanScan {
  type: string
  table: string
  /** Rows that it read, those that a filter threw away included. */
  rows: number
  loops: number
}

interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  'Actual Rows'?: number
  'Actual Loops'?: number
  'Rows Removed by Filter'?: number
  Plans?: PlanNode[]
}

/**
 * A session that plans each prepared statement once, for any values, and keeps the plan, as a connection of the gateway does.
 * `prepareStatement` makes the plan, `readScans` runs the statement by it; what it changes is rolled back.
 */
export async function openPlanSession(url: string) {
  const client = createSession(url)
  await client.connect()
  afterwards(() => client.end())
  await client.query('set plan_cache_mode = force_generic_plan')
  const explain = async (name: string, values: readonly unknown[], options: string) => {
    const { rows } = await client.query(
      `explain (${options}format json) execute "${name}"(${values.map(literalOf).join(', ')})`,
    )
    return (firstRow(rows)['QUERY PLAN'] as { Plan: PlanNode }[]).map(({ Plan }) => Plan)
  }
  return {
    async prepareStatement({ name = '', text, values }: AskedStatement) {
      await client.query(`prepare "${name}" as ${text}`)
      await explain(name, values, '')
    },
    async readScans({ name = '', values }: AskedStatement): Promise<PlanScan[]> {
      await client.query('begin')
      try {
        const scans: PlanScan[] = []
        for (const root of await explain(name, values, 'analyze, timing off, ')) collectScans(root, scans)
        return scans
      } finally {
        await client.query('rollback')
      }
    },
  }
}

function literalOf(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (Array.isArray(value)) return quoted(`{${value.map((one) => (one === null ? 'null' : `"${one}"`)).join(',')}}`)
  return quoted(String(value))
}

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`

function collectScans(node: PlanNode, scans: PlanScan[]) {
  const { 'Actual Loops': loops = 0, 'Actual Rows': actual = 0, 'Rows Removed by Filter': removed = 0 } = node
  const table = node['Relation Name']
  if (table && loops > 0 && node['Node Type'].includes('Scan'))
    scans.push({ type: node['Node Type'], table, rows: (actual + removed) * loops, loops })
  for (const inner of node.Plans ?? []) collectScans(inner, scans)
}
