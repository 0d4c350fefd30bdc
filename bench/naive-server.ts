import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { Logger, run } from 'graphile-worker'
import { contracts } from '../mappings/index.ts'
import { openClientGroups } from '../src/database/client-groups.ts'
import { inTransaction, openPool } from '../src/database/db.ts'
import { createDeliverer } from '../src/deliver/deliverer.ts'
import { newId } from '../src/domain/ids.ts'
import { fanOut } from '../src/fanout/fanout.ts'
import { newLog } from '../src/log.ts'
import { createHostNames } from '../src/network/names/host-names.ts'
import type { IncomingEvent } from '../src/receive/insert-events.ts'
import { stripeWebhookHandler } from '../src/receive/routes.ts'
import { registerWorker } from '../src/workers/worker.ts'
import { answerParent, cpuUsage, readConfigOf } from './child.ts'
import type { NaiveCommands } from './naive.ts'
import { bodyOf, CONTRACT, keys } from './seed.ts'

// The plain way, to compare with: a transaction and a job for each request, then the same delivering room.
const { databaseUrl } = readConfigOf<{ databaseUrl: string }>()
const CONCURRENCY = 24
const log = newLog('info')
const db = openPool(databaseUrl, { max: 2 * CONCURRENCY })
const worker = await registerWorker({ url: databaseUrl, db, log, roles: ['work'] })
const room = createDeliverer({
  db,
  groups: await openClientGroups(db),
  log,
  worker,
  keyRing: keys,
  contracts,
  config: { allowedSubnets: ['127.0.0.0/8'] },
  now: () => new Date(),
  names: createHostNames(),
  onLeasedElsewhere: () => {},
})

const { rows: sources } = await db.query<{ id: string; clientId: string; sealedSecrets: string[] }>(
  `select id, client_id as "clientId", signing_secrets as "sealedSecrets" from sources`,
)
const sourcesById = new Map(sources.map((source) => [source.id, { ...source, signatureFailingAt: null }]))

interface EventJob {
  id: string
  clientId: string
}
const job = `select graphile_worker.add_job($1, $2::json)`

async function storeEvent(event: IncomingEvent) {
  const id = newId()
  const kept = await inTransaction(db, async (tx) => {
    const { rowCount } = await tx.query(
      `insert into source_events (client_id, id, source_id, account, livemode, event_id, type, api_version, lane, created_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing`,
      [
        event.clientId,
        id,
        event.sourceId,
        event.account,
        event.livemode,
        event.eventId,
        event.type,
        event.apiVersion,
        event.lane,
        event.createdAt,
      ],
    )
    if (!rowCount) return false
    await tx.query('insert into source_event_bodies (client_id, source_event_id, body) values ($1, $2, $3)', [
      event.clientId,
      id,
      event.bytes,
    ])
    await tx.query(job, ['event', { id, clientId: event.clientId }])
    return true
  })
  return { duplicate: !kept }
}

async function normalizeEvent({ id, clientId }: EventJob) {
  const { rows } = await db.query(
    'select body from source_event_bodies where client_id = $1 and source_event_id = $2',
    [clientId, id],
  )
  const event = JSON.parse(rows[0].body)
  // The sender's mark stays in the body for whoever takes the time.
  const body = bodyOf(event.id)
  const eventId = newId()
  await inTransaction(db, async (tx) => {
    await tx.query(
      `with body as (insert into event_bodies (client_id, event_id, body) values ($1, $2, $6))
       insert into events (client_id, id, source_event_id, contract, type, key, occurred_at)
       values ($1, $2, $3, $4, 'subscription.created', $5, now())`,
      [clientId, eventId, id, CONTRACT, event.id, body],
    )
    await fanOut(tx, [{ clientId, id: eventId, contract: CONTRACT, type: 'subscription.created', userId: null }])
    await tx.query(`update source_events set state = 'normalized', due_at = null where client_id = $1 and id = $2`, [
      clientId,
      id,
    ])
  })
  room.wake(clientId)
}

const runner = await run({
  connectionString: databaseUrl,
  concurrency: CONCURRENCY,
  maxPoolSize: CONCURRENCY + 2,
  noHandleSignals: true,
  pollInterval: 1000,
  taskList: {
    event: (payload) => normalizeEvent(payload as EventJob),
  },
  logger: new Logger(() => (level, message) => level === 'error' && console.error(message)),
})

const app = express()
app.post(
  '/webhooks/stripe/:sourceId',
  stripeWebhookHandler({
    loadSource: async (id) => sourcesById.get(id),
    storeEvent: storeEvent,
    keyRing: keys,
    now: () => new Date(),
  }),
)
const commands: NaiveCommands = {
  usage: cpuUsage,
  async stop() {
    await runner.stop()
    await room.stop()
    await worker.stop()
  },
}
const server = createServer({ keepAliveTimeout: 65_000 }, app).listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  answerParent({ url: `http://127.0.0.1:${port}/webhooks/stripe/` }, commands)
})
