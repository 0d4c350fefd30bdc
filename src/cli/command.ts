import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, ConfigError, readConfig } from '../config.ts'
import { connect, type Db } from '../db.ts'
import { newLog } from '../log.ts'
import { runningPostgres, startPostgres } from '../postgres.ts'

/**
 * Runs a command on the gateway's database, found through the gateway's own environment (and `.env`): beside a running
 * gateway, or on an embedded database that is started for it. Exits with the code that the command answers, 1 when it throws.
 */
export async function runCommand(command: (db: Db) => Promise<number>): Promise<never> {
  try {
    if (existsSync('.env')) process.loadEnvFile('.env')
    const { url, close } = await reached(readConfig(process.env))
    const db = connect(url, { max: 2 })
    const code = await command(db).finally(async () => {
      await db.end()
      await close()
    })
    process.exit(code)
  } catch (error) {
    process.stderr.write(`${error instanceof ConfigError ? error.message : (error as Error).stack}\n`)
    process.exit(1)
  }
}

async function reached({ databaseUrl, dataDir }: Config): Promise<{ url: string; close: () => Promise<void> }> {
  const url = databaseUrl ?? (await runningPostgres(dataDir))
  if (url) return { url, close: async () => {} }
  if (!existsSync(join(dataDir, 'pg')))
    throw new ConfigError(`There is no database in ${dataDir} yet: start the gateway first, or set FLO_DATA_DIR.`)
  const { url: started, stop } = await startPostgres({ dataDir, log: newLog('warn') })
  return { url: started, close: stop }
}
