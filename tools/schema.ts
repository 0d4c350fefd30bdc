import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSession } from '../src/database/db.ts'
import { migrateDatabase } from '../src/database/migrate.ts'
import { startPostgres } from '../src/embedded-postgres/start.ts'
import { newLog } from '../src/log.ts'
import { renderSchema } from './schema-page.ts'

// `npm run schema` migrates an empty database of its own and writes sql/schema.sql of it; with --check it only tells whether
// that is fresh.

const file = new URL('../sql/schema.sql', import.meta.url)
const page = await renderFreshSchema()
if (!process.argv.includes('--check')) await writeFile(file, page)
else if ((await readFile(file, 'utf8').catch(() => '')) !== page) {
  console.error('sql/schema.sql is stale: run `npm run schema`, and commit it with the migration.')
  process.exitCode = 1
}

async function renderFreshSchema(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'flo-gateway-schema-'))
  const log = newLog('warn')
  const server = await startPostgres({ dataDir: folder, log })
  try {
    await migrateDatabase({ url: server.url, log })
    const session = createSession(server.url)
    await session.connect()
    try {
      return await renderSchema(session)
    } finally {
      await session.end()
    }
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
