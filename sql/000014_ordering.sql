-- Up Migration

-- `user`: an event of a user is sent when all earlier ones of this user have been delivered, or have failed for good.
alter table endpoints add column ordering text not null default 'none' check (ordering in ('none', 'user'));
alter table deliveries add column user_id uuid; -- whose event it is, where the event says so
