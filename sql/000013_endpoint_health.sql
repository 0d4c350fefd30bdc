-- Up Migration

alter table endpoints
  add column max_in_flight int not null default 10 check (max_in_flight between 1 and 256),
  add column rate_limit jsonb;            -- {count, seconds}: so many attempts start in any such span; null: no limit

-- How the attempts of an endpoint have ended of late: what the breaker and the end of endpoints that only fail are decided
-- by. The pump that has the endpoint keeps it in memory and writes it here when something fails or changes, and when it
-- gives the endpoint back.
create table endpoint_health (
  client_id uuid not null,
  endpoint_id uuid not null,
  version bigint not null,                -- of the endpoint: what an older one has met is not written any more
  recent jsonb not null default '[]',     -- [[start of half a minute in ms since 1970, attempts, failures], ...]
  failing_since timestamptz,              -- start of the first failure in a row; null: the last one was no failure
  failures int not null default 0,        -- in a row
  opened_at timestamptz,                  -- the breaker is open since
  probe_at timestamptz,                   -- when one attempt tries whether it still fails
  told boolean not null default false,    -- somebody has been told that it fails
  starts jsonb not null default '[]',     -- of attempts that the rate limit counts, in ms since 1970
  primary key (client_id, endpoint_id),
  check ((opened_at is null) = (probe_at is null)),
  check ((failing_since is null) = (failures = 0))
);

-- First attempts and retries are read apart: a new delivery must not wait behind ten thousand that failed before.
drop index deliveries_due;
create index deliveries_due on deliveries (client_id, endpoint_id, (attempts > 0), next_attempt_at, id) where state = 'pending';
