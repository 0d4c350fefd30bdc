import { expect, test } from 'vitest'
import type { Queryable } from '../../src/database/db.ts'
import { newId } from '../../src/domain/ids.ts'
import { releaseLeases } from '../../src/workers/leases.ts'
import { freshDatabase } from '../support/database.ts'
import { present } from '../support/present.ts'
import { type AskedStatement, watchPool } from '../support/watched-pool.ts'

const { db } = await freshDatabase()
const CLIENTS = 2_000
const BATCH = 500

test.each(['without statistics', 'with fresh statistics'])(
  'a large batch of leases that are given back is found by their keys, also by a plan that knows the batch (%s)',
  async (statistics) => {
    const [workerId, other] = [newId(), newId()]
    const { rows } = await db.query<{ clientId: string; unit: string }>(
      `insert into leases (client_id, unit, worker_id)
       select gen_random_uuid(), 'lane:' || n % 4, case when n <= $3::int then $1::uuid else $2::uuid end from generate_series(1, $4::int) n
       returning client_id as "clientId", unit`,
      [workerId, other, BATCH, CLIENTS],
    )
    if (statistics === 'with fresh statistics') await db.query('analyze leases')
    const units = rows.slice(0, BATCH)
    const asked: AskedStatement[] = []
    await releaseLeases(watchPool(db, (statement) => void asked.push(statement)) as Queryable, units, workerId)
    const left = await db.query('select from leases where worker_id = any($1)', [[workerId, other]])
    expect(left.rowCount).toBe(CLIENTS - BATCH)
    const { text, values } = present(asked[0])
    const plan = await db.query(`explain ${text}`, [...values.slice(0, 2), other])
    expect(JSON.stringify(plan.rows)).not.toContain('Seq Scan')
  },
)
