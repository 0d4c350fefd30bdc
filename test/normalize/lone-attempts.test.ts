import { expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import { newId } from '../../src/domain/ids.ts'
import { fanOut } from '../../src/fanout/fanout.ts'
import { newLog } from '../../src/log.ts'
import { normalizeBatch } from '../../src/normalize/batch.ts'
import { explainSourceEvent } from '../../src/normalize/explain/explain.ts'
import { renormalizeOne } from '../../src/normalize/renormalize.ts'
import { createLoneGate } from '../../src/workers/lone-gate.ts'
import { registerWorker } from '../../src/workers/worker.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { normalizeClient } from '../support/normalizing.ts'
import { present } from '../support/present.ts'
import { lanes, newSource } from '../support/storing.ts'
import { subscriptionCreated } from '../support/subscription.ts'

const { url, db } = await freshDatabase()
const log = newLog('silent')
const deps = { db, log, mappings, fanOut, now: () => new Date(), holdSeconds: 0 }

async function storeSome(count: number) {
  const source = await newSource(db)
  const ids: string[] = []
  for (let at = 0; at < count; at += 1) ids.push(...(await source.store(JSON.parse(subscriptionCreated()))))
  return { ...source, ids }
}
const interrupt = (clientId: string, processId = newId()) =>
  db.query(
    `insert into interrupted_lanes (client_id, lane, process_id) select $1, lane, $3 from unnest($2::smallint[]) lane`,
    [clientId, lanes, processId],
  )
const leaveMark = (clientId: string, id: string, deaths: number) =>
  db.query(`insert into lone_attempts (client_id, source_event_id, process_id, deaths) values ($1, $2, $3, $4)`, [
    clientId,
    id,
    newId(),
    deaths,
  ])
const readStates = async (clientId: string) =>
  (await db.query('select id, state, reason_code from source_events where client_id = $1 order by id', [clientId])).rows
const countLeft = async (table: 'interrupted_lanes' | 'lone_attempts', clientId: string) =>
  (await db.query(`select from ${table} where client_id = $1`, [clientId])).rowCount

const seeBatches = () => {
  const batches: string[][] = []
  const onBatchNormalized = ({ outcomes }: { outcomes: readonly { id: string }[] }) =>
    void batches.push(outcomes.map(({ id }) => id).sort())
  return { batches, watch: { onBatchNormalized } }
}
/** As a process leaves it that died with these in work together. */
const leaveGroupMarks = (clientId: string, ids: readonly string[]) =>
  db.query(
    `insert into lone_attempts (client_id, source_event_id, group_process_id, group_size)
     select $1, id, $3, $4 from unnest($2::uuid[]) id`,
    [clientId, ids, newId(), ids.length],
  )

test('what was due in the lanes of a dead process is tried apart from all else, and then in batches again', async () => {
  const [{ clientId, ids }, other] = [await storeSome(12), await storeSome(2)]
  await interrupt(clientId)
  await interrupt(other.clientId)
  const { batches, watch } = seeBatches()
  const results = await normalizeBatch(
    { ...deps, watch },
    new Map([clientId, other.clientId].map((one) => [one, lanes])),
  )
  expect(batches).toEqual([[...ids, ...other.ids].sort()])
  expect(results.get(clientId)?.sourceEventCount).toBeGreaterThan(0)
  for (const one of [clientId, other.clientId]) {
    expect((await readStates(one)).every(({ state }) => state === 'normalized')).toBe(true)
    expect(await countLeft('interrupted_lanes', one)).toBe(0)
    expect(await countLeft('lone_attempts', one)).toBe(0)
  }
})

test('what was in a group at a death is tried in smaller ones after all others, and then alone', async () => {
  const { clientId, ids } = await storeSome(16)
  const [large, small, rest] = [ids.slice(0, 10), ids.slice(10, 13), ids.slice(13)]
  await leaveGroupMarks(clientId, large)
  await leaveGroupMarks(clientId, small)
  await interrupt(clientId)
  const { batches, watch } = seeBatches()
  await normalizeClient({ ...deps, watch }, clientId, lanes)
  expect(batches).toEqual([[...rest], large.slice(0, 8), large.slice(8), ...small.map((id) => [id])])
  expect((await readStates(clientId)).every(({ state }) => state === 'normalized')).toBe(true)
  expect(await countLeft('lone_attempts', clientId)).toBe(0)
})

test('a death of a group is no death of one that was alone', async () => {
  const { clientId, ids } = await storeSome(2)
  await leaveMark(clientId, present(ids[0]), 1)
  await leaveGroupMarks(clientId, [present(ids[1])])
  await interrupt(clientId)
  const seen: unknown[] = []
  const looking: typeof fanOut = async (tx, events) => {
    const { rows } = await db.query(
      'select source_event_id as id, deaths from lone_attempts where client_id = $1 and process_id is not null and process_id = $2',
      [clientId, gate.processId],
    )
    seen.push(...rows)
    return fanOut(tx, events)
  }
  const gate = createLoneGate()
  await normalizeClient({ ...deps, gate, fanOut: looking }, clientId, lanes)
  expect(seen).toEqual([
    { id: ids[1], deaths: 0 },
    { id: ids[0], deaths: 2 },
  ])
})

test('an event that cannot be written does not keep its group from going on', async () => {
  const { clientId, ids } = await storeSome(5)
  await interrupt(clientId)
  const failing: typeof fanOut = async (tx, events) => {
    const { rowCount } = await tx.query('select from events where client_id = $1 and source_event_id = $2', [
      clientId,
      ids[2],
    ])
    if (rowCount !== 0) throw new Error('no class that we know')
    return fanOut(tx, events)
  }
  await normalizeClient({ ...deps, fanOut: failing }, clientId, lanes)
  expect((await readStates(clientId)).map(({ state }) => state)).toEqual(
    ids.map((id) => (id === ids[2] ? 'failed' : 'normalized')),
  )
  expect(await countLeft('lone_attempts', clientId)).toBe(0)
  expect(await countLeft('interrupted_lanes', clientId)).toBe(0)
})

test('what was alone at three deaths fails without another try, after all others', async () => {
  const { clientId, ids } = await storeSome(3)
  const [deadly, once] = [present(ids[0]), present(ids[1])]
  await leaveMark(clientId, deadly, 2)
  await leaveMark(clientId, once, 0)
  await interrupt(clientId)
  const order: string[] = []
  const watch = {
    onBatchNormalized: ({ outcomes }: { outcomes: readonly { id: string }[] }) =>
      void order.push(...outcomes.map(({ id }) => id)),
  }
  await normalizeClient({ ...deps, watch }, clientId, lanes)
  expect(order).toEqual([ids[2], once, deadly])
  const states = await readStates(clientId)
  expect(states[0]).toMatchObject({ state: 'failed', reason_code: 'process_died' })
  expect(states.slice(1)).toMatchObject([{ state: 'normalized' }, { state: 'normalized' }])

  const explained = await explainSourceEvent({ db, mappings, now: deps.now }, clientId, deadly)
  expect(explained).toMatchObject({ sourceEvent: { reason: { code: 'process_died' } }, mappings: [] })
  await renormalizeOne(db, clientId, deadly)
  await normalizeClient(deps, clientId, lanes)
  expect((await readStates(clientId))[0]).toMatchObject({ state: 'normalized' })
})

test('a row that somebody has locked ends a group of several clients soon, and is no death', async () => {
  const [one, other] = [await storeSome(2), await storeSome(2)]
  await interrupt(one.clientId)
  await interrupt(other.clientId)
  const { rows } = await db.query(
    `insert into objects (client_id, source_id, object_id, kind, snapshot, memory, realm)
     select client_id, source_id, '@+test/' || (convert_from(b.body, 'utf8')::json #>> '{data,object,id}'), 'subscription', '{"tied":[],"base":[]}', '{}', '@+test'
       from source_events e join source_event_bodies b using (client_id) where b.source_event_id = e.id and e.id = $1
     returning object_id`,
    [one.ids[0]],
  )
  const holder = await db.connect()
  await holder.query('begin')
  await holder.query('select from objects where client_id = $1 and object_id = $2 for update', [
    one.clientId,
    rows[0].object_id,
  ])
  const both = new Map([one.clientId, other.clientId].map((clientId) => [clientId, lanes]))
  await expect(normalizeBatch(deps, both)).rejects.toMatchObject({ code: '55P03' })
  await holder.query('rollback')
  holder.release()
  const marks = await db.query('select group_process_id, process_id, deaths from lone_attempts where client_id = $1', [
    one.clientId,
  ])
  expect(marks.rows).toEqual(one.ids.map(() => ({ group_process_id: null, process_id: null, deaths: 0 })))
  await normalizeBatch(deps, both)
  expect((await readStates(one.clientId)).map(({ state }) => state)).toEqual(['normalized', 'normalized'])
})

test('a try that fails in a process that lives is no death', async () => {
  const { clientId, ids } = await storeSome(1)
  const gate = createLoneGate()
  const lost = Object.assign(new Error('no space left'), { code: '53100' })
  const failing = { ...deps, gate, fanOut: () => Promise.reject(lost) }
  await interrupt(clientId)
  for (let turn = 0; turn < 5; turn += 1) await expect(normalizeClient(failing, clientId, lanes)).rejects.toBe(lost)
  const { rows } = await db.query('select deaths, process_id from lone_attempts where source_event_id = $1', [ids[0]])
  expect(rows).toEqual([{ deaths: 0, process_id: null }])
  await normalizeClient({ ...deps, gate }, clientId, lanes)
  expect(await readStates(clientId)).toMatchObject([{ state: 'normalized' }])
})

test('nothing else is in work beside what is tried alone', async () => {
  const gate = createLoneGate()
  const running = new Set<string>()
  const seen: string[][] = []
  const work = (name: string) => async () => {
    running.add(name)
    seen.push([...running])
    await new Promise((resolve) => setImmediate(resolve))
    running.delete(name)
  }
  const shared = (name: string) => gate.runTogether(work(name))
  await Promise.all([shared('a'), shared('b'), gate.runAlone(work('alone')), shared('c'), gate.runAlone(work('alone'))])
  expect(seen).toContainEqual(['a', 'b'])
  expect(seen.filter((names) => names.includes('alone'))).toEqual([['alone'], ['alone']])
})

test('a worker that died is noted with its lanes; one that has lost its session alone is not', async () => {
  const clientId = newId()
  const worker = await registerWorker({ url, db, log, roles: ['work'] })
  const { rows } = await db.query('select process_id from workers where id = $1', [worker.id])
  for (const [lane, processId] of [
    [1, rows[0].process_id],
    [2, newId()],
  ]) {
    const gone = newId()
    await db.query(
      `insert into workers (id, lock_key, host, pid, roles, process_id) values ($1, $2, 'gone', 1, '{work}', $3)`,
      [gone, lane, processId],
    )
    await db.query(`insert into leases (client_id, unit, worker_id) values ($1, $2, $3)`, [
      clientId,
      `lane:${lane}`,
      gone,
    ])
  }
  const noted = async () =>
    (await db.query('select lane from interrupted_lanes where client_id = $1', [clientId])).rows.map(({ lane }) => lane)
  await eventually(async () => (await db.query('select from leases where client_id = $1', [clientId])).rowCount === 0)
  expect(await noted()).toEqual([2])
  await worker.stop()
})
