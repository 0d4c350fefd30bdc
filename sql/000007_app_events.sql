-- Up Migration

-- What a client's own application publishes has no row in sources. Its source is the client, so that it has an identity of the
-- same form, and is found by it.
comment on column source_events.source_id is 'a row of sources; of an app event the client_id';
