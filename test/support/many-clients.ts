import { createHash } from 'node:crypto'
import type { Queryable } from '../../src/database/db.ts'

/** Clients of a database that has many. */
const CLIENTS = 2_000
/** Rows of each table: of one client most, of all others a few. */
const [MOST, FEW] = [4_000, 4]

// Of row `k` of a table, which is the `n`th of its client. An id lies in today's partition.
const clientId = (n: string) => `md5('client ' || ${n})::uuid`
const sourceId = (n: string) => `md5('source ' || ${n})::uuid`
const endpointId = (n: string) => `md5('endpoint ' || ${n})::uuid`
const idOf = (k: string) => `(left(uuid7_floor(now())::text, 24) || lpad(to_hex(${k}), 12, '0'))::uuid`
const EACH = `(select c, n, row_number() over (order by c, n)::int as k
  from generate_series(1, ${CLIENTS}) c cross join lateral generate_series(1, case c when 1 then ${MOST} else ${FEW} end) n) r`

/** By table, the columns that a row needs and what stands in them. */
const ROWS: Record<string, Record<string, string>> = {
  source_events: {
    id: idOf('k'),
    source_id: sourceId('c'),
    livemode: 'true',
    event_id: `'evt_' || n`,
    type: `'invoice.paid'`,
    lane: 'n % 4',
    created_at: 'now()',
    state: `case when n % 3 = 0 then 'held' when n % 3 = 1 then 'normalized' else 'received' end`,
    held_until: `case when n % 3 = 0 then now() + interval '1 minute' end`,
    held_for: `case when n % 3 = 0 then array['client_user_id:cus_' || n] end`,
    due_at: `case n % 3 when 0 then now() + interval '1 minute' when 2 then now() - interval '1 minute' end`,
  },
  source_event_bodies: { source_event_id: idOf('k'), body: `repeat('x', 300)::bytea` },
  objects: {
    source_id: sourceId('c'),
    object_id: `'in_' || n`,
    kind: `'invoice'`,
    snapshot: `'{}'`,
    memory: `'{}'`,
    realm: `''`,
  },
  users: { id: idOf('k'), client_user_id: `'user_' || n`, registered: 'false' },
  user_customers: { customer_id: `'cus_' || n`, user_id: idOf('k'), realm: `''` },
  holds: { source_id: sourceId('c'), fact: `'client_user_id:cus_' || n`, until: 'now()' },
  events: {
    id: idOf('k'),
    source_event_id: idOf('k'),
    contract: `'flo.v1'`,
    type: `'invoice.paid'`,
    key: 'n',
    occurred_at: 'now()',
  },
  event_bodies: { event_id: idOf('k'), body: `repeat('x', 300)` },
  emissions: { contract: `'flo.v1'`, key: 'n', event_id: idOf('k') },
  deliveries: {
    event_id: idOf('k'),
    id: idOf('k'),
    endpoint_id: endpointId('c'),
    event_type: `'invoice.paid'`,
    state: `case when n % 2 = 0 then 'delivered' else 'pending' end`,
    next_attempt_at: `case when n % 2 = 1 then now() end`,
    finished_at: `case when n % 2 = 0 then now() end`,
  },
  attempts: {
    event_id: idOf('k'),
    delivery_id: idOf('k'),
    number: '1',
    started_at: 'now()',
    duration_ms: '1',
    status: '200',
  },
  leases: { unit: `'lane:' || n`, worker_id: sourceId('1') },
  checkouts: { id: idOf('k'), stripe_session_id: `'cs_' || n`, items: `'[]'`, subscriptions: `'[]'` },
  invoice_dues: {
    source_id: sourceId('c'),
    invoice_id: `'in_' || n`,
    account: `''`,
    livemode: 'true',
    lane: 'n % 4',
    due_at: `now() + (n - 10) * interval '1 minute'`,
  },
  hydrations: {
    source_id: sourceId('c'),
    need: `'product:prod_' || n`,
    paths: `'{/v1}'`,
    list: 'false',
    essential: 'false',
    wait_until: 'now()',
    give_up_at: 'now()',
    state: `case when n % 2 = 0 then 'done' else 'pending' end`,
    next_attempt_at: 'case when n % 2 = 1 then now() end',
    fetched_at: 'now()',
  },
  interrupted_lanes: { lane: 'n', process_id: sourceId('1') },
  lone_attempts: { source_event_id: idOf('k') },
  forgotten: { hash: `sha256(n::text::bytea)` },
}

/** Tables that `fillManyClients` fills, of those that are partitioned the day of today. */
export const FILLED_TABLES: readonly string[] = ['sources', 'endpoints', 'endpoint_health', ...Object.keys(ROWS)]

/** The client with most of the rows, and its only source. */
export const LARGE_CLIENT = { clientId: uuidOf('client 1'), sourceId: uuidOf('source 1') }

function uuidOf(words: string): string {
  const hex = createHash('md5').update(words).digest('hex')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** Keeps statistics as they are. */
export const stopAutovacuum = (db: Queryable) =>
  db.query(`do $$ declare t regclass; begin
    for t in select oid from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace loop
      execute format('alter table %s set (autovacuum_enabled = false)', t);
    end loop; end $$`)

/** Fills a migrated database with some thousands of rows in each table that grows, most of them of one client. */
export async function fillManyClients(db: Queryable): Promise<void> {
  const each = `generate_series(1, ${CLIENTS}) c`
  await db.query(`insert into clients (id, name) select ${clientId('c')}, 'Client ' || c from ${each}`)
  await db.query(`insert into sources (id, client_id, kind, signing_secrets)
    select ${sourceId('c')}, ${clientId('c')}, 'stripe', '{whsec_unused}' from ${each}`)
  await db.query(`insert into endpoints (id, client_id, url, contract, secrets)
    select case n when 1 then ${endpointId('c')} else gen_random_uuid() end, ${clientId('c')}, 'https://example.com', 'flo.v1', '[]'
      from ${each} cross join generate_series(1, 4) n`)
  await db.query(`insert into endpoint_health (client_id, endpoint_id, version) select client_id, id, 1 from endpoints`)
  for (const [table, columns] of Object.entries(ROWS))
    await db.query(`insert into ${table} (client_id, ${Object.keys(columns).join(', ')})
      select ${clientId('c')}, ${Object.values(columns).join(', ')} from ${EACH}`)
}
