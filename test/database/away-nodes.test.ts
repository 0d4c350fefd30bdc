import { beforeAll, expect, test } from 'vitest'
import { awayNodesOf, queryAnsweringNodes } from '../../src/database/away-nodes.ts'
import type { Db } from '../../src/database/db.ts'
import { queryEachClient } from '../../src/database/each-client.ts'
import { newId } from '../../src/domain/ids.ts'
import { newLog } from '../../src/log.ts'
import { freeDeadWorkers } from '../../src/workers/janitor.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { newSource } from '../support/receiving.ts'
import { pretendSpread } from '../support/spread-tables.ts'

// While a node of a cluster is away, what is asked of all clients is answered by the others, and their work is taken up.

const { db } = await freshDatabase()
const here = [await newSource(db), await newSource(db)].map(({ clientId }) => clientId).sort()
const { clientId: away } = await newSource(db)

let isAway = true
const statements: string[] = []

/** A pool of a cluster whose node with the client `away` does not answer. */
const cluster = new Proxy(db, {
  get(pool, property) {
    const value = Reflect.get(pool, property)
    if (property !== 'query') return typeof value === 'function' ? value.bind(pool) : value
    return (statement: string | { text: string; values?: unknown[] }, given: unknown[] = []) => {
      const { text, values = [] } = typeof statement === 'string' ? { text: statement, values: given } : statement
      const isDistributed = /\b(leases|source_events|replays)\b/.test(text) && !text.includes('get_shard_id')
      if (isDistributed) statements.push(text)
      const isOfAway = / and true$/.test(text) || values.flat().includes(away)
      return isAway && isDistributed && isOfAway
        ? Promise.reject(Object.assign(new Error('connection failed'), { code: '08006', severity: 'ERROR' }))
        : typeof statement === 'string'
          ? pool.query(statement, values)
          : pool.query(statement)
    }
  },
}) as Db

beforeAll(() => pretendSpread(db, { alone: away }))

const readIds = (passOverAway: boolean) =>
  queryEachClient<{ id: string }>(
    cluster,
    (client) => `select ${client} as id where not exists (select from source_events where client_id = ${client})`,
    [],
    { passOverAway },
  ).then((rows) => rows.map(({ id }) => id).sort())

test('a sweep passes over the clients of a node that is away, and takes them up when it is back; a list is refused', async () => {
  isAway = true
  expect(await readIds(true)).toEqual(here)
  await expect(readIds(false)).rejects.toMatchObject({ code: '08006' })
  statements.length = 0
  await readIds(true)
  expect(statements.filter((text) => text.startsWith('select x.*')).length).toBeLessThanOrEqual(here.length)
  isAway = false
  await eventually(() => !awayNodesOf(cluster).areAny())
  expect(await readIds(true)).toEqual([...here, away].sort())
})

test('leases that a dead worker had on nodes that answer are freed at once, the others when their node is back', async () => {
  isAway = true
  const id = newId()
  await db.query(`insert into workers (id, lock_key, host, pid, roles) values ($1, $2, 'gone', 1, '{work}')`, [
    id,
    7_000_000_001,
  ])
  for (const clientId of [...here, away])
    await db.query(`insert into leases (client_id, unit, worker_id) values ($1, 'lane:0', $2)`, [clientId, id])
  const readLeases = async () => {
    const { rows } = await db.query('select client_id as id from leases')
    return rows.map(({ id }) => id)
  }
  const deps = { db: cluster, log: newLog('silent') }
  expect(await freeDeadWorkers(deps)).toEqual([id])
  expect(await readLeases()).toEqual([away])
  expect((await db.query('select 1 from workers where id = $1', [id])).rowCount).toBe(0)
  isAway = false
  await eventually(() => !awayNodesOf(cluster).areAny())
  await freeDeadWorkers(deps)
  expect(await readLeases()).toEqual([])
})

test('who has something running is asked of each node that answers', async () => {
  isAway = true
  const find = () =>
    queryAnsweringNodes(cluster, (whose) => `select client_id from leases where worker_id = $1 and ${whose}`, [newId()])
  expect(await find()).toEqual({ rows: [], count: 0 })
  statements.length = 0
  await find()
  expect(statements.length).toBeLessThanOrEqual(2)
  isAway = false
  await eventually(() => !awayNodesOf(cluster).areAny())
})

test('trouble that is not of a node is thrown', async () => {
  await expect(queryAnsweringNodes(cluster, (whose) => `select nothing from leases where ${whose}`)).rejects.toThrow(
    'nothing',
  )
})
