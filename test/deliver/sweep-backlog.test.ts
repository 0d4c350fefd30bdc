import { expect, test } from 'vitest'
import type { Db, Queryable } from '../../src/database/db.ts'
import { sweepDueEndpoints } from '../../src/deliver/queue/next-due.ts'
import { freshDatabase } from '../support/database.ts'
import { newClient, newDeliveries, newEndpoint } from '../support/delivering.ts'
import { stopAutovacuum } from '../support/many-clients.ts'
import { present } from '../support/present.ts'
import { type AskedStatement, watchPool } from '../support/watched-pool.ts'

interface PlanNode {
  'Relation Name'?: string
  'Actual Loops': number
  'Actual Rows': number
  'Rows Removed by Filter'?: number
  Plans?: PlanNode[]
}

/** How many rows of the deliveries a plan has read, all together. */
const countRead = (node: PlanNode): number =>
  (node['Relation Name']?.startsWith('deliveries')
    ? (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops']
    : 0) + (node.Plans ?? []).reduce((sum, plan) => sum + countRead(plan), 0)

/** New clients with one endpoint each, of which each has so many deliveries that are due; answers the endpoints. */
async function newBacklog(db: Db, clients: number, due: number): Promise<string[]> {
  const endpointIds: string[] = []
  const firsts: string[] = []
  for (let count = 0; count < clients; count += 1) {
    const clientId = await newClient(db)
    const { id } = await newEndpoint(db, clientId, { url: 'https://example.com' })
    endpointIds.push(id)
    firsts.push(...(await newDeliveries(db, clientId, [id])))
  }
  // Of one event more than one delivery, as of resends.
  await db.query(
    `insert into deliveries (client_id, event_id, id, endpoint_id, origin, event_type, next_attempt_at)
     select d.client_id, d.event_id, overlay(d.id::text placing lpad(to_hex(n), 12, '0') from 25)::uuid, d.endpoint_id,
            lpad(to_hex(n), 32, '0')::uuid, d.event_type, d.next_attempt_at - n * interval '1 second'
       from deliveries d, generate_series(1, $2::int) n where d.id = any($1)`,
    [firsts, due - 1],
  )
  return endpointIds
}

test.each(['without statistics', 'with fresh statistics'])(
  'a sweep reads the first that is due of each endpoint, however much is due (%s)',
  async (statistics) => {
    const { db } = await freshDatabase()
    await stopAutovacuum(db)
    const endpointIds = await newBacklog(db, 100, 100)
    if (statistics === 'with fresh statistics') await db.query('analyze')
    const asked: AskedStatement[] = []
    const found = await sweepDueEndpoints(watchPool(db, (statement) => void asked.push(statement)) as Queryable, 90)
    expect(found.map(({ endpointId }) => endpointId).toSorted()).toEqual(endpointIds.toSorted())
    const { text, values = [] } = present(asked.find((statement) => /lateral/.test(statement.text)))
    const { rows } = await db.query(`explain (analyze, format json) ${text}`, [...values])
    const read = countRead(rows[0]['QUERY PLAN'][0].Plan)
    expect(read).toBeLessThan(10 * endpointIds.length)
  },
)
