import { contracts } from '../mappings/index.ts'
import { contractNamed } from '../src/contracts/contract.ts'
import { type Db, inTransaction } from '../src/database/db.ts'
import { newId } from '../src/domain/ids.ts'
import { createKeyRing } from '../src/secrets/keyring.ts'

export const CONTRACT = 'flo.v1'
export const FLO_SECRET = `flo_whsec_${Buffer.alloc(32, 3).toString('base64')}`
export const STRIPE_SECRET = 'whsec_bench'
/** The key ring of every process of the benchmark, as FLO_ENCRYPTION_KEYS has it. */
export const ENCRYPTION_KEYS = `bench:${Buffer.alloc(32, 1).toString('base64')}`
export const keys = createKeyRing([{ id: 'bench', key: Buffer.alloc(32, 1) }])

const MARK = '%n%'
const BODY_BYTES = 1500

/** The contract whose deliveries are measured. */
export const benchContract = contractNamed(contracts, CONTRACT)

/** A stored body of about 1.5 KB in which MARK stands for a number. */
function bodyTemplate(): string {
  const body = benchContract.example('subscription.created') as {
    user: { clientUserId: string }
    subscription: { metadata: unknown }
  }
  body.user.clientUserId = `user_${MARK}`
  const short = JSON.stringify(body).length
  body.subscription.metadata = { note: 'x'.repeat(Math.max(0, BODY_BYTES - short)) }
  return JSON.stringify(body)
}
const BODY = bodyTemplate()
const parts = BODY.split(MARK)

/** The n-th of the bodies that are delivered. */
export const bodyOf = (n: number): string => parts.join(String(n))

export async function newClient(db: Db): Promise<string> {
  const id = newId()
  await db.query(`insert into clients (id, name) values ($1, 'bench')`, [id])
  return id
}

/** A source of that client, signed with STRIPE_SECRET. */
export async function newSource(db: Db, clientId: string) {
  const source = { id: newId(), clientId, sealedSecrets: [keys.encrypt(STRIPE_SECRET)], signatureFailingAt: null }
  await db.query(`insert into sources (id, client_id, kind, signing_secrets) values ($1, $2, 'stripe', $3)`, [
    source.id,
    clientId,
    source.sealedSecrets,
  ])
  return source
}

/** So many endpoints of a client, all at `url`, signed with FLO_SECRET. */
export async function newEndpoints(
  db: Db,
  clientId: string,
  url: string,
  { count = 1, maxInFlight = 10 } = {},
): Promise<string[]> {
  const ids = Array.from({ length: count }, newId)
  await db.query(
    `insert into endpoints (id, client_id, url, contract, max_in_flight, secrets)
     select id, $2, $3, $4, $5, $6::jsonb from unnest($1::uuid[]) id`,
    [ids, clientId, url, CONTRACT, maxInFlight, JSON.stringify([{ secret: keys.encrypt(FLO_SECRET), until: null }])],
  )
  return ids
}

/** A client with one source. */
export interface Tenant {
  clientId: string
  sourceId: string
}

/** So many clients at once, each with a source signed with STRIPE_SECRET and so many endpoints at `url`. */
export async function newTenants(
  db: Db,
  { count, endpoints, url }: { count: number; endpoints: number; url: string },
): Promise<Tenant[]> {
  const tenants = Array.from({ length: count }, () => ({ clientId: newId(), sourceId: newId() }))
  const clientIds = tenants.map(({ clientId }) => clientId)
  await db.query(`insert into clients (id, name) select id, 'bench' from unnest($1::uuid[]) id`, [clientIds])
  await db.query(
    `insert into sources (client_id, id, kind, signing_secrets)
     select client_id, id, 'stripe', $3 from unnest($1::uuid[], $2::uuid[]) w(client_id, id)`,
    [clientIds, tenants.map(({ sourceId }) => sourceId), [keys.encrypt(STRIPE_SECRET)]],
  )
  await db.query(
    `insert into endpoints (client_id, id, url, contract, max_in_flight, secrets)
     select client_id, id, $3, $4, 10, $5::jsonb from unnest($1::uuid[], $2::uuid[]) w(client_id, id)`,
    [
      clientIds.flatMap((clientId) => Array.from({ length: endpoints }, () => clientId)),
      Array.from({ length: count * endpoints }, newId),
      url,
      CONTRACT,
      JSON.stringify([{ secret: keys.encrypt(FLO_SECRET), until: null }]),
    ],
  )
  return tenants
}

/**
 * `count` due deliveries, spread over the endpoints in turn, each of an event of its own up to `events`; beyond that the
 * events come round again, as resends of them would. Ids and times rise together, as the fan-out makes them.
 */
export async function newDeliveries(
  db: Db,
  clientId: string,
  endpointIds: string[],
  { count, events = count }: { count: number; events?: number },
): Promise<void> {
  await inTransaction(db, async (tx) => {
    // The bits of a UUIDv7: the milliseconds first, then what makes it unique.
    await tx.query(
      `create or replace function pg_temp.id_at(n bigint, salt int) returns uuid language sql as $$
         select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint - 600000 + n / 10), 12, '0') || '7' ||
                 lpad(to_hex(n % 4096), 3, '0') || '8' || lpad(to_hex(salt), 3, '0') || lpad(to_hex(n), 12, '0'))::uuid $$`,
    )
    await tx.query(
      `with bodies as (
         insert into event_bodies (client_id, event_id, body)
         select $1, pg_temp.id_at(n, 1), replace($3, $4, n::text) from generate_series(0, $5::int - 1) n
       )
       insert into events (client_id, id, source_event_id, contract, type, key, occurred_at)
       select $1, pg_temp.id_at(n, 1), pg_temp.id_at(n, 1), $2, 'subscription.created', n::text, now()
         from generate_series(0, $5::int - 1) n`,
      [clientId, CONTRACT, BODY, MARK, Math.min(count, events)],
    )
    await tx.query(
      `insert into deliveries (client_id, event_id, id, endpoint_id, origin, event_type, next_attempt_at)
       select $1, pg_temp.id_at(n % $4, 1), pg_temp.id_at(n, 2), ($2::uuid[])[1 + n % cardinality($2::uuid[])],
              lpad(to_hex(n / $4), 32, '0')::uuid, 'subscription.created', now() - interval '1 minute' + n * interval '1 us'
         from generate_series(0, $3::int - 1) n`,
      [clientId, endpointIds, count, Math.min(count, events)],
    )
  })
}

/** What autovacuum would have done by the time a backlog of this size has gathered. */
export const vacuumTables = (db: Db) => db.query('vacuum analyze')
