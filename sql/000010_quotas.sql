-- Up Migration

-- How much a client may have and ask; null: the operator has set no bound.
alter table clients
  add column max_endpoints int check (max_endpoints >= 0),
  add column requests_per_second int check (requests_per_second > 0);
