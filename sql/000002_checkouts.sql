-- Up Migration

-- A checkout that the client registered before it sent its user to Stripe: so the uuids of what is bought are known beforehand.
create table checkouts (
  client_id uuid not null,
  id uuid not null,
  stripe_session_id text,                 -- cs_...; null until it is known
  client_user_id text,
  items jsonb not null,                   -- [{uuid, id, name, description, quantity, currency, amount, total, metadata}]
  subscriptions jsonb not null,           -- [{uuid, id, metadata}]
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  primary key (client_id, id),
  unique (client_id, stripe_session_id)
);
