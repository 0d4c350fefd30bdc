-- Oldest compatible program: 0.1.0

-- The oldest program that can work with the schema, as each migration writes it down: a program that is older than any of
-- these does not start. The first row stands for all migrations before this table. See docs/migrations.md.
create table schema_compatibility (
  migration text primary key,
  oldest_program text not null check (oldest_program ~ '^\d+\.\d+\.\d+$')
);
insert into schema_compatibility (migration, oldest_program) values
  ('000019_one_index_for_event_ids', '0.1.0'),
  ('000020_schema_compatibility', '0.1.0');
