-- Up Migration

-- The version that objects are fetched in; null: that of the event that needs them, so that the shapes agree.
alter table sources add column api_version text;

-- What a webhook could not carry and is fetched from Stripe, where the source has an API key.
create table hydrations (
  client_id uuid not null,
  source_id uuid not null,
  need text not null,                     -- `product:prod_1`, `line_items:cs_1`, `thin:evt_1`: see mappings/hydrate.ts
  account text not null default '',       -- the connected account that it belongs to
  paths text[] not null check (cardinality(paths) > 0), -- the first that Stripe knows answers
  list boolean not null,                  -- every page of a list, as one
  essential boolean not null,             -- there is nothing to tell without it: fetched on after events stopped waiting
  api_version text,                       -- of the event that asked
  state text not null default 'pending' check (state in ('pending', 'done', 'failed')),
  asked_at timestamptz not null default now(),
  wait_until timestamptz not null,        -- until then events wait for it
  give_up_at timestamptz not null,        -- until then it is tried
  attempts int not null default 0,
  next_attempt_at timestamptz default now(),
  ask_again_at timestamptz,               -- when a later event may have it fetched anew; null: never
  result json,
  fetched_at timestamptz,                 -- by Stripe's clock where it tells
  reason_code text,
  reason_message text,
  primary key (client_id, source_id, need),
  check ((state = 'pending') = (next_attempt_at is not null)),
  check (state <> 'failed' or reason_code is not null),
  check (state <> 'done' or fetched_at is not null)
);
create index hydrations_due on hydrations (client_id, next_attempt_at) where state = 'pending';
create index on hydrations (asked_at);

-- Sources whose calls fail: after so many failures in a row nothing is asked until `open_until`, then one call tries.
create table hydration_circuits (
  client_id uuid not null,
  source_id uuid not null,
  failures int not null,
  open_until timestamptz,
  reason_code text not null,
  reason_message text not null,
  primary key (client_id, source_id)
);
