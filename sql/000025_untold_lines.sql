-- Oldest compatible program: 0.1.0
-- Without a transaction: the index is made concurrently

-- Source events that were told in part are few among those that were told: bulk renormalisation and the operator's reports look for them.
create index concurrently if not exists source_events_untold on source_events (client_id, id) where reason_code = 'lines_untold';

insert into schema_compatibility (migration, oldest_program) values ('000025_untold_lines', '0.1.0') on conflict do nothing;
