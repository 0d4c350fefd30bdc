import { expect, test } from 'vitest'
import { newId } from '../src/domain/ids.ts'
import { type Jobs, purgeIdempotencyKeys, startJobs } from '../src/jobs.ts'
import { newLog } from '../src/log.ts'
import { createWakes, parseNotice } from '../src/workers/wakes.ts'
import { registerWorker } from '../src/workers/worker.ts'
import { afterwards } from './support/afterwards.ts'
import { freshDatabase } from './support/database.ts'
import { eventually } from './support/eventually.ts'
import { present } from './support/present.ts'

const { url, db } = await freshDatabase({ max: 20 })
const log = newLog('silent')

/** A process as far as this file is concerned: rooms that only write down who woke them. */
async function newProcess() {
  const worker = await registerWorker({ url, db, log, roles: ['work'] })
  const woken: string[] = []
  const room = (name: string) => ({
    wake: (clientId: string) => void woken.push(`${name} ${clientId}`),
    sweep: async () => void woken.push(`${name} sweep`),
  })
  const rooms = {
    normalize: room('normalize'),
    deliver: room('deliver'),
    hydrate: room('hydrate'),
    backfill: room('backfill'),
    replay: room('replay'),
    erase: room('erase'),
    route: room('route'),
  }
  const kept = { payload: 30, metadata: 90 }
  const raiseAlarms = async () => {}
  const now = () => new Date()
  const sweepRooms = async () => void (await Promise.all(Object.values(rooms).map((room) => room.sweep())))
  const jobs: Jobs = await startJobs({
    ...{ url, db, log, worker, now, rooms, sweepRooms, raiseAlarms },
    retentionDays: kept,
  })
  const wakes = await createWakes({ db, log, workerId: () => worker.id, now })
  afterwards(async () => {
    await jobs.stop()
    await wakes.stop()
    await worker.stop()
  })
  return { worker, woken, jobs, wakes }
}

test('a wake for anywhere reaches one working process, however often it is said', async () => {
  const processes = [await newProcess(), await newProcess()]
  const [clientId, last] = [newId(), newId()]
  for (let said = 0; said < 1000; said += 1) present(processes[0]).wakes.wakeAnywhere('normalize', clientId)
  present(processes[0]).wakes.wakeAnywhere('deliver', last)
  const woken = () => processes.flatMap(({ woken }) => woken)
  await eventually(() => woken().includes(`deliver ${last}`) && woken().includes(`normalize ${clientId}`))
  expect(woken().filter((one) => one === `normalize ${clientId}`)).toHaveLength(1)
})

test('a notice for elsewhere reaches the other processes and not the one that gives it', async () => {
  const [giver, one, other] = [await newProcess(), await newProcess(), await newProcess()]
  const clientId = newId()
  giver.wakes.wakeElsewhere('deliver', clientId)
  await eventually(() => [one, other].every(({ woken }) => woken.includes(`deliver ${clientId}`)))
  expect(giver.woken).not.toContain(`deliver ${clientId}`)
})

const wakeJobs = async (clientId: string): Promise<{ run_at: Date; payload: { clientIds: string[] } }[]> =>
  (
    await db.query(
      `select j.run_at, p.payload from graphile_worker.jobs j join graphile_worker._private_jobs p on p.id = j.id
        where j.task_identifier = 'wake' and p.payload::text like '%' || $1 || '%'`,
      [clientId],
    )
  ).rows

test('wakes of a thousand clients are one job for as long as nobody works, and then reach each of them', async () => {
  const wakes = await createWakes({ db, log, workerId: newId, now: () => new Date() })
  const clients = Array.from({ length: 1000 }, () => newId())
  for (let said = 0; said < 5; said += 1) {
    for (const clientId of clients.slice(200 * said)) wakes.wakeAnywhere('normalize', clientId)
    await eventually(async () =>
      (await wakeJobs(clients.at(-1) as string))[0]?.payload.clientIds.includes(clients[0] as string),
    )
  }
  const jobs = await wakeJobs(clients.at(-1) as string)
  expect(jobs).toHaveLength(1)
  expect(jobs[0]?.payload.clientIds.toSorted()).toEqual(clients.toSorted())
  const { woken } = await newProcess()
  await eventually(() => clients.every((clientId) => woken.includes(`normalize ${clientId}`)))
  await wakes.stop()
})

test('wakes that are said while jobs are taken up reach their clients, each time', async () => {
  const [process] = [await newProcess()]
  const clients = Array.from({ length: 50 }, () => newId())
  const countOf = (clientId: string) => process.woken.filter((one) => one === `hydrate ${clientId}`).length
  for (let time = 1; time <= 5; time += 1) {
    const before = new Map(clients.map((clientId) => [clientId, countOf(clientId)]))
    for (const clientId of clients) process.wakes.wakeAnywhere('hydrate', clientId)
    await eventually(() => clients.every((clientId) => countOf(clientId) > (before.get(clientId) ?? 0)))
  }
})

test('a notice names hundreds of clients, and each is woken', async () => {
  const [giver, taker] = [await newProcess(), await newProcess()]
  const clients = Array.from({ length: 500 }, () => newId())
  const payloads: string[] = []
  taker.worker.onNotice((payload) => payloads.push(payload))
  for (const clientId of clients) giver.wakes.wakeElsewhere('normalize', clientId)
  await eventually(() => clients.every((clientId) => taker.woken.includes(`normalize ${clientId}`)))
  const ours = payloads.filter((payload) => clients.some((clientId) => payload.includes(clientId)))
  expect(ours.length).toBeLessThanOrEqual(6)
})

test('a moment to deliver at is kept in the database for a process that is gone, several in one job', async () => {
  const { wakes } = await newProcess()
  const at = new Date(Date.now() + 60_000)
  const clients = [newId(), newId(), newId()]
  for (const clientId of clients) wakes.wakeDeliverAt(clientId, at)
  const [job] = await eventually(async () => {
    const jobs = await wakeJobs(clients[0] as string)
    return jobs[0]?.payload.clientIds.length === 3 && jobs
  })
  const lateMs = (job?.run_at.getTime() ?? 0) - at.getTime()
  expect(lateMs).toBeGreaterThanOrEqual(0)
  expect(lateMs).toBeLessThan(10_000)
})

test('a moment that lies further ahead than sweeps look is left to them', async () => {
  const { wakes } = await newProcess()
  const [near, far] = [newId(), newId()]
  wakes.wakeDeliverAt(far, new Date(Date.now() + 3_600_000))
  wakes.wakeDeliverAt(near, new Date(Date.now() + 30_000))
  await eventually(async () => (await wakeJobs(near)).length === 1)
  expect(await wakeJobs(far)).toEqual([])
})

test('a job that cannot be marked as done or failed is run once more, and ends no process', async () => {
  const { woken } = await newProcess()
  await db.query(`
    create sequence refused;
    create function refuse() returns trigger language plpgsql as $$ begin
      if nextval('refused') = 1 then raise exception 'not now'; end if;
      return case when tg_op = 'DELETE' then old else new end;
    end $$;
    create trigger refuse before delete or update of last_error on graphile_worker._private_jobs
      for each row execute function refuse()`)
  const left = (key: string) =>
    db.query(`select last_error from graphile_worker.jobs where key = $1 and locked_at is null`, [key])
  const clientId = newId()
  await db.query(
    `select graphile_worker.add_job('deliver', json_build_object('clientId', $1::text), job_key => 'done')`,
    [clientId],
  )
  await eventually(() => woken.includes(`deliver ${clientId}`))
  await eventually(async () => (await db.query(`select from graphile_worker.jobs where key = 'done'`)).rowCount === 0)
  await db.query(`alter sequence refused restart`)
  await db.query(`select graphile_worker.add_job('deliver', '{}', job_key => 'failed')`)
  await eventually(async () => (await left('failed')).rows[0]?.last_error)
  await db.query('drop function refuse cascade')
})

test('the pool that Graphile Worker locks jobs by stands in the row of the worker', async () => {
  const { worker } = await newProcess()
  const pool = await eventually(
    async () => (await db.query('select graphile_pool from workers where id = $1', [worker.id])).rows[0].graphile_pool,
  )
  expect(pool).toMatch(/^pool-/)
})

test('a wake that cannot be read wakes nobody', () => {
  expect(parseNotice('clients:deliver:w1:c1,c2', 'w2')).toEqual({ room: 'deliver', clientIds: ['c1', 'c2'] })
  // Of the version before.
  expect(parseNotice('deliver:c1:w1', 'w2')).toEqual({ room: 'deliver', clientIds: ['c1'] })
  for (const payload of [
    'clients:deliver:w2:c1',
    'clients:cook:w1:c1',
    'clients:deliver',
    'deliver:c1:w2',
    'deliver',
    '',
  ])
    expect(parseNotice(payload, 'w2')).toBeNull()
})

test('replies to an Idempotency-Key go after 24 hours', async () => {
  await db.query(`insert into idempotency_keys (api_key_id, key, request_hash, created_at) values
    ('k', 'old', '', now() - interval '25 hours'), ('k', 'young', '', now() - interval '23 hours')`)
  expect(await purgeIdempotencyKeys(db)).toBe(1)
  expect((await db.query('select key from idempotency_keys')).rows).toEqual([{ key: 'young' }])
})
