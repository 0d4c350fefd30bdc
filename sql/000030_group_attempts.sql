-- Oldest compatible program: 0.1.0

-- After a death what was in work is tried in groups first, and only what was in a group at a further death in smaller ones, and alone.
-- A mark of a group is none of an event that was alone: the version before leaves it out of what it counts.
alter table lone_attempts add column group_process_id uuid;
alter table lone_attempts add column group_size smallint;
comment on table lone_attempts is 'Source events that are tried after a death, in a group or alone, until they have an outcome.';
comment on column lone_attempts.group_process_id is 'who tries it now among others, or died of them; null: it is tried alone, or that attempt ended without a death';
comment on column lone_attempts.group_size is 'how many were tried together';

insert into schema_compatibility (migration, oldest_program) values ('000030_group_attempts', '0.1.0');
