-- Oldest compatible program: 0.1.0
-- Unread since: 0.1.0

-- One webhook for many clients: a source of the operator's whose events are given to the client whose they are before they are
-- normalised. What is not known yet waits under the operator's own client, and ends as `unrouted` when nobody tells whose it is.
alter table sources add column routing jsonb;
comment on column sources.routing is '{by: [account, metadata], key: the field of metadata}; null: all its events are its client''s';

alter table clients add column external_id text;
comment on column clients.external_id is 'the operator''s own id of it; unique; null: none';

-- No program reads a check; the state is one more.
alter table source_events drop constraint source_events_state_check;
alter table source_events add constraint source_events_state_check
  check (state in ('received', 'normalized', 'ignored', 'held', 'failed', 'unrouted')) not valid;
alter table source_events add constraint source_events_unrouted_reason check (state <> 'unrouted' or reason_code is not null) not valid;

create table source_routes (
  client_id uuid not null,
  source_id uuid not null,
  value text not null,
  target_id uuid not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (client_id, source_id, value)
);
create index source_routes_target on source_routes (client_id, target_id);
comment on table source_routes is 'Which client a value names: a connected account, or what the metadata of Stripe''s objects hold.';
comment on column source_routes.client_id is 'the operator''s, whose source it is';
comment on column source_routes.target_id is 'the client that the value names';

create table routed_objects (
  client_id uuid not null,
  source_id uuid not null,
  object_id text not null,
  name text,
  awaited boolean not null default false,
  told_by text,
  updated_at timestamptz not null default now(),
  primary key (client_id, source_id, object_id),
  check (name is not null or awaited)
);
comment on table routed_objects is 'Stripe objects of which a routed event told whose they are: events that carry no name are routed by them.';
comment on column routed_objects.client_id is 'the operator''s, whose source it is';
comment on column routed_objects.object_id is 'in its account and mode, as in objects';
comment on column routed_objects.name is 'the value that names the client, see source_routes; null: not known yet';
comment on column routed_objects.awaited is 'events have waited for it';
comment on column routed_objects.told_by is 'Stripe''s id of the event that told it, or `stripe`: it was looked up there';

create table routings (
  client_id uuid not null,
  source_id uuid not null,
  account text not null,
  livemode boolean not null,
  event_id text not null,
  source_event_id uuid not null,
  state text not null check (state in ('waiting', 'routed', 'shared', 'unrouted')),
  target_id uuid,
  routed_by jsonb,
  due_at timestamptz,
  primary key (client_id, event_id, source_id, account, livemode),
  check ((state = 'routed') = (target_id is not null)),
  check (state in ('waiting', 'unrouted') or due_at is null),
  check (state <> 'waiting' or due_at is not null)
);
create index routings_due on routings (client_id, due_at) where due_at is not null;
create index routings_open on routings (client_id, source_event_id) where state in ('waiting', 'unrouted');
comment on table routings is 'What became of each event of a source that is routed: whose it is, and by what. Duplicates are found here.';
comment on column routings.client_id is 'the operator''s, whose source it is; so are the identity and the receipt as in source_events';
comment on column routings.target_id is 'the client whose source event it is';
comment on column routings.routed_by is '{by: account | metadata | object, name, of: where the name stands}';
comment on column routings.due_at is 'when it is looked at next; null: nothing is waited for';

create table routing_waits (
  client_id uuid not null,
  source_id uuid not null,
  key text not null,
  source_event_id uuid not null,
  primary key (client_id, source_id, key, source_event_id)
);
create index routing_waits_event on routing_waits (client_id, source_event_id);
comment on table routing_waits is 'What would tell whose a waiting or unrouted event is.';
comment on column routing_waits.client_id is 'the operator''s, whose source it is';
comment on column routing_waits.key is 'an object as in routed_objects, `name:<value>` of a route, or `fetch:<need>` as in hydrations';

create table routing_news (
  client_id uuid not null,
  source_id uuid not null,
  key text not null,
  primary key (client_id, source_id, key)
);
comment on table routing_news is 'What is known since a moment, and may be waited for: the events that do are looked at again.';
comment on column routing_news.client_id is 'the operator''s, whose source it is';
comment on column routing_news.key is 'as in routing_waits';

insert into schema_compatibility (migration, oldest_program) values ('000028_routed_sources', '0.1.0');
