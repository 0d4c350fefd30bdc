-- Up Migration

-- What is delivered, apart from what says that there was an event: bodies go with the payloads, events with the metadata.
create table event_bodies (
  client_id uuid not null,
  event_id uuid not null,
  body text not null,                     -- the wire body without the delivery's own id
  primary key (client_id, event_id)
) partition by range (event_id);

do $$ begin
  alter table event_bodies alter column body set compression lz4;
exception when feature_not_supported then null;
end $$;

-- A day that has no partition is taken by these: no insert is ever refused for want of one.
do $$
declare
  parent text;
begin
  foreach parent in array array['source_event_bodies', 'events', 'event_bodies', 'deliveries', 'attempts'] loop
    execute format('create table %I partition of %I default', parent || '_default', parent);
  end loop;
end $$;

-- The days of one table are made and dropped one by one, each in a transaction of its own, so that a lock is held for
-- moments: see src/retention.
drop function make_partitions(date, int);

-- Makes the partition of a day. `there`: it exists. `taken`: rows of that day are in the default partition, and stay there.
create function make_partition(parent text, day date) returns text language plpgsql set lock_timeout = '200ms' as $$
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
end $$;

-- Takes a partition off its table: who reads and writes waits for as long as this does, a moment at most.
create function detach_partition(parent text, child text) returns void language plpgsql set lock_timeout = '100ms' as $$
begin
  execute format('alter table %I detach partition %I', parent, child);
end $$;

do $$
declare
  day date;
begin
  for day in
    select to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') from pg_inherits
     where inhparent = 'events'::regclass and inhrelid::regclass::text ~ '_\d{8}$'
  loop
    perform make_partition('event_bodies', day);
  end loop;
end $$;

insert into event_bodies (client_id, event_id, body) select client_id, id, body from events;
alter table events drop column body;

-- What is older than `before` may be gone. Said first, and taken away a while later: who has read an older value has ended by then.
create table retention (
  what text primary key check (what in ('payload', 'metadata')),
  before timestamptz not null default 'epoch',
  moved_at timestamptz not null default now()
);
insert into retention (what) values ('payload'), ('metadata');

-- What a replay did not find any more: bodies past their retention.
alter table replays add column expired int not null default 0;

-- How far the rows of tables without partitions are looked through, client by client.
create table purges (
  what text primary key,
  begun_at timestamptz not null default now(),
  client_id uuid,                         -- where it goes on; null: the round has ended
  reached text[]                          -- the last key of that client that was looked at
);

-- Fetched payloads are purged client by client like everything else.
drop index hydrations_asked_at_idx;
create index on hydrations (client_id, asked_at);
