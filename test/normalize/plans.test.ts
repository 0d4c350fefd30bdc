import { describe, expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import { simulate } from '../../simulator/simulate.ts'
import type { Db } from '../../src/database/db.ts'
import { newId } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { fanOut } from '../../src/fanout/fanout.ts'
import { newLog } from '../../src/log.ts'
import { normalizeBatch } from '../../src/normalize/batch.ts'
import { fireOverdueTimers } from '../../src/normalize/fire-timers.ts'
import { laneOf } from '../../src/receive/lane.ts'
import { freshDatabase } from '../support/database.ts'
import { fillManyClients, LARGE_CLIENT, stopAutovacuum } from '../support/many-clients.ts'
import { present } from '../support/present.ts'
import { lanes, newSource } from '../support/storing.ts'
import { type AskedStatement, watchPool } from '../support/watched-pool.ts'

// What the statements of a batch really read, where one client has thousands of rows in each table and most have a few: each row that is
// looked for is found by itself, by the plan that serves any values.

interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  Plans?: PlanNode[]
}

/** Scans of a plan with the rows that they have read, those that a filter threw away included. */
const readsOf = (node: PlanNode): { table: string; index: string | undefined; rows: number }[] => [
  ...(node['Relation Name'] && /Scan$/.test(node['Node Type'])
    ? [
        {
          table: node['Relation Name'],
          index: node['Index Name'],
          rows: (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'],
        },
      ]
    : []),
  ...(node.Plans ?? []).flatMap(readsOf),
]

/** Runs a statement once more, by its generic plan, and takes back what it changes. */
async function readAgain(db: Db, { text, values }: AskedStatement) {
  const tx = await db.connect()
  try {
    await tx.query('begin; set local plan_cache_mode = force_generic_plan')
    // Of a prepared statement the driver prepares the text as it is, `explain` included: its plan is the statement's.
    const { rows } = await tx.query({
      name: `explained.${newId()}`,
      text: `explain (analyze, format json) ${text}`,
      values: [...values],
    })
    return readsOf(rows[0]['QUERY PLAN'][0].Plan)
  } finally {
    await tx.query('rollback')
    tx.release()
  }
}

/** More than any of these batches looks for in one statement; the large client has four times as many in each table. */
const MANY_ROWS = 1_000

async function storeStory(db: Db, clientId: string, sourceId: string) {
  const events: Json[] = simulate('dunning-to-canceled', { seed: clientId, clientUserId: 'user_new' }).slice(0, 60)
  for (const event of events) {
    const id = newId()
    await db.query(
      `insert into source_events (client_id, id, source_id, livemode, event_id, type, lane, created_at)
       values ($1, $2, $3, false, $4, $5, $6, to_timestamp($7))`,
      [clientId, id, sourceId, event.id, event.type, laneOf(sourceId, event, event.id), event.created],
    )
    await db.query('insert into source_event_bodies (client_id, source_event_id, body) values ($1, $2, $3)', [
      ...[clientId, id, Buffer.from(JSON.stringify(event))],
    ])
  }
}

/** A database with a large client and many small ones, a story that is due for some of them, and statistics or none. */
async function fill(withStatistics: boolean, clients: 'one' | 'many') {
  const { db } = await freshDatabase()
  await stopAutovacuum(db)
  await fillManyClients(db)
  await db.query(`update source_events set state = 'normalized', due_at = null where state = 'received'`)
  if (withStatistics) await db.query('analyze')
  const others = clients === 'one' ? [] : await Promise.all([newSource(db), newSource(db), newSource(db)])
  await storeStory(db, LARGE_CLIENT.clientId, LARGE_CLIENT.sourceId)
  for (const { clientId, sourceId } of others) await storeStory(db, clientId, sourceId)
  return { db, clientIds: [LARGE_CLIENT.clientId, ...others.map(({ clientId }) => clientId)] }
}

describe.each([
  ['without statistics', false],
  ['with fresh statistics', true],
])('%s', (_, withStatistics) => {
  test.each(['one', 'many'] as const)(
    'statements about %s read what they look for',
    { timeout: 120_000 },
    async (clients) => {
      const { db, clientIds } = await fill(withStatistics, clients)
      const asked = new Map<string, AskedStatement>()
      const watched = watchPool(db, (statement) => {
        if (statement.name && !asked.has(statement.name)) asked.set(statement.name, statement)
      })
      const deps = { db: watched, log: newLog('silent'), mappings, fanOut, now: () => new Date(), holdSeconds: 60 }
      const lanesOfClients = new Map(clientIds.map((id) => [id, lanes]))
      const results = await normalizeBatch(deps, lanesOfClients)
      expect(present(results.get(LARGE_CLIENT.clientId)).sourceEventCount).toBeGreaterThan(20)
      await fireOverdueTimers(deps, lanesOfClients)
      const lookups = [...asked.values()].filter(({ text }) => !text.startsWith('insert'))
      expect(lookups.length).toBeGreaterThan(8)
      for (const statement of lookups) {
        const reads = await readAgain(db, statement)
        expect([statement.name, reads.filter(({ rows }) => rows > MANY_ROWS)]).toEqual([statement.name, []])
      }
    },
  )
})
