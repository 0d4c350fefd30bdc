-- Up Migration

-- Tables that grow begin every key and index with client_id, so that one client's rows live together
-- (and can be distributed by client). What grows by the day is partitioned by the day that a UUIDv7 id carries.
-- Growing tables have no foreign keys: dropping a day must lock nothing else.

create table clients (
  id uuid primary key,
  name text not null,
  created_at timestamptz not null default now()
);

-- flo_sk_<id>_<secret>; only the hash of the secret is kept. client_id null: an operator's key for all clients.
create table api_keys (
  id text primary key,
  client_id uuid references clients on delete cascade,
  scopes text[] not null check (cardinality(scopes) > 0 and scopes <@ array['read', 'write', 'admin']),
  secret_hash bytea not null,
  name text,
  created_at timestamptz not null default now(),
  revoked_at timestamptz
);
create index on api_keys (client_id, id);

-- Where events come from: one webhook of one Stripe account. Secrets are encrypted with the key ring.
create table sources (
  id uuid primary key,
  client_id uuid not null references clients on delete cascade,
  kind text not null check (kind in ('stripe')),
  name text,
  signing_secrets text[] not null check (cardinality(signing_secrets) > 0),
  api_key text,
  created_at timestamptz not null default now()
);
create index on sources (client_id, id);

-- What a source sent: identity and state. The bytes are in source_event_bodies.
create table source_events (
  client_id uuid not null,
  id uuid not null,                       -- UUIDv7 of the receipt
  source_id uuid not null,
  account text not null default '',       -- connected account, '' for the source's own
  livemode boolean not null,
  event_id text not null,                 -- Stripe's, or the hash of the body where that is not an identity
  type text not null,
  api_version text,
  lane smallint not null,                 -- hash of the customer: events of one lane are normalised one after another
  created_at timestamptz not null,        -- Stripe's `created`; of any year
  received_at timestamptz not null default now(),
  state text not null default 'received' check (state in ('received', 'normalized', 'ignored', 'held', 'failed')),
  reason_code text,
  reason_message text,
  held_until timestamptz,
  held_for text[],                        -- the missing facts
  due_at timestamptz default now(),       -- when the normaliser should look at it; null: done
  primary key (client_id, id),
  unique (client_id, source_id, account, livemode, event_id),
  check ((state in ('received', 'held')) = (due_at is not null)),
  check ((state = 'held') = (held_until is not null and held_for is not null)),
  check (state not in ('ignored', 'failed') or reason_code is not null)
);
create index source_events_due on source_events (client_id, lane, due_at, id) where due_at is not null;
create index source_events_state on source_events (client_id, state, id) where state in ('held', 'failed', 'received');

-- The raw bytes, as signed. Partitioned by the receipt that the id carries.
create table source_event_bodies (
  client_id uuid not null,
  source_event_id uuid not null,
  body bytea not null,
  primary key (client_id, source_event_id)
) partition by range (source_event_id);

-- The latest snapshot of every Stripe object that a mapping reads, with what was said about it.
create table objects (
  client_id uuid not null,
  source_id uuid not null,
  object_id text not null,
  kind text not null,                     -- Stripe's `object`
  customer_id text,
  snapshot json not null,                 -- see src/normalize/world/snapshots.ts; json, since Stripe's texts may hold what jsonb refuses (\u0000)
  memory json not null,                   -- see src/language/memory.ts
  updated_at timestamptz not null default now(),
  primary key (client_id, source_id, object_id)
);
create index on objects (client_id, source_id, customer_id, kind);

-- lz4 costs a tenth of pglz on the way in; a server built without it keeps its default.
do $$ begin
  alter table source_event_bodies alter column body set compression lz4;
exception when feature_not_supported then null;
end $$;

-- The client's customers. client_user_id is the client's own id, null until somebody has told us.
create table users (
  client_id uuid not null,
  id uuid not null,
  client_user_id text,
  email text,
  registered boolean not null,            -- by the API; else met in an event
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (client_id, id),
  unique (client_id, client_user_id)
);
create index on users (client_id, created_at, id);

create table user_customers (
  client_id uuid not null,
  customer_id text not null,              -- Stripe's customer, account, or Checkout session without a customer
  user_id uuid not null,
  primary key (client_id, customer_id)
);
create index on user_customers (client_id, user_id);

-- A fact that events have waited for. One deadline per fact: afterwards nobody waits for it again.
create table holds (
  client_id uuid not null,
  source_id uuid not null,
  fact text not null,
  until timestamptz not null,
  primary key (client_id, source_id, fact)
);

-- Ours, normalised: one per happening and contract. body is the wire body without the delivery's own id.
create table events (
  client_id uuid not null,
  id uuid not null,                       -- UUIDv7
  source_event_id uuid not null,
  contract text not null,
  type text not null,
  user_id uuid,
  key text not null,                      -- the business key, see emissions
  position smallint not null default 0,   -- order among the events of one source event
  occurred_at timestamptz not null,
  body text not null,
  primary key (client_id, id)
) partition by range (id);
create index on events (client_id, source_event_id);

do $$ begin
  alter table events alter column body set compression lz4;
exception when feature_not_supported then null;
end $$;

-- One event per business key, whatever is retried or crashes.
create table emissions (
  client_id uuid not null,
  contract text not null,
  key text not null,
  event_id uuid not null,
  primary key (client_id, contract, key)
);

create table endpoints (
  id uuid primary key,
  client_id uuid not null references clients on delete cascade,
  url text not null,
  contract text not null,
  event_types text[],                     -- null: all; `family.*` or full names
  description text,
  metadata jsonb not null default '{}',
  headers jsonb not null default '{}',
  retry_schedule int[],                   -- seconds; null: the contract's
  timeout_seconds int not null default 15,
  status text not null default 'enabled' check (status in ('enabled', 'disabled')),
  disabled_reason text check (disabled_reason in ('manual', 'gone', 'failing')),
  disabled_at timestamptz,
  secrets jsonb not null,                 -- newest first: [{secret: <encrypted>, until: <time or null>}]
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,                 -- history stays readable
  version bigint not null default 1,      -- raised by every change: pumps re-read what has a new version
  check ((status = 'disabled') = (disabled_reason is not null))
);
create index on endpoints (client_id, id);

create function endpoints_raise_version() returns trigger language plpgsql as $$
begin
  new.version := old.version + 1;
  new.updated_at := now();
  return new;
end $$;
create trigger endpoints_version before update on endpoints for each row execute function endpoints_raise_version();

-- One row per event and endpoint: what has to arrive where. Attempts hang off it.
create table deliveries (
  client_id uuid not null,
  event_id uuid not null,
  id uuid not null,                       -- UUIDv7; Flo's eventId on the wire
  endpoint_id uuid not null,
  origin uuid not null default '00000000-0000-0000-0000-000000000000', -- the fan-out, else the resend's or replay's id
  event_type text not null,
  state text not null default 'pending' check (state in ('pending', 'delivered', 'failed', 'skipped', 'cancelled')),
  reason text,                            -- why skipped or cancelled
  attempts int not null default 0,
  next_attempt_at timestamptz default now(),
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  primary key (client_id, event_id, id),
  unique (client_id, event_id, endpoint_id, origin),             -- fanning out twice must not deliver twice
  check ((state = 'pending') = (next_attempt_at is not null)),   -- what waits has a time to wait for
  check ((state = 'pending') = (finished_at is null))
) partition by range (event_id);
create index deliveries_due on deliveries (client_id, endpoint_id, next_attempt_at, id) where state = 'pending';
create index deliveries_list on deliveries (client_id, id);
create index deliveries_endpoint on deliveries (client_id, endpoint_id, id);

-- One HTTP try. The body sent follows from the delivery; of the answer a short prefix is kept.
create table attempts (
  client_id uuid not null,
  event_id uuid not null,
  delivery_id uuid not null,
  number int not null,
  started_at timestamptz not null,
  duration_ms int not null,
  status int,                             -- HTTP status, null: none came
  error text,                             -- class: timeout, dns, connection, tls, blocked, ...
  error_message text,
  signature text,                         -- the signature header sent
  response_headers jsonb,
  response_body text,
  primary key (client_id, event_id, delivery_id, number),
  check (status is not null or error is not null)
) partition by range (event_id);

-- The processes at work. Each holds the advisory lock of its id for as long as it lives.
create table workers (
  id uuid primary key,
  lock_key bigint not null unique,
  host text not null,
  pid int not null,
  roles text[] not null,
  graphile_pool text,                     -- what Graphile Worker locks this process's jobs by
  started_at timestamptz not null default now()
);

-- Who works on what: `endpoint:<id>` is pumped and `lane:<n>` normalised by one process at a time.
create table leases (
  client_id uuid not null,
  unit text not null,
  worker_id uuid not null,
  primary key (client_id, unit)
);
create index on leases (worker_id);

-- Replies to POSTs with an Idempotency-Key, kept 24 hours. reply is encrypted: it may hold a secret.
create table idempotency_keys (
  api_key_id text not null,
  key text not null,
  request_hash bytea not null,
  status int,
  reply text,
  created_at timestamptz not null default now(),
  primary key (api_key_id, key)
);
create index on idempotency_keys (created_at);

-- The smallest UUIDv7 of a moment: the lower bound of a day's partition.
create function uuid7_floor(at timestamptz) returns uuid language sql immutable as $$
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;

-- Makes the partitions of the days from `first` on, where they are missing. Attaching locks no reader or writer.
create function make_partitions(first date, days int) returns int language plpgsql as $$
declare
  parent text;
  day date;
  child text;
  made int := 0;
begin
  perform pg_advisory_xact_lock(hashtext('flo-gateway partitions'));
  foreach parent in array array['source_event_bodies', 'events', 'deliveries', 'attempts'] loop
    for day in select generate_series(first, first + days - 1, interval '1 day')::date loop
      child := parent || '_' || to_char(day, 'YYYYMMDD');
      if to_regclass(child) is null then
        execute format('create table %I (like %I including defaults including constraints including storage including compression)', child, parent);
        execute format('alter table %I set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 1)', child);
        execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, child,
          uuid7_floor(day::timestamp at time zone 'UTC'), uuid7_floor((day + 1)::timestamp at time zone 'UTC'));
        made := made + 1;
      end if;
    end loop;
  end loop;
  return made;
end $$;
