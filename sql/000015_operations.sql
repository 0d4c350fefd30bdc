-- Up Migration

-- Clients of the operator's own: their endpoints of operations.v1 hear of all clients.
alter table clients add column is_operator boolean not null default false;

-- Who listens to operational events; looked up for each one of them.
create index endpoints_operations on endpoints (client_id) where contract = 'operations.v1' and deleted_at is null;

-- The webhooks of a source have had wrong signatures since then, and none was right; null: they are right.
alter table sources add column signature_failing_at timestamptz;

-- What was told and goes on, so that it is told once, whichever process notices it.
create table alarms (
  client_id uuid not null,
  type text not null,                     -- the operational event's
  subject text not null,                  -- what of the client it is about, e.g. `<source> <code>`
  since timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  primary key (client_id, type, subject)
);
