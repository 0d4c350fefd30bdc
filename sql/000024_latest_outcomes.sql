-- Oldest compatible program: 0.1.0

-- The circuit breaker also opens by the share of the last hundred attempts: what it counts outlives the process.
alter table endpoint_health add column latest text not null default '';

comment on column endpoint_health.latest is 'how the last attempts ended, oldest first, 100 at most: 0 taken, 1 failed';

insert into schema_compatibility (migration, oldest_program) values ('000024_latest_outcomes', '0.1.0');
