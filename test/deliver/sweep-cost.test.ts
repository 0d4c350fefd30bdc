import { expect, test } from 'vitest'
import type { Queryable } from '../../src/database/db.ts'
import { sweepDueEndpoints } from '../../src/deliver/queue/next-due.ts'
import { newId } from '../../src/domain/ids.ts'
import { freshDatabase } from '../support/database.ts'
import { newClient, newDeliveries, newEndpoint } from '../support/delivering.ts'
import { type AskedStatement, watchPool } from '../support/watched-pool.ts'

const { db } = await freshDatabase()
const URL = 'https://example.com'

interface PlanNode {
  'Relation Name'?: string
  'Actual Loops': number
  Plans?: PlanNode[]
}

/** How often plans look into each day of the deliveries, all together. */
const countLooks = (node: PlanNode): number =>
  (node['Relation Name']?.startsWith('deliveries') ? node['Actual Loops'] : 0) +
  (node.Plans ?? []).reduce((sum, plan) => sum + countLooks(plan), 0)

async function sweepCounting() {
  const asked: AskedStatement[] = []
  const found = await sweepDueEndpoints(watchPool(db, (statement) => void asked.push(statement)) as Queryable, 90)
  const { text = '', values = [] } = asked.find((statement) => /lateral/.test(statement.text)) ?? {}
  const { rows } = await db.query(`explain (analyze, format json) ${text}`, [...values])
  return { found: found.map(({ endpointId }) => endpointId), looks: countLooks(rows[0]['QUERY PLAN'][0].Plan) }
}

test.each(['without statistics', 'with fresh statistics'])(
  'a sweep finds what is due of all clients, and clients that wait for nothing cost it nothing (%s)',
  async (statistics) => {
    const due: string[] = []
    for (let count = 0; count < 3; count += 1) {
      const clientId = await newClient(db)
      const { id } = await newEndpoint(db, clientId, { url: URL })
      await newDeliveries(db, clientId, [id])
      due.push(id)
    }
    if (statistics === 'with fresh statistics') await db.query('analyze')
    const few = await sweepCounting()
    expect(few.found).toEqual(expect.arrayContaining(due))
    const idle = Array.from({ length: 500 }, newId)
    await db.query(`insert into clients (id, name) select id, 'idle' from unnest($1::uuid[]) id`, [idle])
    await db.query(
      `insert into endpoints (id, client_id, url, contract, secrets) select id, id, '${URL}', 'flo.v1', '[]' from unnest($1::uuid[]) id`,
      [idle],
    )
    if (statistics === 'with fresh statistics') await db.query('analyze')
    const many = await sweepCounting()
    expect(many.found.toSorted()).toEqual(few.found.toSorted())
    expect(many.looks).toBeLessThanOrEqual(2 * few.looks)
  },
)
