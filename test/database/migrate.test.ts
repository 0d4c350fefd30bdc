import { expect, test } from 'vitest'
import { migrateDatabase } from '../../src/database/migrate.ts'
import { newLog } from '../../src/log.ts'
import { emptyDatabase, onServer } from '../support/database.ts'

const log = newLog('silent')

test('processes that migrate at once wait for each other: each migration runs once', async () => {
  const url = await emptyDatabase()
  const ran = await Promise.all([1, 2, 3, 4].map(() => migrateDatabase({ url, log })))
  expect(ran.flat()).toContain('000001_initial')
  expect(new Set(ran.flat()).size).toBe(ran.flat().length)
  const { rows } = await onServer(url, 'select name from migrations order by id')
  expect(rows.map(({ name }) => name)).toEqual(ran.flat().toSorted())
})

test('afterwards the jobs of Graphile Worker and the partitions of the days ahead are there', async () => {
  const url = await emptyDatabase()
  await migrateDatabase({ url, log })
  const { rows } = await onServer(
    url,
    `select to_regclass('graphile_worker.jobs') as jobs,
            to_regclass('events_' || to_char(now() at time zone 'UTC', 'YYYYMMDD')) as today,
            to_regclass('events_' || to_char((now() at time zone 'UTC') + interval '3 days', 'YYYYMMDD')) as ahead`,
  )
  expect(Object.values(rows[0]).every(Boolean)).toBe(true)
})

test('a database that is up to date is left alone', async () => {
  const url = await emptyDatabase()
  await migrateDatabase({ url, log })
  expect(await migrateDatabase({ url, log })).toEqual([])
})
