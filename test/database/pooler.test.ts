import { expect, test } from 'vitest'
import { openPool } from '../../src/database/db.ts'
import { migrateDatabase } from '../../src/database/migrate.ts'
import { newLog } from '../../src/log.ts'
import { freshDatabase, onServer } from '../support/database.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startPooler } from '../support/pooler.ts'

const log = newLog('silent')
const { url } = await freshDatabase()
const start = (to: string, connections = 2) => migrateDatabase({ url: to, log, connections })

test.each([
  { size: 10, order: 'last' },
  { size: 10, order: 'turn' },
  { size: 2, order: 'turn' },
  { size: 10, order: 'chance' },
  { size: 1, order: 'last' },
] as const)('a pooler in transaction mode is refused: $size connections, $order', async (pooler) => {
  const to = await startPooler(url, { mode: 'transaction', ...pooler })
  for (let tries = 0; tries < 5; tries += 1)
    await expect(start(to)).rejects.toThrow(/^The pooler .* transaction or statement mode.*: set pool_mode = session/)
})

test('a pooler in session mode that refuses startup parameters serves a whole gateway, with its settings', async () => {
  const name = new URL(url).pathname.slice(1)
  await onServer(url, `alter database ${name} set DateStyle = 'German'`)
  await onServer(url, `alter database ${name} set default_transaction_isolation = 'serializable'`)
  const to = await startPooler(url, { mode: 'session', size: 40 })
  const gateway = await startTestGateway({ DATABASE_URL: to })
  const { body } = await gateway.api('POST', '/v1/clients', { name: 'Acme' })
  expect(Date.parse(body.data.createdAt)).toBeGreaterThan(0)
  expect((await gateway.db.query('show DateStyle')).rows).toEqual([{ DateStyle: 'ISO, MDY' }])
})

test('a pooler in session mode with fewer connections than the process needs is refused', async () => {
  await expect(start(await startPooler(url, { mode: 'session', size: 6 }), 20)).rejects.toThrow(
    /^The pooler .* lets \d+ connections through, and this process needs 20 at once: raise its default_pool_size/,
  )
  expect(await start(await startPooler(url, { mode: 'session', size: 21 }), 20)).toEqual([])
})

test('a pooler that hands sessions on as they were left is refused, since locks of the dead would stay', async () => {
  await expect(start(await startPooler(url, { mode: 'session', resetQuery: '' }))).rejects.toThrow(
    /as they were left: set server_reset_query = DISCARD ALL/,
  )
})

test('a parameter of DATABASE_URL that a pooler refuses is told by what to do', async () => {
  const to = await startPooler(url, { mode: 'session' })
  await expect(start(`${to}?options=-c%20search_path%3Dpublic`)).rejects.toThrow(
    /unsupported startup parameter: options\): a pooler refuses a parameter .*: remove it/,
  )
  await expect(openPool(`${to}?statement_timeout=5000`).query('select 1')).rejects.toThrow(/statement_timeout/)
})
