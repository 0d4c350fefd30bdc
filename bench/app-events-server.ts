import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { contracts } from '../mappings/index.ts'
import { apiRouter } from '../src/api/api.ts'
import type { ApiDeps } from '../src/api/http/api-deps.ts'

import { type Db, openPool } from '../src/database/db.ts'
import { newId } from '../src/domain/ids.ts'
import { newLog } from '../src/log.ts'
import { createAppEventStore } from '../src/receive/app-events.ts'
import { answerParent, cpuUsage, readConfigOf } from './child.ts'
import { keys } from './seed.ts'

/** `apiKey` given: the same handler with that key at hand and nothing to store. */
export interface AppEventsConfig {
  databaseUrl?: string
  apiKey?: { id: string; clientId: string; scopes: string[]; secretHash: string }
}
const { databaseUrl, apiKey } = readConfigOf<AppEventsConfig>()

const log = newLog('info')
const [db, keepAppEvents] = apiKey ? withoutDatabase(apiKey) : withDatabase(databaseUrl ?? '')
// What the other routes need is not at hand: nobody asks them.
const deps = {
  db,
  keepAppEvents,
  keyRing: keys,
  config: { adminKey: undefined, allowedSubnets: [] },
  log,
  now: () => new Date(),
  contracts,
  mappingsInWords: () => ({}),
} as unknown as ApiDeps

function withDatabase(url: string): [Db, ApiDeps['storeAppEvents']] {
  const db = openPool(url, { max: 10 })
  return [db, createAppEventStore({ db, log, onStored: () => {} })]
}

function withoutDatabase({
  secretHash,
  ...key
}: NonNullable<AppEventsConfig['apiKey']>): [Db, ApiDeps['storeAppEvents']] {
  const rows = [{ ...key, secretHash: Buffer.from(secretHash, 'hex') }]
  const db = { query: async () => ({ rows }) } as unknown as Db
  return [db, async (_, events) => events.map(() => ({ id: newId(), receivedAt: new Date(), duplicate: false }))]
}

const server = createServer({ keepAliveTimeout: 65_000 }, express().use(apiRouter(deps))).listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  answerParent({ url: `http://127.0.0.1:${port}/v1/app-events` }, commands)
})
const commands = { usage: cpuUsage }
export type AppEventsServer = typeof commands
