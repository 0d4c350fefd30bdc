-- Oldest compatible program: 0.1.0

-- Clients, sources and users that were deleted, and payloads that were expunged: who asked, when, and what went. The row is
-- written with the reply; while it is open, what it names is shown and sent nowhere, and its rows go in batches.
create table deletions (
  client_id    uuid not null,
  id           uuid not null,
  kind         text not null,
  subject_id   uuid not null,
  requested_at timestamptz not null default now(),
  requested_by text not null,
  counts       jsonb not null,
  looks_for    jsonb,
  position     jsonb not null default '{}',
  gone         jsonb not null default '{}',
  next_pass_at timestamptz default now(),
  finished_at  timestamptz,
  primary key (id),
  check (kind in ('client', 'source', 'user', 'payload')),
  check (finished_at is null or looks_for is null),
  check ((finished_at is null) = (next_pass_at is not null))
);
create index deletions_open on deletions (client_id) where finished_at is null;
create index deletions_subject on deletions (subject_id);

comment on table deletions is 'Clients, sources, users and payloads that were deleted on request: the trail, and what is still to go.';
comment on column deletions.id is 'UUIDv7';
comment on column deletions.kind is '`payload`: one event or source event, whose states stay';
comment on column deletions.subject_id is 'of the client, source, user, source event or event';
comment on column deletions.requested_by is 'the API key';
comment on column deletions.counts is 'rows by table when it was asked for, as far as they were counted';
comment on column deletions.looks_for is 'by what the payloads of a user are found; null once they are gone';
comment on column deletions.position is 'how far tables that are read through are done';
comment on column deletions.gone is 'rows that are gone, by table';
comment on column deletions.next_pass_at is 'when all of it is looked through again: what was under way at the reply may have left rows';
comment on column deletions.finished_at is 'null: there may be rows left';

-- Whom a client had deleted, so that a later event of Stripe does not make the user anew.
create table forgotten (
  client_id  uuid not null,
  hash       bytea not null,
  created_at timestamptz not null default now(),
  primary key (client_id, hash)
);

comment on table forgotten is 'Whom a client has had deleted: no event makes them anew, until they are registered again.';
comment on column forgotten.hash is 'keyed, of a Stripe customer in its account and mode, or of the client''s own id';

alter table clients add column forgetting_key text;

comment on column clients.forgetting_key is 'what `forgotten` is hashed with, encrypted; null: nobody was deleted';

insert into schema_compatibility (migration, oldest_program) values ('000027_deletions', '0.1.0');
