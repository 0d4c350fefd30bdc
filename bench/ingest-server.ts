import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { Registry } from 'prom-client'
import { openPool } from '../src/database/db.ts'
import { newLog } from '../src/log.ts'
import { createCounters } from '../src/metrics/counters.ts'
import { receiveRoutes, stripeWebhookHandler } from '../src/receive/routes.ts'
import { combineWatches } from '../src/watch.ts'
import { answerParent, cpuUsage, readConfigOf } from './child.ts'
import { keys } from './seed.ts'

const { databaseUrl, source } = readConfigOf<IngestConfig>()
/** `source` given: the same handler with that source at hand and nothing to store. */
export interface IngestConfig {
  databaseUrl?: string
  source?: { id: string; clientId: string; sealedSecrets: string[]; signatureFailingAt: null }
}

const nowMs = () => new Date()
const app = express()
if (source)
  app.post(
    '/webhooks/stripe/:sourceId',
    stripeWebhookHandler({
      loadSource: async () => source,
      storeEvent: async () => ({ duplicate: false }),
      keyRing: keys,
      now: nowMs,
    }),
  )
else {
  const db = openPool(databaseUrl ?? '', { max: 10 })
  const log = newLog('info')
  const watch = combineWatches({ log }, [createCounters(new Registry())])
  app.use(receiveRoutes({ db, keyRing: keys, log, now: nowMs, onStored: () => {}, watch }))
}

const server = createServer({ keepAliveTimeout: 65_000 }, app).listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  answerParent({ url: `http://127.0.0.1:${port}/webhooks/stripe/` }, commands)
})
const commands = { usage: cpuUsage }
export type IngestServer = typeof commands
