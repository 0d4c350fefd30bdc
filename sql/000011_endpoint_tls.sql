-- Up Migration

-- Certificates of an endpoint's own, PEM: {ca, certificate, key}, of which the key is encrypted. null: none.
alter table endpoints add column tls jsonb;

-- Attempts that our own proxy has spoilt: they are on record, and use up nothing of the schedule.
alter table deliveries add column excused int not null default 0;
