-- Up Migration

-- No delivery of an event before this one waits: pumps look through the days from here on, not through all that are kept.
-- Who makes a delivery of an older event says so in the same transaction; see src/database/pending-floor.ts.
create table pending_floor (
  one boolean primary key default true check (one),
  event_id uuid not null
);
insert into pending_floor (event_id) values ('00000000-0000-0000-0000-000000000000');
