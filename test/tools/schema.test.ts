import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { migrateDatabase } from '../../src/database/migrate.ts'
import { newLog } from '../../src/log.ts'
import { renderSchema } from '../../tools/schema-page.ts'
import { emptyDatabase, freshDatabase } from '../support/database.ts'

const file = new URL('../../sql/schema.sql', import.meta.url)

test('sql/schema.sql shows what the migrations make', async () => {
  const { db } = await freshDatabase()
  expect(await renderSchema(db), 'sql/schema.sql is stale: run npm run schema').toBe(readFileSync(file, 'utf8'))
})

test('every table says what it holds', async () => {
  const { db } = await freshDatabase()
  const { rows } = await db.query<{ name: string }>(
    `select relname as name from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
        and obj_description(oid, 'pg_class') is null`,
  )
  expect(rows).toEqual([])
})

test('the page is no migration, and leaves out the partitions of days', async () => {
  const ran = await migrateDatabase({ url: await emptyDatabase(), log: newLog('silent') })
  expect(ran).not.toContain('schema')
  const page = readFileSync(file, 'utf8')
  expect(page).toContain('create table deliveries (')
  expect(page).not.toMatch(/_20\d{6}|_default\b/)
})
