-- The tables as all migrations leave them, for reading: nobody runs this file. `npm run schema` writes it from a migrated
-- database, and test/tools/schema.test.ts compares the two. Tables that are partitioned have one partition for each day and a
-- default one; their days are not listed. Graphile Worker keeps its jobs in a schema of its own.

-- Conditions that go on and were reported, so that each is reported once, whichever process notices it.
create table alarms (
  client_id uuid not null,
  type      text not null,                              -- of the operational event
  subject   text not null,                              -- what of the client it is about, e.g. `<source> <code>`
  since     timestamptz not null default now(),
  seen_at   timestamptz not null default now(),
  primary key (client_id, type, subject)
);

-- Keys of the management API, flo_sk_<id>_<secret>. Only the hash of the secret is stored.
create table api_keys (
  id          text not null,
  client_id   uuid,                                     -- null: an operator's key, for all clients
  scopes      text[] not null,
  secret_hash bytea not null,
  name        text,
  created_at  timestamptz not null default now(),
  revoked_at  timestamptz,
  primary key (id),
  foreign key (client_id) references clients(id) on delete cascade,
  check (cardinality(scopes) > 0 and scopes <@ array['read', 'write', 'admin'])
);
create index api_keys_client_id_id_idx on api_keys (client_id, id);

-- One HTTP try of a delivery. Of the answer a short prefix is kept.
create table attempts (
  client_id        uuid not null,
  event_id         uuid not null,
  delivery_id      uuid not null,
  number           int not null,
  started_at       timestamptz not null,
  duration_ms      int not null,
  status           int,                                 -- of HTTP; null: no answer came
  error            text,                                -- timeout, dns, connection, tls, blocked, proxy
  error_message    text,
  signature        text,                                -- the signature header that was sent
  response_headers jsonb,
  response_body    text,
  primary key (client_id, event_id, delivery_id, number),
  check (status is not null or error is not null)
) partition by range (event_id);

-- Runs over Stripe's list of events that receive what did not arrive, from the oldest on.
create table backfills (
  client_id        uuid not null,
  id               uuid not null,                       -- UUIDv7
  source_id        uuid not null,
  account          text not null default '',            -- connected account; '': the source's own
  since            timestamptz not null,                -- by Stripe's `created`, whole seconds; `until` is excluded
  until            timestamptz not null,
  types            text[],                              -- null: all
  delivery_success boolean,                             -- whether Stripe could deliver them; null: either
  state            text not null default 'running',
  read_until       timestamptz not null,                -- what was created before is read: where it goes on after a crash
  counts           jsonb not null default '{}',         -- {<type>: {listed, known, new, refused}}
  failures         int not null default 0,              -- calls in a row that did not get through
  next_attempt_at  timestamptz default now(),
  reason_code      text,
  reason_message   text,
  created_at       timestamptz not null default now(),
  finished_at      timestamptz,
  primary key (client_id, id),
  check ((state = 'running') = (finished_at is null)),
  check ((state = 'running') = (next_attempt_at is not null)),
  check (state <> 'failed' or reason_code is not null),
  check (state in ('running', 'completed', 'failed', 'cancelled')),
  check (until > since)
);
create unique index backfills_running on backfills (client_id, source_id) where state = 'running';

-- Checkouts that a client registered before it sent its user to Stripe, so that ids are known beforehand.
create table checkouts (
  client_id         uuid not null,
  id                uuid not null,
  stripe_session_id text,                               -- cs_...; null: not known yet
  client_user_id    text,
  items             jsonb not null,                     -- [{uuid, id, name, description, quantity, currency, amount, total, metadata}]
  subscriptions     jsonb not null,                     -- [{uuid, id, metadata}]
  metadata          jsonb not null default '{}',
  created_at        timestamptz not null default now(),
  stripe_account    text,                               -- the connected account of the session; empty: the source's own; null: registered with 0.1.0, for any
  primary key (client_id, id),
  unique (client_id, stripe_session_id)
);
create index checkouts_list on checkouts (client_id, created_at, id);
create index checkouts_user on checkouts (client_id, client_user_id, created_at, id);

-- The tenants: whose sources, users and endpoints these are.
create table clients (
  id                  uuid not null,
  name                text not null,
  created_at          timestamptz not null default now(),
  max_endpoints       int,                              -- quota; null: none
  requests_per_second int,                              -- quota of all its API keys together; null: none
  is_operator         boolean not null default false,   -- its endpoints of operations.v1 receive the events of all clients
  forgetting_key      text,                             -- what `forgotten` is hashed with, encrypted; null: nobody was deleted
  external_id         text,                             -- the operator's own id of it; unique; null: none
  primary key (id),
  check (max_endpoints >= 0),
  check (requests_per_second > 0)
);
create unique index clients_external_id on clients (external_id);

-- Clients, sources, users and payloads that were deleted on request: the trail, and what is still to go.
create table deletions (
  client_id    uuid not null,
  id           uuid not null,                           -- UUIDv7
  kind         text not null,                           -- `payload`: one event or source event, whose states stay
  subject_id   uuid not null,                           -- of the client, source, user, source event or event
  requested_at timestamptz not null default now(),
  requested_by text not null,                           -- the API key
  counts       jsonb not null,                          -- rows by table when it was asked for, as far as they were counted
  looks_for    jsonb,                                   -- by what the payloads of a user are found; null once they are gone
  "position"   jsonb not null default '{}',             -- how far tables that are read through are done
  gone         jsonb not null default '{}',             -- rows that are gone, by table
  next_pass_at timestamptz default now(),               -- when all of it is looked through again: what was under way at the reply may have left rows
  finished_at  timestamptz,                             -- null: there may be rows left
  primary key (id),
  check ((finished_at is null) = (next_pass_at is not null)),
  check (finished_at is null or looks_for is null),
  check (kind in ('client', 'source', 'user', 'payload'))
);
create index deletions_open on deletions (client_id) where finished_at is null;
create index deletions_subject on deletions (subject_id);

-- One event on its way to one endpoint.
create table deliveries (
  client_id       uuid not null,
  event_id        uuid not null,
  id              uuid not null,                        -- UUIDv7; Flo's eventId on the wire
  endpoint_id     uuid not null,
  origin          uuid not null default '00000000-0000-0000-0000-000000000000', -- the fan-out, else the id of the resend or replay
  event_type      text not null,
  state           text not null default 'pending',
  reason          text,                                 -- why it is skipped or cancelled
  attempts        int not null default 0,
  next_attempt_at timestamptz default now(),
  created_at      timestamptz not null default now(),
  finished_at     timestamptz,
  excused         int not null default 0,               -- attempts that our own proxy failed: they use up nothing of the schedule
  user_id         uuid,                                 -- whose event it is, where the event says so
  primary key (client_id, event_id, id),
  unique (client_id, event_id, endpoint_id, origin),
  check ((state = 'pending') = (finished_at is null)),
  check ((state = 'pending') = (next_attempt_at is not null)),
  check (state in ('pending', 'delivered', 'failed', 'skipped', 'cancelled'))
) partition by range (event_id);
create index deliveries_due on deliveries (client_id, endpoint_id, ((attempts > 0)), next_attempt_at, id) where state = 'pending';
create index deliveries_endpoint on deliveries (client_id, endpoint_id, id);
create index deliveries_endpoint_state on deliveries (client_id, endpoint_id, state, id) where state in ('failed', 'skipped', 'cancelled');
create index deliveries_list on deliveries (client_id, id);
create index deliveries_origin on deliveries (client_id, origin, id) where origin <> '00000000-0000-0000-0000-000000000000';
create index deliveries_origin_state on deliveries (client_id, origin, state, next_attempt_at) where origin <> '00000000-0000-0000-0000-000000000000';
create index deliveries_state on deliveries (client_id, state, id) where state <> 'delivered';
create index deliveries_undelivered on deliveries (client_id, endpoint_id, event_id) where state in ('failed', 'skipped');

-- Business keys of events: each is emitted once, whatever is retried or crashes.
create table emissions (
  client_id uuid not null,
  contract  text not null,
  key       text not null,
  event_id  uuid not null,
  primary key (client_id, contract, key)
);

-- How the latest attempts of an endpoint ended: what its circuit breaker and its disabling are decided by.
create table endpoint_health (
  client_id     uuid not null,
  endpoint_id   uuid not null,
  version       bigint not null,                        -- of the endpoint: attempts of an older one are not counted
  recent        jsonb not null default '[]',            -- [[start of half a minute in ms since 1970, attempts, failures], ...]
  failing_since timestamptz,                            -- start of the first failure in a row; null: the last was none
  failures      int not null default 0,                 -- in a row
  opened_at     timestamptz,                            -- since when the breaker is open
  probe_at      timestamptz,                            -- when one attempt tries whether it still fails
  told          boolean not null default false,         -- an operational event has said that it fails
  starts        jsonb not null default '[]',            -- of attempts that count for the rate limit, in ms since 1970
  latest        text not null default '',               -- how the last attempts ended, oldest first, 100 at most: 0 taken, 1 failed
  primary key (client_id, endpoint_id),
  check ((failing_since is null) = (failures = 0)),
  check ((opened_at is null) = (probe_at is null))
);

-- Changes of endpoints that become operational events, written with the change itself.
create table endpoint_news (
  client_id   uuid not null,
  endpoint_id uuid not null,
  what        text not null,
  since       timestamptz not null,                     -- which row of failures or recovery: each is news once
  about       jsonb not null,                           -- more, for the operational event
  state       text not null default 'new',              -- `withheld`: too many of the kind within the hour
  noticed_at  timestamptz not null default now(),
  primary key (client_id, endpoint_id, what, since),
  check (state in ('new', 'told', 'withheld')),
  check (what in ('failing', 'recovered', 'exhausted'))
);

-- A client's URLs, with the events that each wants and how they are sent.
create table endpoints (
  id              uuid not null,
  client_id       uuid not null,
  url             text not null,
  contract        text not null,
  event_types     text[],                               -- `family.*` or full names; null: all
  description     text,
  metadata        jsonb not null default '{}',
  headers         jsonb not null default '{}',          -- empty: once plain text, see sealed_headers
  retry_schedule  int[],                                -- seconds; null: the contract's
  timeout_seconds int not null default 15,
  status          text not null default 'enabled',
  disabled_reason text,
  disabled_at     timestamptz,
  secrets         jsonb not null,                       -- newest first: [{secret: <encrypted>, until: <time or null>}]
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  deleted_at      timestamptz,                          -- the row stays, so that history can be read
  version         bigint not null default 1,            -- raised by each change: pumps read again what has a new one
  sealed_headers  text,                                 -- headers added to each delivery, as encrypted JSON
  tls             jsonb,                                -- {ca, certificate, key} in PEM, the key encrypted; null: the public authorities
  max_in_flight   int not null default 10,              -- attempts at once
  rate_limit      jsonb,                                -- {count, seconds}: attempts started in any such span; null: no limit
  ordering        text not null default 'none',         -- `user`: an event waits until the earlier ones of its user have ended
  primary key (id),
  foreign key (client_id) references clients(id) on delete cascade,
  check ((status = 'disabled') = (disabled_reason is not null)),
  check (disabled_reason in ('manual', 'gone', 'failing')),
  check (max_in_flight >= 1 and max_in_flight <= 256),
  check (ordering in ('none', 'user')),
  check (status in ('enabled', 'disabled'))
);
create index endpoints_client_id_id_idx on endpoints (client_id, id);
create index endpoints_operations on endpoints (client_id) where (contract = 'operations.v1') and (deleted_at is null);
create trigger endpoints_version before update on endpoints for each row execute function endpoints_raise_version();

-- The wire body of an event, without the delivery's own id. It expires before the event does.
create table event_bodies (
  client_id uuid not null,
  event_id  uuid not null,
  body      text not null,
  primary key (client_id, event_id)
) partition by range (event_id);

-- Our events, normalised: one for each happening and contract.
create table events (
  client_id       uuid not null,
  id              uuid not null,                        -- UUIDv7
  source_event_id uuid not null,
  contract        text not null,
  type            text not null,
  user_id         uuid,
  key             text not null,                        -- the business key, see emissions
  "position"      smallint not null default 0,          -- order among the events of one source event
  occurred_at     timestamptz not null,
  primary key (client_id, id)
) partition by range (id);
create index events_client_id_source_event_id_idx on events (client_id, source_event_id);
create index events_type on events (client_id, type, id);
create index events_user on events (client_id, user_id, id) where user_id is not null;

-- Whom a client has had deleted: no event makes them anew, until they are registered again.
create table forgotten (
  client_id  uuid not null,
  hash       bytea not null,                            -- keyed, of a Stripe customer in its account and mode, or of the client's own id
  created_at timestamptz not null default now(),
  primary key (client_id, hash)
);

-- Deadlines of facts that source events wait for. After it nobody waits for the fact again.
create table holds (
  client_id uuid not null,
  source_id uuid not null,
  fact      text not null,                              -- in its account and mode, as in objects
  until     timestamptz not null,
  primary key (client_id, source_id, fact)
);

-- Circuit breakers of calls to Stripe, one for each source whose calls fail.
create table hydration_circuits (
  client_id      uuid not null,
  source_id      uuid not null,
  failures       int not null,
  open_until     timestamptz,                           -- no call before; then one tries
  reason_code    text not null,
  reason_message text not null,
  primary key (client_id, source_id)
);

-- What a webhook does not carry and is fetched from Stripe, where the source has an API key.
create table hydrations (
  client_id       uuid not null,
  source_id       uuid not null,
  need            text not null,                        -- `product:prod_1`, `line_items:cs_1`, `thin:evt_1`, in its account and mode as in objects: see mappings/hydrate.ts
  account         text not null default '',             -- the connected account that it belongs to
  paths           text[] not null,                      -- tried in order: the first that Stripe knows is the answer
  list            boolean not null,                     -- all pages of a list, as one
  essential       boolean not null,                     -- no event without it: fetched also after source events stopped waiting
  api_version     text,                                 -- of the event that needs it
  state           text not null default 'pending',
  asked_at        timestamptz not null default now(),
  wait_until      timestamptz not null,                 -- until then source events wait for it
  give_up_at      timestamptz not null,                 -- until then it is tried
  attempts        int not null default 0,
  next_attempt_at timestamptz default now(),
  ask_again_at    timestamptz,                          -- from when a later event has it fetched again; null: never
  result          json,
  fetched_at      timestamptz,                          -- by Stripe's clock where it says so
  reason_code     text,
  reason_message  text,
  livemode        boolean,                              -- of the event that asked; null: asked for by 0.1.0
  primary key (client_id, source_id, need),
  check ((state = 'pending') = (next_attempt_at is not null)),
  check (cardinality(paths) > 0),
  check (state <> 'done' or fetched_at is not null),
  check (state <> 'failed' or reason_code is not null),
  check (state in ('pending', 'done', 'failed'))
);
create index hydrations_client_id_asked_at_idx on hydrations (client_id, asked_at);
create index hydrations_due on hydrations (client_id, next_attempt_at) where state = 'pending';

-- Answers to POSTs with an Idempotency-Key, for 24 hours.
create table idempotency_keys (
  api_key_id   text not null,
  key          text not null,
  request_hash bytea not null,
  status       int,
  reply        text,                                    -- encrypted, since it may hold a secret
  created_at   timestamptz not null default now(),
  claimed_by   uuid,                                    -- the worker that took app events in under this key; null: none, or the request failed on our side
  primary key (api_key_id, key)
);
create index idempotency_keys_created_at_idx on idempotency_keys (created_at);

-- Lanes whose worker died: what is due there is tried one event at a time, until all was.
create table interrupted_lanes (
  client_id  uuid not null,
  lane       smallint not null,
  process_id uuid not null,                             -- who died; where it is not known, the worker
  primary key (client_id, lane, process_id)
);

-- Timers of open invoices: when we call one overdue, unless Stripe does so before.
create table invoice_dues (
  client_id  uuid not null,
  source_id  uuid not null,
  invoice_id text not null,                             -- in its account and mode, as in objects
  account    text not null,
  livemode   boolean not null,
  lane       smallint not null,                         -- of the source event that the timer makes; so are account and livemode
  due_at     timestamptz not null,
  primary key (client_id, source_id, invoice_id)
);
create index invoice_dues_client_id_due_at_idx on invoice_dues (client_id, due_at);

-- Which worker has which unit of work: `endpoint:<id>`, `lane:<n>` and others.
create table leases (
  client_id uuid not null,
  unit      text not null,
  worker_id uuid not null,
  primary key (client_id, unit)
);
create index leases_worker_id_idx on leases (worker_id);

-- Source events that are tried after a death, in a group or alone, until they have an outcome.
create table lone_attempts (
  client_id        uuid not null,
  source_event_id  uuid not null,
  process_id       uuid,                                -- who tries it now, or died of it; null: that attempt ended without a death
  deaths           int not null default 0,              -- processes that died while it was alone in work
  group_process_id uuid,                                -- who tries it now among others, or died of them; null: it is tried alone, or that attempt ended without a death
  group_size       smallint,                            -- how many were tried together
  primary key (client_id, source_event_id)
);

-- The migrations of sql/ that have run.
create table migrations (
  id     int not null default nextval('migrations_id_seq'),
  name   character varying(255) not null,
  run_on timestamp without time zone not null,
  primary key (id)
);

-- The latest snapshot of every Stripe object that a mapping reads, and what mappings remember of it.
create table objects (
  client_id   uuid not null,
  source_id   uuid not null,
  object_id   text not null,                            -- Stripe's id in its account and mode: `prod_1`, `@acct_1/prod_1`, `@+test/prod_1`
  kind        text not null,                            -- Stripe's `object`
  customer_id text,
  snapshot    json not null,                            -- json and not jsonb, which refuses \u0000 in Stripe's texts
  memory      json not null,                            -- flags and occasions: see src/language/memory.ts
  updated_at  timestamptz not null default now(),
  realm       text,                                     -- the account and mode in object_id; null: stored by 0.1.0 under its bare id, whatever they were
  primary key (client_id, source_id, object_id)
);
create index objects_customer on objects (client_id, customer_id) where customer_id is not null;

-- No delivery of an event before this one is pending: pumps read only the days from here on.
create table pending_floor (
  one      boolean not null default true,
  event_id uuid not null,
  primary key (one),
  check (one)
);

-- How far the rows of tables without partitions are checked against their retention, client by client.
create table purges (
  what      text not null,
  begun_at  timestamptz not null default now(),
  client_id uuid,                                       -- where it goes on; null: the round has ended
  reached   text[],                                     -- the last key of that client that was checked
  primary key (what)
);

-- Runs that deliver events to one endpoint again: those that failed, are missing, or all of a time.
create table replays (
  client_id      uuid not null,
  id             uuid not null,                         -- UUIDv7; the origin of its deliveries
  endpoint_id    uuid not null,
  mode           text not null,
  since          timestamptz,                           -- when the events were made; null: from the first on
  until          timestamptz,                           -- excluded; null: until the replay was asked for
  event_types    text[],                                -- names and families; null: all that the endpoint takes
  state          text not null default 'running',
  found          int,                                   -- null: still being counted
  replayed       int not null default 0,                -- deliveries made
  skipped        int not null default 0,                -- found, but no longer to be replayed when their turn came
  reached        uuid not null,                         -- the last event that was looked at: where it goes on after a crash
  upto           uuid not null,                         -- the event before which it ends
  reason_code    text,
  reason_message text,
  created_at     timestamptz not null default now(),
  finished_at    timestamptz,
  expired        int not null default 0,                -- found no more, since their bodies are past retention
  primary key (client_id, id),
  check ((state = 'running') = (finished_at is null)),
  check (mode in ('failed', 'missing', 'all')),
  check (state <> 'done' or found = (replayed + skipped)),
  check (state <> 'failed' or reason_code is not null),
  check (state in ('running', 'done', 'cancelled', 'failed')),
  check (until > since)
);
create unique index replays_running on replays (client_id, endpoint_id) where state = 'running';

-- What is older than `before` may be gone. The time moves first, and rows go a while later.
create table retention (
  what     text not null,
  before   timestamptz not null default '1970-01-01 00:00:00+00',
  moved_at timestamptz not null default now(),
  primary key (what),
  check (what in ('payload', 'metadata'))
);

-- Stripe objects of which a routed event told whose they are: events that carry no name are routed by them.
create table routed_objects (
  client_id  uuid not null,                             -- the operator's, whose source it is
  source_id  uuid not null,
  object_id  text not null,                             -- in its account and mode, as in objects
  name       text,                                      -- the value that names the client, see source_routes; null: not known yet
  awaited    boolean not null default false,            -- events have waited for it
  told_by    text,                                      -- Stripe's id of the event that told it, or `stripe`: it was looked up there
  updated_at timestamptz not null default now(),
  primary key (client_id, source_id, object_id),
  check (name is not null or awaited)
);

-- What is known since a moment, and may be waited for: the events that do are looked at again.
create table routing_news (
  client_id uuid not null,                              -- the operator's, whose source it is
  source_id uuid not null,
  key       text not null,                              -- as in routing_waits
  primary key (client_id, source_id, key)
);

-- What would tell whose a waiting or unrouted event is.
create table routing_waits (
  client_id       uuid not null,                        -- the operator's, whose source it is
  source_id       uuid not null,
  key             text not null,                        -- an object as in routed_objects, `name:<value>` of a route, or `fetch:<need>` as in hydrations
  source_event_id uuid not null,
  primary key (client_id, source_id, key, source_event_id)
);
create index routing_waits_event on routing_waits (client_id, source_event_id);

-- What became of each event of a source that is routed: whose it is, and by what. Duplicates are found here.
create table routings (
  client_id       uuid not null,                        -- the operator's, whose source it is; so are the identity and the receipt as in source_events
  source_id       uuid not null,
  account         text not null,
  livemode        boolean not null,
  event_id        text not null,
  source_event_id uuid not null,
  state           text not null,
  target_id       uuid,                                 -- the client whose source event it is
  routed_by       jsonb,                                -- {by: account | metadata | object, name, of: where the name stands}
  due_at          timestamptz,                          -- when it is looked at next; null: nothing is waited for
  primary key (client_id, event_id, source_id, account, livemode),
  check ((state = 'routed') = (target_id is not null)),
  check ((state in ('waiting', 'unrouted')) or due_at is null),
  check (state <> 'waiting' or due_at is not null),
  check (state in ('waiting', 'routed', 'shared', 'unrouted'))
);
create index routings_due on routings (client_id, due_at) where due_at is not null;
create index routings_open on routings (client_id, source_event_id) where state in ('waiting', 'unrouted');

-- The oldest program that can work with the schema after each migration: docs/migrations.md.
create table schema_compatibility (
  migration      text not null,
  oldest_program text not null,
  primary key (migration),
  check (oldest_program ~ '^\d+\.\d+\.\d+$')
);

-- The raw bytes of a source event, as they were signed. Partitioned by the day of the receipt.
create table source_event_bodies (
  client_id       uuid not null,
  source_event_id uuid not null,
  body            bytea not null,
  primary key (client_id, source_event_id)
) partition by range (source_event_id);

-- What a source sent, raw: its identity and its state. The bytes are in source_event_bodies.
create table source_events (
  client_id      uuid not null,
  id             uuid not null,                         -- UUIDv7 of the receipt
  source_id      uuid not null,                         -- a row of sources; of an app event the client_id
  account        text not null default '',              -- connected account; '': the source's own
  livemode       boolean not null,
  event_id       text not null,                         -- Stripe's, or the hash of the body where that is no identity
  type           text not null,
  api_version    text,
  lane           smallint not null,                     -- hash of the customer: events of one lane are normalised one after another
  created_at     timestamptz not null,                  -- Stripe's `created`, of any year
  received_at    timestamptz not null default now(),
  state          text not null default 'received',
  reason_code    text,                                  -- why it is ignored, held or failed
  reason_message text,
  held_until     timestamptz,
  held_for       text[],                                -- the missing facts
  due_at         timestamptz default now(),             -- when the normaliser looks at it next; null: done
  primary key (client_id, id),
  check ((state <> all (array['ignored', 'failed'])) or reason_code is not null),
  check ((state = 'held') = (held_until is not null and held_for is not null)),
  check ((state in ('received', 'held')) = (due_at is not null)),
  check (state <> 'unrouted' or reason_code is not null),
  check (state in ('received', 'normalized', 'ignored', 'held', 'failed', 'unrouted'))
);
create index source_events_due on source_events (client_id, lane, due_at, id) where due_at is not null;
create index source_events_source on source_events (client_id, source_id, id);
create index source_events_state on source_events (client_id, state, id) where state in ('held', 'failed', 'received');
create index source_events_unrouted on source_events (client_id, id) where state = 'unrouted';
create index source_events_untold on source_events (client_id, id) where reason_code = 'lines_untold';
create unique index source_events_once on source_events (client_id, event_id, source_id, account, livemode);

-- Which client a value names: a connected account, or what the metadata of Stripe's objects hold.
create table source_routes (
  client_id  uuid not null,                             -- the operator's, whose source it is
  source_id  uuid not null,
  value      text not null,
  target_id  uuid not null,                             -- the client that the value names
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (client_id, source_id, value)
);
create index source_routes_target on source_routes (client_id, target_id);

-- Where events come from: one webhook of one Stripe account. Secrets are encrypted with the key ring.
create table sources (
  id                   uuid not null,
  client_id            uuid not null,
  kind                 text not null,
  name                 text,
  signing_secrets      text[] not null,
  api_key              text,                            -- Stripe's, encrypted; null: nothing is fetched from Stripe
  created_at           timestamptz not null default now(),
  api_version          text,                            -- objects are fetched in; null: that of the event that needs them
  plan_ranks           jsonb not null default '{}',     -- {price or plan id: rank}, for upgrades and downgrades that no price tells apart
  signature_failing_at timestamptz,                     -- since then all signatures have been wrong; null: they are right
  ids_by_realm         boolean not null default true,   -- false: older than 000022, so UUIDs and business keys of its past name neither account nor mode
  routing              jsonb,                           -- {by: [account, metadata], key: the field of metadata}; null: all its events are its client's
  primary key (id),
  foreign key (client_id) references clients(id) on delete cascade,
  check (cardinality(signing_secrets) > 0),
  check (kind = 'stripe')
);
create index sources_client_id_id_idx on sources (client_id, id);

-- Which Stripe customers a user is.
create table user_customers (
  client_id   uuid not null,
  customer_id text not null,                            -- Stripe's customer, account, or Checkout session without a customer, in its account and mode as in objects
  user_id     uuid not null,
  realm       text,                                     -- the account and mode in customer_id; null: linked by 0.1.0, for any
  primary key (client_id, customer_id)
);
create index user_customers_client_id_user_id_idx on user_customers (client_id, user_id);

-- The client's customers.
create table users (
  client_id      uuid not null,
  id             uuid not null,
  client_user_id text,                                  -- the client's own id; null: not known yet
  email          text,
  registered     boolean not null,                      -- by the API; false: first seen in an event
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now(),
  primary key (client_id, id),
  unique (client_id, client_user_id)
);
create index users_client_id_created_at_id_idx on users (client_id, created_at, id);

-- The processes at work. Each holds the advisory lock of its row for as long as it lives.
create table workers (
  id            uuid not null,
  lock_key      bigint not null,
  host          text not null,
  pid           int not null,
  roles         text[] not null,
  graphile_pool text,                                   -- by which Graphile Worker locks the jobs of this process
  started_at    timestamptz not null default now(),
  key_ids       text[] not null default '{}',           -- its FLO_ENCRYPTION_KEYS: nothing may be encrypted with a key that a worker lacks
  process_id    uuid,                                   -- stays when a lost session is opened anew; null: of 0.1.0
  primary key (id),
  unique (lock_key)
);

-- Functions

create function detach_partition(parent text, child text)
 returns void
 language plpgsql
 set lock_timeout to '100ms'
as $function$
begin
  execute format('alter table %I detach partition %I', parent, child);
end $function$;

create function endpoints_raise_version()
 returns trigger
 language plpgsql
as $function$
begin
  if current_setting('flo_gateway.resealing', true) = 'on' then
    return new;
  end if;
  new.version := old.version + 1;
  new.updated_at := now();
  return new;
end $function$;

create function make_partition(parent text, day date)
 returns text
 language plpgsql
 set lock_timeout to '200ms'
as $function$
declare
  child text := parent || '_' || to_char(day, 'YYYYMMDD');
begin
  perform pg_advisory_xact_lock(hashtext('flo-gateway partitions'));
  -- Not to_regclass, which may not have heard yet of what was made while we waited.
  if exists (select from pg_inherits join pg_class c on c.oid = inhrelid
              where inhparent = parent::regclass and c.relname = child) then
    return 'there';
  end if;
  -- Attached and not made in place: `create table ... partition of` would lock the parent against everybody.
  execute format('create table %I (like %I including defaults including constraints including storage including compression)', child, parent);
  execute format('alter table %I set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 1)', child);
  execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, child,
    uuid7_floor(day::timestamp at time zone 'UTC'), uuid7_floor((day + 1)::timestamp at time zone 'UTC'));
  return 'made';
exception when check_violation then
  return 'taken';
end $function$;

create function uuid7_floor(at timestamptz)
 returns uuid
 language sql
 immutable
as $function$
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$function$;
