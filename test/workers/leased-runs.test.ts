import { expect, test } from 'vitest'
import { newId } from '../../src/domain/ids.ts'
import { newLog } from '../../src/log.ts'
import { createLeasedRuns, type StopSignal } from '../../src/workers/leased-runs.ts'
import { registerWorker } from '../../src/workers/worker.ts'
import { afterwards } from '../support/afterwards.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'

const { url, db } = await freshDatabase({ max: 10 })
const log = newLog('silent')

interface Run {
  clientId: string
  id: string
}

/** Runs in memory, worked on by a process of their own; `work` ends one by returning. */
async function newProcess(runs: Set<Run>, work: (run: Run, stop: StopSignal) => Promise<void>) {
  const worker = await registerWorker({ url, db, log, roles: ['work'] })
  const asked: number[] = []
  const room = createLeasedRuns<Run>(
    { log, worker, groups: { groupOf: () => '' }, now: () => new Date(), onLeasedElsewhere: () => {} },
    {
      name: 'walk',
      async readDueRuns(clientIds) {
        asked.push(clientIds.length)
        return [...runs].filter(({ clientId }) => clientIds.includes(clientId))
      },
      readClients: async () => [...new Set([...runs].map(({ clientId }) => clientId))],
      async workOn(run, stop) {
        await work(run, stop)
        if (!stop.isStopped()) runs.delete(run)
      },
    },
  )
  let stopped: Promise<void> | undefined
  const stop = () => (stopped ??= room.stop().then(() => worker.stop()))
  afterwards(stop)
  return { room, worker, asked, stop }
}

const newRuns = (clients: number, each: number) =>
  new Set(
    Array.from({ length: clients }, newId).flatMap((clientId) =>
      Array.from({ length: each }, () => ({ clientId, id: newId() })),
    ),
  )

test('the runs of many clients are looked for together, and each is done once', async () => {
  const runs = newRuns(80, 2)
  const done: string[] = []
  const { room, asked } = await newProcess(runs, async ({ id }) => void done.push(id))
  const ids = [...runs].map(({ id }) => id)
  await room.sweep()
  await eventually(() => runs.size === 0)
  expect(done.toSorted()).toEqual(ids.toSorted())
  expect(asked[0]).toBe(80)
})

test('a run that breaks off is begun again, and holds up no other one', async () => {
  const runs = newRuns(10, 1)
  const [bad] = [...runs]
  let tries = 0
  const { room } = await newProcess(runs, async (run) => {
    if (run === bad && ++tries < 3) throw new Error('not yet')
  })
  await room.sweep()
  await eventually(() => runs.size <= 1)
  await eventually(() => runs.size === 0)
  expect(tries).toBe(3)
})

test('two processes work on no run at once, and one goes on with what the other stops in the middle of', async () => {
  const runs = newRuns(20, 2)
  const [underWay, overlaps]: [Set<Run>, Run[]] = [new Set(), []]
  let isEnding = false
  const work = async (run: Run, stop: StopSignal) => {
    if (underWay.has(run)) overlaps.push(run)
    underWay.add(run)
    while (!isEnding && !stop.isStopped()) await stop.pause(20)
    underWay.delete(run)
  }
  const one = await newProcess(runs, work)
  const other = await newProcess(runs, work)
  await Promise.all([one.room.sweep(), other.room.sweep()])
  await eventually(() => underWay.size === 40)
  // As long as they go on their leases are kept.
  await one.stop()
  await other.room.sweep()
  await eventually(() => underWay.size === 40)
  isEnding = true
  await eventually(() => runs.size === 0)
  expect(overlaps).toEqual([])
  await other.stop()
  expect((await db.query('select from leases')).rowCount).toBe(0)
})

test('a lost session stops the runs of this process, and each is taken up again', async () => {
  const runs = newRuns(5, 1)
  const begun: string[] = []
  let isEnding = false
  const { room, worker } = await newProcess(runs, async ({ id }, stop) => {
    begun.push(id)
    while (!isEnding && !stop.isStopped()) await stop.pause(20)
  })
  await room.sweep()
  await eventually(() => begun.length === 5)
  const before = worker.id
  await db.query(`select pg_terminate_backend(pid) from pg_stat_activity
                   where datname = current_database() and application_name = 'flo-gateway worker'`)
  await eventually(() => worker.id !== before)
  await eventually(() => begun.length === 10)
  isEnding = true
  await eventually(() => runs.size === 0)
})
