import { afterAll } from 'vitest'
import type { Contract } from '../../src/contracts/contract.ts'
import { flo } from '../../src/contracts/flo.ts'
import type { Db } from '../../src/database/db.ts'
import { createDeliverer } from '../../src/deliver/deliverer.ts'
import type { CreatedDelivery } from '../../src/domain/created-delivery.ts'
import { newId } from '../../src/domain/ids.ts'
import { newLog } from '../../src/log.ts'
import { createHostNames, type HostNames } from '../../src/network/names/host-names.ts'
import { createKeyRing } from '../../src/secrets/keyring.ts'
import { registerWorker } from '../../src/workers/worker.ts'
import { freshDatabase } from './database.ts'
import { eventually } from './eventually.ts'

export const ring = createKeyRing([{ id: 'test', key: Buffer.alloc(32, 9) }])

type Deps = Parameters<typeof createDeliverer>[0]

/** The delivering room alone, as one process of several may run it; stopped after the file. */
export async function startDelivering({ url, db }: { url: string; db: Db }, extra: Partial<Deps> = {}) {
  const log = newLog('silent')
  const worker = await registerWorker({ url, db, log, roles: ['work'] })
  const elsewhereClients: string[] = []
  const room = createDeliverer({
    db,
    groups: { groupOf: () => '' },
    log,
    worker,
    keyRing: ring,
    config: { allowedSubnets: ['127.0.0.0/8'] },
    contracts: { [flo.name]: flo },
    now: () => new Date(),
    random: () => 0,
    names: createHostNames(),
    onLeasedElsewhere: (clientId) => elsewhereClients.push(clientId),
    ...extra,
  })
  // As src/jobs.ts does when a janitor has freed what a dead worker held.
  worker.onNotice((payload) => {
    if (payload === 'sweep') room.sweep().catch(() => {})
  })
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= room.stop().then(() => worker.stop())
    return stopped
  }
  afterAll(stop)
  return { ...room, worker, stop, told: elsewhereClients }
}

/** The room on a database of its own with one client: what most of its tests begin with. */
export async function startWithClient(extra: Partial<Deps> = {}) {
  const database = await freshDatabase()
  const { db } = database
  const room = await startDelivering(database, extra)
  const clientId = await newClient(db)
  /** New deliveries to an endpoint, of which the room is told; their ids. */
  const deliverTo = async (endpointId: string, fields: EventFields = {}): Promise<string[]> => {
    const ids = await newDeliveries(db, clientId, [endpointId], fields)
    room.wake(clientId, [endpointId])
    return ids
  }
  /** The same, until none of them is pending. */
  const settleTo = async (endpointId: string, fields: EventFields = {}): Promise<string[]> => {
    const ids = await deliverTo(endpointId, fields)
    await untilSettled(db, ids)
    return ids
  }
  const addEndpoint = (fields: EndpointFields) => newEndpoint(db, clientId, fields)
  return { database, db, room, clientId, addEndpoint, deliverTo, settleTo }
}

/** Names that resolve as the test says, and are never remembered. */
export const namesFrom = (resolveHost: HostNames['resolveHost']): HostNames => ({
  ...createHostNames(),
  resolveHost,
})

export async function newClient(db: Db): Promise<string> {
  const id = newId()
  await db.query('insert into clients (id, name) values ($1, $2)', [id, 'Test'])
  return id
}

interface EndpointFields {
  url: string
  retrySchedule?: number[]
  timeoutSeconds?: number
  maxInFlight?: number
  headers?: Record<string, string>
  eventTypes?: string[]
}

/** An enabled endpoint, straight in the database, and its secret. */
export async function newEndpoint(
  db: Db,
  clientId: string,
  { url, retrySchedule = [], timeoutSeconds = 15, maxInFlight = 10, headers = {}, eventTypes }: EndpointFields,
) {
  const [id, secret] = [newId(), flo.newSecret()]
  await db.query(
    `insert into endpoints (id, client_id, url, contract, retry_schedule, timeout_seconds, max_in_flight, headers,
                            event_types, secrets)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [
      id,
      clientId,
      url,
      flo.name,
      retrySchedule,
      timeoutSeconds,
      maxInFlight,
      headers,
      eventTypes ?? null,
      JSON.stringify([{ secret: ring.encrypt(secret), until: null }]),
    ],
  )
  return { id, secret }
}

/** The stored body of an event: the wire body without the delivery's id. */
export function storedBody(eventType = 'subscription.created', contract: Contract = flo): string {
  const body = contract.example(eventType)
  return JSON.stringify(body)
}

interface EventFields {
  count?: number
  eventType?: string
  body?: string
  /** Whose events they are. */
  userId?: string
}

/** So many new events, each with one pending delivery to each endpoint, as the fan-out leaves them; answers the deliveries' ids. */
export async function newDeliveries(
  db: Db,
  clientId: string,
  endpointIds: string[],
  { count = 1, eventType = 'subscription.created', body = storedBody(eventType), userId }: EventFields = {},
): Promise<string[]> {
  const events = Array.from({ length: count }, newId)
  await db.query(
    `with bodies as (insert into event_bodies (client_id, event_id, body) select $1, id, $5 from unnest($2::uuid[]) id)
     insert into events (client_id, id, source_event_id, contract, type, key, occurred_at)
     select $1, id, id, $3, $4, id::text, now() from unnest($2::uuid[]) id`,
    [clientId, events, flo.name, eventType, body],
  )
  const made = events.flatMap((eventId) => endpointIds.map((endpointId) => ({ id: newId(), eventId, endpointId })))
  await db.query(
    `insert into deliveries (client_id, event_id, id, endpoint_id, event_type, user_id)
     select $1, d.*, $5, $6::uuid from unnest($2::uuid[], $3::uuid[], $4::uuid[]) d`,
    [
      clientId,
      made.map(({ eventId }) => eventId),
      made.map(({ id }) => id),
      made.map(({ endpointId }) => endpointId),
      eventType,
      userId ?? null,
    ],
  )
  return made.map(({ id }) => id)
}

/** What the fan-out answers of these deliveries, as if it had made them then (`performance.now()`). */
export async function createdOf(db: Db, ids: string[], madeAt: number): Promise<CreatedDelivery[]> {
  const { rows } = await db.query(
    `select d.id, d.endpoint_id as "endpointId", d.event_id as "eventId", d.event_type as "eventType", b.body,
            e.source_event_id as "sourceEventId"
       from deliveries d join event_bodies b on b.event_id = d.event_id join events e on e.id = d.event_id
      where d.id = any($1) order by d.id`,
    [ids],
  )
  return rows.map((row) => ({ ...row, madeAt }))
}

/** A delivery as it stands, with its attempts. */
export async function readDelivery(db: Db, id: string) {
  const { rows } = await db.query('select * from deliveries where id = $1', [id])
  const attempts = await db.query('select * from attempts where delivery_id = $1 order by number', [id])
  return { ...rows[0], made: attempts.rows }
}

/** Waits until none of these deliveries is pending. */
export const untilSettled = (db: Db, ids: string[], { timeoutMs = 40_000 } = {}) =>
  eventually(
    async () => {
      const { rows } = await db.query(`select count(*) from deliveries where id = any($1) and state <> 'pending'`, [
        ids,
      ])
      return rows[0].count === ids.length
    },
    { timeoutMs },
  )
