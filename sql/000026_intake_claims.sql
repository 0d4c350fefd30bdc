-- Oldest compatible program: 0.1.0

-- A key that is claimed by a request that still runs, in whatever process, is answered with 409.
alter table idempotency_keys add column claimed_by uuid;

comment on column idempotency_keys.claimed_by is 'the worker that took app events in under this key; null: none, or the request failed on our side';

insert into schema_compatibility (migration, oldest_program) values ('000026_intake_claims', '0.1.0');
