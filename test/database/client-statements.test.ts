import { beforeAll, describe, expect, test } from 'vitest'
import { listClientStatements } from '../../src/database/client-statement.ts'
import type { Db } from '../../src/database/db.ts'
import '../../src/gateway.ts'
import { judged } from '../support/citus-rules.ts'
import { freshDatabase } from '../support/database.ts'
import { FILLED_TABLES, fillManyClients, stopAutovacuum } from '../support/many-clients.ts'

// The statements that serve one client or many, of all rooms: about one client they go to one shard of a cluster, about many each row
// is found in an index.

const statements = listClientStatements()

test('there are such statements, each with a name of its own', () => {
  expect(statements.length).toBeGreaterThan(20)
  const names = statements.map(({ name }) => name)
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([])
})

describe('about one client', () => {
  const functions = { volatile: new Set<string>(), stable: new Set<string>() }
  beforeAll(async () => {
    const { db } = await freshDatabase()
    const { rows } = await db.query(`select distinct proname as name, provolatile as kind from pg_proc`)
    for (const { name, kind } of rows) {
      if (kind === 'v') functions.volatile.add(name)
      // Of one name with several forms the one that we use is immutable.
      if (kind === 's' && name !== 'to_timestamp') functions.stable.add(name)
    }
  })
  test.each(statements)('$name goes to one shard, and Citus does not refuse it', ({ ofOne }) => {
    const { reach, refused } = judged(ofOne, functions)
    expect({ reach, refused }).toEqual({ reach: expect.stringMatching(/^(client|local)$/), refused: [] })
  })
})

interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  Plans?: PlanNode[]
}

/** Tables that a plan reads from one end to the other. */
const wholeTablesOf = (node: PlanNode): string[] => [
  ...(node['Node Type'] === 'Seq Scan' && node['Relation Name'] ? [node['Relation Name']] : []),
  ...(node.Plans ?? []).flatMap(wholeTablesOf),
]

/** The filled tables that the plan of a prepared statement, whose values are not known, reads whole. */
async function readWhole(db: Db, text: string): Promise<string[]> {
  const { rows } = await db.query(`explain (generic_plan, format json) ${text}`)
  const found = new Set(wholeTablesOf(rows[0]['QUERY PLAN'][0].Plan))
  const filled: string[] = []
  for (const table of found) {
    // A day to come is empty.
    const some = await db.query(`select from ${table} limit 1`)
    if (FILLED_TABLES.includes(table.replace(/_\d{8}$/, '')) && some.rowCount === 1) filled.push(table)
  }
  return filled
}

describe.each([
  ['without statistics', async (db: Db) => fillManyClients(db)],
  [
    'with statistics of when the tables were empty',
    async (db: Db) => {
      await db.query('analyze')
      await fillManyClients(db)
    },
  ],
  [
    'with fresh statistics',
    async (db: Db) => {
      await fillManyClients(db)
      await db.query('analyze')
    },
  ],
])('about many clients, %s', (_, fill) => {
  let db: Db
  beforeAll(async () => {
    db = (await freshDatabase()).db
    await stopAutovacuum(db)
    await fill(db)
  }, 120_000)
  test.each(statements)('$name reads no table whole', async ({ ofMany }) => {
    expect(await readWhole(db, ofMany)).toEqual([])
  })
})
