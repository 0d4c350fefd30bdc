import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '../../src/config.ts'
import { openPool } from '../../src/database/db.ts'
import { type GatewayOptions, startGateway } from '../../src/gateway.ts'
import { newLog } from '../../src/log.ts'
import { afterwards } from './afterwards.ts'
import { freshDatabase } from './database.ts'
import { present } from './present.ts'
import { call } from './program.ts'

const ADMIN_KEY = 'admin-key-of-the-tests'

/** The environment of a gateway on this database that may deliver to this machine; `overrides` come last. */
export const environment = (url: string, overrides: Record<string, string> = {}) => ({
  PORT: '0',
  DATABASE_URL: url,
  LOG_LEVEL: 'warn',
  FLO_ADMIN_KEY: ADMIN_KEY,
  FLO_ENCRYPTION_KEYS: `test:${Buffer.alloc(32, 7).toString('base64')}`,
  FLO_ALLOWED_SUBNETS: '127.0.0.0/8,::1/128',
  ...overrides,
})

/**
 * A whole gateway, all roles, on a free port and a database of its own (or the one of `DATABASE_URL` in `overrides`, for a
 * second process on it). It is stopped after the test file.
 */
export async function startTestGateway(
  overrides: Record<string, string> = {},
  surroundings: Partial<GatewayOptions> = {},
) {
  const fresh = overrides.DATABASE_URL ? { url: '', db: openPool(overrides.DATABASE_URL) } : await freshDatabase()
  const config = readConfig(environment(fresh.url, overrides))
  const gateway = await startGateway(config, { log: newLog(config.logLevel), ...surroundings })
  afterwards(async () => {
    await gateway.stop()
    if (overrides.DATABASE_URL) await fresh.db.end()
  })

  /** One request to the management API, as the admin unless a key is given. */
  const api = (method: string, path: string, body?: unknown, key = ADMIN_KEY) =>
    call({ url: gateway.url, key }, method, path, body)
  return { ...gateway, adminKey: ADMIN_KEY, databaseUrl: present(config.databaseUrl), db: fresh.db, api }
}

/** A folder of its own for one test file, deleted after it. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `flo-gateway-test-${randomBytes(3).toString('hex')}-`))
  // So that a server which runs as another user, when we are root, can work in it.
  await chmod(folder, 0o711)
  afterwards(() => rm(folder, { recursive: true, force: true }))
  return folder
}
