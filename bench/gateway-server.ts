import { createRequire } from 'node:module'
import { readConfig } from '../src/config.ts'
import { startGateway } from '../src/gateway.ts'
import { newLog } from '../src/log.ts'
import { answerParent, cpuUsage, readConfigOf } from './child.ts'
import { ENCRYPTION_KEYS } from './seed.ts'

/** The whole gateway as one process, every role in it. */
const { databaseUrl } = readConfigOf<{ databaseUrl: string }>()

// Every statement of this process goes through here: ours, Graphile Worker's, begin and commit. The `pg` of this folder
// is another one, pg-boss's.
const { Client } = createRequire(new URL('../src/main.ts', import.meta.url))('pg')
let statements = 0
const query = Client.prototype.query
Client.prototype.query = function (...args: unknown[]) {
  statements += 1
  return query.apply(this, args)
}

const gateway = await startGateway(
  readConfig({
    PORT: '0',
    DATABASE_URL: databaseUrl,
    FLO_ENCRYPTION_KEYS: ENCRYPTION_KEYS,
    FLO_ALLOWED_SUBNETS: '127.0.0.0/8',
  }),
  { log: newLog('error') },
)

const commands = { usage: cpuUsage, statements: () => statements, stop: () => gateway.stop() }
export type GatewayServer = typeof commands
answerParent({ url: `${gateway.url}/webhooks/stripe/` }, commands)
