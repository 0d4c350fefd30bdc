import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { makeWorkerUtils } from 'graphile-worker'
import { afterEach, expect, test } from 'vitest'
import { cutConnections, openPool } from '../../src/database/db.ts'
import { newId } from '../../src/domain/ids.ts'
import { newLog } from '../../src/log.ts'
import { type RegisteredWorker, registerWorker } from '../../src/workers/worker.ts'
import { startWire } from '../../torture/wire.ts'
import { afterwards } from '../support/afterwards.ts'
import { compiled } from '../support/compiled.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { claimUnitsOf, releaseUnitsOf } from '../support/units.ts'

const { url, db } = await freshDatabase()
const workers: RegisteredWorker[] = []
const register = async () => {
  const worker = await registerWorker({ url, db, log: newLog('silent'), roles: ['work'] })
  workers.push(worker)
  return worker
}
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.stop()
})

test('a unit is held by one worker at a time, and by the next one after its release', async () => {
  const [one, other, client] = [await register(), await register(), newId()]
  expect(await claimUnitsOf(one, client, ['a', 'b'])).toEqual({ held: ['a', 'b'], elsewhere: [] })
  expect(await claimUnitsOf(one, client, ['a'])).toEqual({ held: ['a'], elsewhere: [] })
  expect(await claimUnitsOf(other, client, ['b', 'c'])).toEqual({ held: ['c'], elsewhere: ['b'] })
  await releaseUnitsOf(other, client, ['b'])
  expect((await claimUnitsOf(other, client, ['b'])).elsewhere).toEqual(['b'])
  await releaseUnitsOf(one, client, ['b', 'never held'])
  expect((await claimUnitsOf(other, client, ['b'])).held).toEqual(['b'])
})

test('the same units claimed at the same moment in any order go to one worker each', async () => {
  const client = newId()
  const units = Array.from({ length: 50 }, (_, at) => `lane:${at}`)
  const orders = [units, units.toReversed(), units.toSorted()]
  const claimers = await Promise.all(orders.map(async (order) => ({ worker: await register(), order })))
  const claims = await Promise.all(claimers.map(({ worker, order }) => claimUnitsOf(worker, client, order)))
  expect(claims.flatMap(({ held }) => held).toSorted()).toEqual(units.toSorted())
})

test('a stopped worker leaves nothing behind and tells the others to sweep', async () => {
  const [staying, leaving, client] = [await register(), await register(), newId()]
  const notices: string[] = []
  staying.onNotice((payload) => notices.push(payload))
  await claimUnitsOf(leaving, client, ['a'])
  await leaving.stop()
  workers.splice(workers.indexOf(leaving), 1)
  expect((await claimUnitsOf(staying, client, ['a'])).held).toEqual(['a'])
  await eventually(() => notices.includes('sweep'))
  expect((await db.query('select id from workers')).rows).toEqual([{ id: staying.id }])
})

test('what a dead worker held is free by the time the next one is registered', async () => {
  const [client, dead] = [newId(), newId()]
  await db.query(`insert into workers (id, lock_key, host, pid, roles) values ($1, 1, 'gone', 1, '{work}')`, [dead])
  await db.query(`insert into leases (client_id, unit, worker_id) values ($1, 'lane:0', $2)`, [client, dead])
  const worker = await register()
  expect((await claimUnitsOf(worker, client, ['lane:0'])).held).toEqual(['lane:0'])
})

test('what a killed process held is free within seconds, and the survivors are told to sweep', async () => {
  const survivor = await register()
  const notices: string[] = []
  survivor.onNotice((payload) => notices.push(payload))
  const client = newId()
  const script = fileURLToPath(new URL('../support/claiming-process.ts', import.meta.url))
  const child = spawn(process.execPath, [script, url, client, 'endpoint:1'], {
    env: { ...process.env, ...compiled },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [said] = await once(child.stdout, 'data')
  expect(JSON.parse(String(said)).held).toEqual(['endpoint:1'])
  const graphile = await makeWorkerUtils({ connectionString: url })
  const job = await graphile.addJob('deliver', {})
  await db.query(`update graphile_worker._private_jobs set locked_by = 'pool-of-the-killed', locked_at = now()`)
  expect((await claimUnitsOf(survivor, client, ['endpoint:1'])).elsewhere).toEqual(['endpoint:1'])

  child.kill('SIGKILL')

  await eventually(async () => (await claimUnitsOf(survivor, client, ['endpoint:1'])).held.length === 1)
  await eventually(() => notices.includes('sweep'))
  const { rows } = await db.query('select locked_by from graphile_worker.jobs where id = $1', [job.id])
  expect(rows).toEqual([{ locked_by: null }])
  await graphile.release()
})

test('a worker whose session is cut says so, registers under a new id and starts with nothing', async () => {
  const worker = await register()
  const [before, client] = [worker.id, newId()]
  let lost = 0
  let ready = 0
  worker.onLost(() => lost++)
  worker.onReady(() => ready++)
  await claimUnitsOf(worker, client, ['a'])
  await db.query(`select pg_terminate_backend(pid) from pg_stat_activity
                   where datname = current_database() and application_name = 'flo-gateway worker'`)
  await eventually(() => ready === 1)
  expect(lost).toBe(1)
  expect(worker.id).not.toBe(before)
  // Its own old lease is a dead worker's like any other.
  await eventually(async () => (await claimUnitsOf(worker, client, ['a'])).held.length === 1)
})

test('a lease of a worker that is not listed any more is freed as well', async () => {
  const [worker, client] = [await register(), newId()]
  await db.query('insert into leases (client_id, unit, worker_id) values ($1, $2, $3)', [client, 'a', newId()])
  await eventually(async () => (await claimUnitsOf(worker, client, ['a'])).held.length === 1)
})

test('a worker whose session falls silent without an end notices within seconds, and begins anew', async () => {
  const wire = await startWire(Number(new URL(url).port))
  afterwards(wire.stop)
  const through = url.replace(/:\d+\//, `:${wire.port}/`)
  const pool = openPool(through, { max: 2 })
  afterwards(() => pool.end())
  const worker = await registerWorker({ url: through, db: pool, log: newLog('silent'), roles: [] })
  afterwards(worker.stop)
  let ready = 0
  worker.onSilence(() => cutConnections(pool))
  worker.onReady(() => ready++)
  const [before, client] = [worker.id, newId()]
  await claimUnitsOf(worker, client, ['a'])
  const asked = await pool.connect()
  wire.vanish()
  await expect(asked.query('select 1')).rejects.toThrow('the database does not answer')
  asked.release(true)
  await eventually(() => ready === 1)
  expect(worker.id).not.toBe(before)
  // Its own old lease it has given back itself: the server takes the old session for alive.
  expect(await claimUnitsOf(worker, client, ['a'])).toEqual({ held: ['a'], elsewhere: [] })
})

test('what a worker does when it is registered again is done once more after a failure', async () => {
  const worker = await register()
  let calls = 0
  worker.onReady(() => {
    calls += 1
    if (calls < 3) throw new Error('not yet')
  })
  await db.query(`select pg_terminate_backend(pid) from pg_stat_activity
                   where datname = current_database() and application_name = 'flo-gateway worker'`)
  await eventually(() => calls === 3)
})
