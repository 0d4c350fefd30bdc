-- Up Migration

-- What lists are filtered by; bench/growth.ts holds that they are used. There is none on the event type of deliveries: each
-- would be written there twice, while events, which have one, show how their deliveries stand.

-- Most deliveries are delivered: a list of those needs no index, and one that has been delivered is in none of these.
create index deliveries_state on deliveries (client_id, state, id) where state <> 'delivered';
create index deliveries_endpoint_state on deliveries (client_id, endpoint_id, state, id)
  where state in ('failed', 'skipped', 'cancelled');

create index events_type on events (client_id, type, id);
create index events_user on events (client_id, user_id, id) where user_id is not null;

create index source_events_event on source_events (client_id, event_id);
create index source_events_source on source_events (client_id, source_id, id);

create index checkouts_list on checkouts (client_id, created_at, id);
create index checkouts_user on checkouts (client_id, client_user_id, created_at, id);
