-- Up Migration

-- Stripe's id first: what keeps an event from coming twice finds it by its id as well, and each insert writes one index less.
create unique index source_events_once on source_events (client_id, event_id, source_id, account, livemode);
alter table source_events drop constraint source_events_client_id_source_id_account_livemode_event_id_key;
drop index source_events_event;
