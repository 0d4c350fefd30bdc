-- Up Migration

-- Our own clock for invoices that nobody pays: when it calls an open invoice overdue, unless Stripe does so before. Written
-- with the invoice's snapshot, taken away when it is paid or told as overdue. account, livemode and lane are those of the
-- event that the timer will make.
create table invoice_dues (
  client_id uuid not null,
  source_id uuid not null,
  invoice_id text not null,
  account text not null,
  livemode boolean not null,
  lane smallint not null,
  due_at timestamptz not null,
  primary key (client_id, source_id, invoice_id)
);
create index on invoice_dues (client_id, due_at);
