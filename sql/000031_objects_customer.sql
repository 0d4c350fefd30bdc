-- Oldest compatible program: 0.1.0
-- Unread since: 0.1.0
-- Without a transaction: the index is made concurrently

-- Objects are looked up by their key. An index that began as the key does, with client and source, could be taken for it: where each
-- source has few objects on average, both seem to find one row, and for a source with many objects it is read from end to end. Rows are
-- looked for by customer only where a user is deleted.
create index concurrently if not exists objects_customer on objects (client_id, customer_id) where customer_id is not null;
drop index concurrently if exists objects_client_id_source_id_customer_id_kind_idx;

insert into schema_compatibility (migration, oldest_program) values ('000031_objects_customer', '0.1.0') on conflict do nothing;
