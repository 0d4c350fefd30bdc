-- Oldest compatible program: 0.1.0

-- What a source event was doing when its process died. After a death the events of the lanes that the process held are tried one
-- at a time, each with a mark: one that was alone in work at three deaths is what ends the process, and fails.
alter table workers add column process_id uuid;
comment on column workers.process_id is 'stays when a lost session is opened anew; null: of 0.1.0';

create table interrupted_lanes (
  client_id uuid not null,
  lane smallint not null,
  process_id uuid not null,
  primary key (client_id, lane, process_id)
);
comment on table interrupted_lanes is 'Lanes whose worker died: what is due there is tried one event at a time, until all was.';

comment on column interrupted_lanes.process_id is 'who died; where it is not known, the worker';

create table lone_attempts (
  client_id uuid not null,
  source_event_id uuid not null,
  process_id uuid,
  deaths int not null default 0,
  primary key (client_id, source_event_id)
);
comment on table lone_attempts is 'Source events that are tried alone after a death, until they have an outcome.';
comment on column lone_attempts.process_id is 'who tries it now, or died of it; null: that attempt ended without a death';
comment on column lone_attempts.deaths is 'processes that died while it was alone in work';

insert into schema_compatibility (migration, oldest_program) values ('000023_lone_attempts', '0.1.0');
