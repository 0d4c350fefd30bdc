-- Up Migration

-- Events delivered to one endpoint once more, or at last: those that failed, are missing, or all of a time.
create table replays (
  client_id uuid not null,
  id uuid not null,                       -- UUIDv7; the origin of its deliveries
  endpoint_id uuid not null,
  mode text not null check (mode in ('failed', 'missing', 'all')),
  since timestamptz,                      -- when the events were made; null: from the first on
  until timestamptz,                      -- excluded; null: those that there were when the replay was asked for
  event_types text[],                     -- names and families; null: all that the endpoint takes
  state text not null default 'running' check (state in ('running', 'done', 'cancelled', 'failed')),
  found int,                              -- null: still being counted
  replayed int not null default 0,        -- deliveries made
  skipped int not null default 0,         -- found, and no longer to be replayed when their turn came
  reached uuid not null,                  -- the last event that was looked at: where it goes on after a crash
  upto uuid not null,                     -- the event before which it ends
  reason_code text,
  reason_message text,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  primary key (client_id, id),
  check (until > since),
  check ((state = 'running') = (finished_at is null)),
  check (state <> 'failed' or reason_code is not null),
  check (state <> 'done' or found = replayed + skipped)
);
-- One at a time, so that an endpoint gets no event from two of them, and all in order.
create unique index replays_running on replays (client_id, endpoint_id) where state = 'running';

-- What there is to replay; a delivery that arrives never enters it.
create index deliveries_undelivered on deliveries (client_id, endpoint_id, event_id) where state in ('failed', 'skipped');
-- What a replay has made, in order, and how it stands. Deliveries of the fan-out never enter them.
create index deliveries_origin on deliveries (client_id, origin, id)
  where origin <> '00000000-0000-0000-0000-000000000000';
create index deliveries_origin_state on deliveries (client_id, origin, state, next_attempt_at)
  where origin <> '00000000-0000-0000-0000-000000000000';
