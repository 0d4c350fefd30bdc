import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { migrateDatabase } from '../../src/database/migrate.ts'
import { startPostgres } from '../../src/embedded-postgres/start.ts'
import { newLog } from '../../src/log.ts'
import { onServer, TEMPLATE } from './database.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The server of this test run; every file clones its own database there. */
    postgresUrl: string
  }
}

// What a test run loses in a power cut nobody misses.
const FAST = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', max_connections: '300' }

/** One embedded server per test run, with a migrated database to clone. */
export default async function setup(project: TestProject) {
  const folder = await mkdtemp(join(tmpdir(), 'flo-gateway-test-'))
  const log = newLog('warn')
  const server = await startPostgres({ dataDir: folder, log, settings: FAST, isSuperuser: true })
  await onServer(server.url, `create database ${TEMPLATE}`)
  await migrateDatabase({ url: server.url.replace(/postgres$/, TEMPLATE), log })
  project.provide('postgresUrl', server.url)
  return async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
