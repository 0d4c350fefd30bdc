import { readConfig } from '../config.ts'
import { openPool } from '../database/db.ts'
import { migrateDatabase } from '../database/migrate.ts'
import { ConfigError } from '../errors.ts'
import { newLog } from '../log.ts'
import { defineCommand } from './command.ts'
import { withDatabaseUrl } from './database.ts'
import { good } from './paint.ts'

export default defineCommand({
  name: 'migrate',
  summary: 'Bring the database up to date, and distribute it over a Citus cluster with --distribute',
  about:
    'A gateway migrates the database by itself at each start. --distribute distributes the tables that grow by client and copies the small ones to every node; stop all gateways first. If it is interrupted, run it again. See docs/scaling.md.',
  options: {
    distribute: {
      type: 'boolean',
      about: 'distribute the tables over the Citus cluster whose coordinator DATABASE_URL names',
    },
  },
  examples: ['migrate', 'migrate --distribute'],
  run: ({ options, printLine }) =>
    withDatabaseUrl(readConfig(process.env), async (url) => {
      const log = newLog('warn')
      if (options.distribute) await assertNoGatewayRuns(url)
      const ran = await migrateDatabase({ url, log, distribute: options.distribute })
      for (const name of ran) printLine(name)
      printLine(good(options.distribute ? 'The tables are distributed by client.' : 'The database is up to date.'))
      return 0
    }),
})

async function assertNoGatewayRuns(url: string): Promise<void> {
  const db = openPool(url, { max: 1 })
  try {
    const { rows: tables } = await db.query(`select to_regclass('workers') is not null as there`)
    if (!tables[0].there) return
    const { rows } = await db.query('select host, pid from workers where not pg_try_advisory_xact_lock(lock_key)')
    if (rows.length === 0) return
    const who = rows.map(({ host, pid }) => `process ${pid} on ${host}`).join(', ')
    throw new ConfigError(`Gateways are running (${who}): stop them first, and start them again afterwards.`)
  } finally {
    await db.end()
  }
}
