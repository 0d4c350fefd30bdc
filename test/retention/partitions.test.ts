import { expect, test } from 'vitest'
import { ledgerAddsUp, readLedgerReport } from '../../src/cli/ledger-report.ts'
import { DAILY_TABLES, makePartitions } from '../../src/database/partitions.ts'
import { newLog } from '../../src/log.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startReceiver } from '../support/receiver.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { layWay } from '../support/way.ts'

const gateway = await startTestGateway()
const { db } = gateway
const log = newLog('silent')
const receiver = await startReceiver()
const way = await layWay(gateway.api, receiver.url)
const partitions = async (parent: string): Promise<string[]> => {
  const { rows } = await db.query(
    `select c.relname from pg_inherits join pg_class c on c.oid = inhrelid where inhparent = $1::regclass order by 1`,
    [parent],
  )
  return rows.map(({ relname }) => relname)
}
const dayName = (days: number) =>
  new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10).replaceAll('-', '')

test('a started gateway has the days from yesterday to three days ahead, and a place for all others', async () => {
  const days = Array.from({ length: 5 }, (_, at) => dayName(at - 1))
  for (const parent of DAILY_TABLES)
    expect(await partitions(parent)).toEqual([...days.map((day) => `${parent}_${day}`), `${parent}_default`])
})

test('missing days are made, those that are there are left alone, whoever makes them at once', async () => {
  await db.query(`drop table deliveries_${dayName(2)}, attempts_${dayName(3)}`)
  const made = await Promise.all([makePartitions({ db, log }), makePartitions({ db, log })])
  // One of them makes both, or each makes one.
  expect(made.reduce((sum, count) => sum + count, 0)).toBe(2)
  expect(await partitions('deliveries')).toContain(`deliveries_${dayName(2)}`)
  expect(await makePartitions({ db, log })).toBe(0)
})

test('a day without partitions refuses nothing: events of that day are taken in, delivered, and add up', async () => {
  for (const parent of DAILY_TABLES) for (const day of [0, 1]) await db.query(`drop table ${parent}_${dayName(day)}`)
  for (let sent = 0; sent < 20; sent += 1) expect((await way.post(gateway.url, subscriptionCreated())).status).toBe(200)
  await eventually(async () => {
    const deliveries = await way.deliveries()
    return deliveries.length === 20 && deliveries.every(({ state }) => state === 'delivered')
  })
  for (const parent of DAILY_TABLES) {
    const { rows } = await db.query(`select count(*) from ${parent}_default`)
    expect(rows[0].count, parent).toBeGreaterThanOrEqual(20)
  }
  expect(ledgerAddsUp(await readLedgerReport(db, { unsureSeconds: 0 }))).toBe(true)
})

test('a day whose rows are in the default partition stays there, and the days after it are made', async () => {
  // Midnight may have come since: then it is yesterday and today.
  await makePartitions({ db, log })
  for (const parent of DAILY_TABLES) {
    expect(await partitions(parent)).toContain(`${parent}_${dayName(2)}`)
    const { rows } = await db.query(`select count(*) from ${parent}_default`)
    expect(rows[0].count, parent).toBeGreaterThanOrEqual(20)
  }
  expect((await way.post(gateway.url, subscriptionCreated())).status).toBe(200)
  await eventually(async () => (await way.deliveries()).filter(({ state }) => state === 'delivered').length === 21)
})

test('somebody who reads for long holds up no start: the day is made later, and its rows are taken meanwhile', async () => {
  await db.query(`drop table deliveries_${dayName(3)}`)
  const reader = await db.connect()
  await reader.query('begin; lock table deliveries_default in access share mode')
  expect(await makePartitions({ db, log })).toBe(0)
  await reader.query('commit')
  reader.release()
  expect(await makePartitions({ db, log })).toBe(1)
})

test('a node of a cluster that is away holds up no start either', async () => {
  const { db } = await freshDatabase()
  await db.query(`drop table attempts_${dayName(2)}, deliveries_${dayName(3)}`)
  await db.query('alter function make_partition(text, date) rename to make_here')
  await db.query(
    `create function make_partition(parent text, day date) returns text language plpgsql as $$ begin
       if parent = 'deliveries' then
         raise exception 'connection to the remote node failed' using errcode = '08006';
       end if;
       return make_here(parent, day); end $$`,
  )
  expect(await makePartitions({ db, log })).toBe(1)
  await db.query('drop function make_partition; alter function make_here(text, date) rename to make_partition')
  expect(await makePartitions({ db, log })).toBe(1)
})
