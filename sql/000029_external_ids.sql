-- Oldest compatible program: 0.1.0
-- Without a transaction: the indexes are made concurrently

create unique index concurrently if not exists clients_external_id on clients (external_id);
create index concurrently if not exists source_events_unrouted on source_events (client_id, id) where state = 'unrouted';
alter table source_events validate constraint source_events_state_check;
alter table source_events validate constraint source_events_unrouted_reason;

insert into schema_compatibility (migration, oldest_program) values ('000029_external_ids', '0.1.0') on conflict do nothing;
