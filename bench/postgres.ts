import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Db, openPool } from '../src/database/db.ts'
import { migrateDatabase } from '../src/database/migrate.ts'
import { startPostgres } from '../src/embedded-postgres/start.ts'
import { newLog } from '../src/log.ts'
import { processorSeconds } from './processor.ts'

export interface BenchPostgres {
  version: string
  /** A migrated, empty database; `drop` ends it. Commits are durable, as in operation. */
  fresh(): Promise<{ url: string; db: Db; drop(): Promise<void> }>
  /** Processor time of the whole server so far; NaN where the machine does not tell. */
  cpuSeconds(): number
  stop(): Promise<void>
}

/** The embedded server in a temporary folder, with the settings that a gateway gives it, and room for the several gateways of a row. */
export async function benchPostgres(): Promise<BenchPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'flo-gateway-bench-'))
  const log = newLog('warn')
  const server = await startPostgres({ dataDir: folder, log, isSuperuser: true, settings: { max_connections: '300' } })
  const admin = openPool(server.url, { max: 1 })
  const databaseNamed = (name: string) => server.url.replace(/postgres$/, name)
  await admin.query('create database template_bench')
  await migrateDatabase({ url: databaseNamed('template_bench'), log })
  const { rows } = await admin.query(`select current_setting('server_version') as version`)
  const pid = Number((await readFile(join(folder, 'pg', 'postmaster.pid'), 'utf8')).split('\n')[0])
  let count = 0
  return {
    cpuSeconds: () => processorSeconds(pid),
    version: rows[0].version,
    async fresh() {
      const name = `bench_${++count}`
      await admin.query(`create database ${name} template template_bench`)
      const db = openPool(databaseNamed(name), { max: 4 })
      return {
        url: databaseNamed(name),
        db,
        async drop() {
          await db.end()
          await admin.query(`drop database ${name} with (force)`)
          // The next row starts with nothing left to write back.
          await admin.query('checkpoint')
        },
      }
    },
    async stop() {
      await admin.end()
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
