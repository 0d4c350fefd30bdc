-- Oldest compatible program: 0.1.0

-- Account and mode are part of what an object is: the keys of objects, holds, fetches, timers, customers and events name both
-- (src/domain/realm.ts). In the source's own account and live mode a key stays the bare id. What was stored before has bare ids
-- for every account and mode, and is told apart by the columns that the version before does not fill.
alter table objects add column realm text;
alter table user_customers add column realm text;
alter table hydrations add column livemode boolean;
alter table checkouts add column stripe_account text;
-- A constant default gives false to the sources that are there; those that come get true.
alter table sources add column ids_by_realm boolean not null default false;
alter table sources alter column ids_by_realm set default true;

comment on column objects.object_id is 'Stripe''s id in its account and mode: `prod_1`, `@acct_1/prod_1`, `@+test/prod_1`';
comment on column objects.realm is 'the account and mode in object_id; null: stored by 0.1.0 under its bare id, whatever they were';
comment on column user_customers.customer_id is 'Stripe''s customer, account, or Checkout session without a customer, in its account and mode as in objects';
comment on column user_customers.realm is 'the account and mode in customer_id; null: linked by 0.1.0, for any';
comment on column holds.fact is 'in its account and mode, as in objects';
comment on column hydrations.need is '`product:prod_1`, `line_items:cs_1`, `thin:evt_1`, in its account and mode as in objects: see mappings/hydrate.ts';
comment on column hydrations.livemode is 'of the event that asked; null: asked for by 0.1.0';
comment on column invoice_dues.invoice_id is 'in its account and mode, as in objects';
comment on column checkouts.stripe_account is 'the connected account of the session; empty: the source''s own; null: registered with 0.1.0, for any';
comment on column sources.ids_by_realm is 'false: older than 000022, so UUIDs and business keys of its past name neither account nor mode';

insert into schema_compatibility (migration, oldest_program) values ('000022_realms', '0.1.0');
