-- Up Migration

-- Stripe's own list of events read anew, the oldest first, so that what did not arrive is received after all.
create table backfills (
  client_id uuid not null,
  id uuid not null,                       -- UUIDv7
  source_id uuid not null,
  account text not null default '',       -- of a connected account, '': the source's own
  since timestamptz not null,             -- by Stripe's `created`, whole seconds; `until` excluded
  until timestamptz not null check (until > since),
  types text[],                           -- null: all
  delivery_success boolean,               -- null: whether or not Stripe could deliver them
  state text not null default 'running' check (state in ('running', 'completed', 'failed', 'cancelled')),
  read_until timestamptz not null,        -- what was created before is read: where it goes on after a crash
  counts jsonb not null default '{}',     -- {<type>: {listed, known, new, refused}}
  failures int not null default 0,        -- calls in a row that did not get through
  next_attempt_at timestamptz default now(),
  reason_code text,
  reason_message text,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  primary key (client_id, id),
  check ((state = 'running') = (next_attempt_at is not null)),
  check ((state = 'running') = (finished_at is null)),
  check (state <> 'failed' or reason_code is not null)
);
-- One at a time, so that the calls of a source stay within what Stripe allows.
create unique index backfills_running on backfills (client_id, source_id) where state = 'running';
