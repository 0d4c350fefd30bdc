import { Agent, request } from 'undici'
import type { Db } from '../src/database/db.ts'
import { createBatcher } from '../src/workers/batcher.ts'
import { benchContract as contract, FLO_SECRET } from './seed.ts'

/** What a job queue carries: which delivery to make. */
export interface DeliveryJob {
  clientId: string
  eventId: string
  id: string
}

interface Made extends DeliveryJob {
  startedAt: Date
  durationMs: number
  status: number
  signature: string
}

/**
 * What a worker of a job queue does with one delivery: loads the event and the endpoint, signs, posts, records the attempt
 * durably. `batched`: loading and recording gather what runs at the same time into one statement, as ours do.
 */
export function deliverOne({ db, concurrency, batched }: { db: Db; concurrency: number; batched: boolean }) {
  const agent = new Agent({ connections: concurrency, pipelining: 1 })
  const load = batched
    ? createBatcher((jobs: DeliveryJob[]) => loadAll(db, jobs), { inFlight: 2 })
    : (job: DeliveryJob) => loadOne(db, job)
  const record = batched
    ? createBatcher((made: Made[]) => recordAll(db, made), { inFlight: 2 })
    : (made: Made) => recordOne(db, made)
  return async (job: DeliveryJob): Promise<void> => {
    const { url, body } = await load(job)
    const wireBody = contract.wireBody(job.id, body)
    const startedAt = new Date()
    const headers = contract.headers({
      deliveryId: job.id,
      eventType: 'subscription.created',
      attempt: 1,
      wireBody,
      secrets: [FLO_SECRET],
      at: startedAt,
    })
    const reply = await request(url, { method: 'POST', dispatcher: agent, headers, body: wireBody })
    await reply.body.dump()
    const durationMs = Date.now() - startedAt.getTime()
    await record({
      ...job,
      startedAt,
      durationMs,
      status: reply.statusCode,
      signature: headers[contract.signatureHeader] ?? '',
    })
  }
}

interface Load {
  url: string
  body: string
}

async function loadOne(db: Db, { clientId, eventId, id }: DeliveryJob): Promise<Load> {
  const { rows } = await db.query({
    name: 'load',
    text: `select p.url, e.body from deliveries d
             join event_bodies e on e.client_id = d.client_id and e.event_id = d.event_id
             join endpoints p on p.client_id = d.client_id and p.id = d.endpoint_id
            where d.client_id = $1 and d.event_id = $2 and d.id = $3`,
    values: [clientId, eventId, id],
  })
  return rows[0]
}

async function recordOne(db: Db, made: Made): Promise<void> {
  await db.query({
    name: 'record',
    text: `with u as (
             update deliveries set state = 'delivered', attempts = attempts + 1, next_attempt_at = null, finished_at = now()
              where client_id = $1 and event_id = $2 and id = $3
             returning attempts)
           insert into attempts (client_id, event_id, delivery_id, number, started_at, duration_ms, status, signature)
           select $1, $2, $3, attempts, $4, $5, $6, $7 from u`,
    values: [made.clientId, made.eventId, made.id, made.startedAt, made.durationMs, made.status, made.signature],
  })
}

async function loadAll(db: Db, jobs: DeliveryJob[]): Promise<Load[]> {
  const { rows } = await db.query({
    name: 'load',
    text: `select d.id, p.url, e.body from unnest($1::uuid[], $2::uuid[], $3::uuid[]) r(client_id, event_id, id)
             join deliveries d on d.client_id = r.client_id and d.event_id = r.event_id and d.id = r.id
             join event_bodies e on e.client_id = r.client_id and e.event_id = r.event_id
             join endpoints p on p.client_id = r.client_id and p.id = d.endpoint_id`,
    values: [jobs.map(({ clientId }) => clientId), jobs.map(({ eventId }) => eventId), jobs.map(({ id }) => id)],
  })
  const found = new Map(rows.map((row) => [row.id, row]))
  return jobs.map(({ id }) => found.get(id))
}

async function recordAll(db: Db, made: Made[]): Promise<undefined[]> {
  await db.query({
    name: 'record',
    text: `with r as (
             select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::int[], $6::int[], $7::text[])
               r(client_id, event_id, id, started_at, duration_ms, status, signature)),
           u as (
             update deliveries d set state = 'delivered', attempts = attempts + 1, next_attempt_at = null, finished_at = now()
               from r where d.client_id = r.client_id and d.event_id = r.event_id and d.id = r.id
             returning d.id, d.attempts)
           insert into attempts (client_id, event_id, delivery_id, number, started_at, duration_ms, status, signature)
           select r.client_id, r.event_id, r.id, u.attempts, r.started_at, r.duration_ms, r.status, r.signature
             from u join r on r.id = u.id`,
    values: [
      made.map(({ clientId }) => clientId),
      made.map(({ eventId }) => eventId),
      made.map(({ id }) => id),
      made.map(({ startedAt }) => startedAt.toISOString()),
      made.map(({ durationMs }) => durationMs),
      made.map(({ status }) => status),
      made.map(({ signature }) => signature),
    ],
  })
  return made.map(() => undefined)
}
