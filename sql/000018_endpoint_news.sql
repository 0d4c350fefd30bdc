-- Up Migration

-- What has become of endpoints, written in the statement that makes it so: told at once, or by whoever finds it untold.
create table endpoint_news (
  client_id uuid not null,
  endpoint_id uuid not null,
  what text not null check (what in ('failing', 'recovered', 'exhausted')),
  since timestamptz not null,             -- which failing, recovery or row of failures it is: news once
  about jsonb not null,                   -- the rest of it
  state text not null default 'new' check (state in ('new', 'told', 'withheld')), -- withheld: it flutters
  noticed_at timestamptz not null default now(),
  primary key (client_id, endpoint_id, what, since)
);
