-- Oldest compatible program: 0.1.0

-- What tables and columns mean, where their names do not say it: psql shows it with \d+, and sql/schema.sql.

comment on table clients is 'The tenants: whose sources, users and endpoints these are.';
comment on column clients.max_endpoints is 'quota; null: none';
comment on column clients.requests_per_second is 'quota of all its API keys together; null: none';
comment on column clients.is_operator is 'its endpoints of operations.v1 receive the events of all clients';

comment on table api_keys is 'Keys of the management API, flo_sk_<id>_<secret>. Only the hash of the secret is stored.';
comment on column api_keys.client_id is 'null: an operator''s key, for all clients';

comment on table sources is 'Where events come from: one webhook of one Stripe account. Secrets are encrypted with the key ring.';
comment on column sources.api_key is 'Stripe''s, encrypted; null: nothing is fetched from Stripe';
comment on column sources.api_version is 'objects are fetched in; null: that of the event that needs them';
comment on column sources.plan_ranks is '{price or plan id: rank}, for upgrades and downgrades that no price tells apart';
comment on column sources.signature_failing_at is 'since then all signatures have been wrong; null: they are right';

comment on table source_events is 'What a source sent, raw: its identity and its state. The bytes are in source_event_bodies.';
comment on column source_events.id is 'UUIDv7 of the receipt';
comment on column source_events.source_id is 'a row of sources; of an app event the client_id';
comment on column source_events.account is 'connected account; '''': the source''s own';
comment on column source_events.event_id is 'Stripe''s, or the hash of the body where that is no identity';
comment on column source_events.lane is 'hash of the customer: events of one lane are normalised one after another';
comment on column source_events.created_at is 'Stripe''s `created`, of any year';
comment on column source_events.reason_code is 'why it is ignored, held or failed';
comment on column source_events.held_for is 'the missing facts';
comment on column source_events.due_at is 'when the normaliser looks at it next; null: done';

comment on table source_event_bodies is 'The raw bytes of a source event, as they were signed. Partitioned by the day of the receipt.';

comment on table objects is 'The latest snapshot of every Stripe object that a mapping reads, and what mappings remember of it.';
comment on column objects.kind is 'Stripe''s `object`';
comment on column objects.snapshot is 'json and not jsonb, which refuses \u0000 in Stripe''s texts';
comment on column objects.memory is 'flags and occasions: see src/language/memory.ts';

comment on table users is 'The client''s customers.';
comment on column users.client_user_id is 'the client''s own id; null: not known yet';
comment on column users.registered is 'by the API; false: first seen in an event';
comment on table user_customers is 'Which Stripe customers a user is.';
comment on column user_customers.customer_id is 'Stripe''s customer, account, or Checkout session without a customer';

comment on table holds is 'Deadlines of facts that source events wait for. After it nobody waits for the fact again.';

comment on table events is 'Our events, normalised: one for each happening and contract.';
comment on column events.id is 'UUIDv7';
comment on column events.key is 'the business key, see emissions';
comment on column events.position is 'order among the events of one source event';
comment on table event_bodies is 'The wire body of an event, without the delivery''s own id. It expires before the event does.';
comment on table emissions is 'Business keys of events: each is emitted once, whatever is retried or crashes.';

comment on table endpoints is 'A client''s URLs, with the events that each wants and how they are sent.';
comment on column endpoints.event_types is '`family.*` or full names; null: all';
comment on column endpoints.headers is 'empty: once plain text, see sealed_headers';
comment on column endpoints.sealed_headers is 'headers added to each delivery, as encrypted JSON';
comment on column endpoints.retry_schedule is 'seconds; null: the contract''s';
comment on column endpoints.secrets is 'newest first: [{secret: <encrypted>, until: <time or null>}]';
comment on column endpoints.deleted_at is 'the row stays, so that history can be read';
comment on column endpoints.version is 'raised by each change: pumps read again what has a new one';
comment on column endpoints.tls is '{ca, certificate, key} in PEM, the key encrypted; null: the public authorities';
comment on column endpoints.max_in_flight is 'attempts at once';
comment on column endpoints.rate_limit is '{count, seconds}: attempts started in any such span; null: no limit';
comment on column endpoints.ordering is '`user`: an event waits until the earlier ones of its user have ended';

comment on table endpoint_health is 'How the latest attempts of an endpoint ended: what its circuit breaker and its disabling are decided by.';
comment on column endpoint_health.version is 'of the endpoint: attempts of an older one are not counted';
comment on column endpoint_health.recent is '[[start of half a minute in ms since 1970, attempts, failures], ...]';
comment on column endpoint_health.failing_since is 'start of the first failure in a row; null: the last was none';
comment on column endpoint_health.failures is 'in a row';
comment on column endpoint_health.opened_at is 'since when the breaker is open';
comment on column endpoint_health.probe_at is 'when one attempt tries whether it still fails';
comment on column endpoint_health.told is 'an operational event has said that it fails';
comment on column endpoint_health.starts is 'of attempts that count for the rate limit, in ms since 1970';
comment on table endpoint_news is 'Changes of endpoints that become operational events, written with the change itself.';
comment on column endpoint_news.since is 'which row of failures or recovery: each is news once';
comment on column endpoint_news.about is 'more, for the operational event';
comment on column endpoint_news.state is '`withheld`: too many of the kind within the hour';

comment on table deliveries is 'One event on its way to one endpoint.';
comment on column deliveries.id is 'UUIDv7; Flo''s eventId on the wire';
comment on column deliveries.origin is 'the fan-out, else the id of the resend or replay';
comment on column deliveries.reason is 'why it is skipped or cancelled';
comment on column deliveries.excused is 'attempts that our own proxy failed: they use up nothing of the schedule';
comment on column deliveries.user_id is 'whose event it is, where the event says so';
comment on table attempts is 'One HTTP try of a delivery. Of the answer a short prefix is kept.';
comment on column attempts.status is 'of HTTP; null: no answer came';
comment on column attempts.error is 'timeout, dns, connection, tls, blocked, proxy';
comment on column attempts.signature is 'the signature header that was sent';
comment on table pending_floor is 'No delivery of an event before this one is pending: pumps read only the days from here on.';

comment on table workers is 'The processes at work. Each holds the advisory lock of its row for as long as it lives.';
comment on column workers.graphile_pool is 'by which Graphile Worker locks the jobs of this process';
comment on column workers.key_ids is 'its FLO_ENCRYPTION_KEYS: nothing may be encrypted with a key that a worker lacks';
comment on table leases is 'Which worker has which unit of work: `endpoint:<id>`, `lane:<n>` and others.';

comment on table idempotency_keys is 'Answers to POSTs with an Idempotency-Key, for 24 hours.';
comment on column idempotency_keys.reply is 'encrypted, since it may hold a secret';

comment on table checkouts is 'Checkouts that a client registered before it sent its user to Stripe, so that ids are known beforehand.';
comment on column checkouts.stripe_session_id is 'cs_...; null: not known yet';
comment on column checkouts.items is '[{uuid, id, name, description, quantity, currency, amount, total, metadata}]';
comment on column checkouts.subscriptions is '[{uuid, id, metadata}]';

comment on table invoice_dues is 'Timers of open invoices: when we call one overdue, unless Stripe does so before.';
comment on column invoice_dues.lane is 'of the source event that the timer makes; so are account and livemode';

comment on table hydrations is 'What a webhook does not carry and is fetched from Stripe, where the source has an API key.';
comment on column hydrations.need is '`product:prod_1`, `line_items:cs_1`, `thin:evt_1`: see mappings/hydrate.ts';
comment on column hydrations.account is 'the connected account that it belongs to';
comment on column hydrations.paths is 'tried in order: the first that Stripe knows is the answer';
comment on column hydrations.list is 'all pages of a list, as one';
comment on column hydrations.essential is 'no event without it: fetched also after source events stopped waiting';
comment on column hydrations.api_version is 'of the event that needs it';
comment on column hydrations.wait_until is 'until then source events wait for it';
comment on column hydrations.give_up_at is 'until then it is tried';
comment on column hydrations.ask_again_at is 'from when a later event has it fetched again; null: never';
comment on column hydrations.fetched_at is 'by Stripe''s clock where it says so';
comment on table hydration_circuits is 'Circuit breakers of calls to Stripe, one for each source whose calls fail.';
comment on column hydration_circuits.open_until is 'no call before; then one tries';

comment on table backfills is 'Runs over Stripe''s list of events that receive what did not arrive, from the oldest on.';
comment on column backfills.id is 'UUIDv7';
comment on column backfills.account is 'connected account; '''': the source''s own';
comment on column backfills.since is 'by Stripe''s `created`, whole seconds; `until` is excluded';
comment on column backfills.types is 'null: all';
comment on column backfills.delivery_success is 'whether Stripe could deliver them; null: either';
comment on column backfills.read_until is 'what was created before is read: where it goes on after a crash';
comment on column backfills.counts is '{<type>: {listed, known, new, refused}}';
comment on column backfills.failures is 'calls in a row that did not get through';

comment on table replays is 'Runs that deliver events to one endpoint again: those that failed, are missing, or all of a time.';
comment on column replays.id is 'UUIDv7; the origin of its deliveries';
comment on column replays.since is 'when the events were made; null: from the first on';
comment on column replays.until is 'excluded; null: until the replay was asked for';
comment on column replays.event_types is 'names and families; null: all that the endpoint takes';
comment on column replays.found is 'null: still being counted';
comment on column replays.replayed is 'deliveries made';
comment on column replays.skipped is 'found, but no longer to be replayed when their turn came';
comment on column replays.expired is 'found no more, since their bodies are past retention';
comment on column replays.reached is 'the last event that was looked at: where it goes on after a crash';
comment on column replays.upto is 'the event before which it ends';

comment on table alarms is 'Conditions that go on and were reported, so that each is reported once, whichever process notices it.';
comment on column alarms.type is 'of the operational event';
comment on column alarms.subject is 'what of the client it is about, e.g. `<source> <code>`';

comment on table retention is 'What is older than `before` may be gone. The time moves first, and rows go a while later.';
comment on table purges is 'How far the rows of tables without partitions are checked against their retention, client by client.';
comment on column purges.client_id is 'where it goes on; null: the round has ended';
comment on column purges.reached is 'the last key of that client that was checked';

comment on table migrations is 'The migrations of sql/ that have run.';
comment on table schema_compatibility is 'The oldest program that can work with the schema after each migration: docs/migrations.md.';

insert into schema_compatibility (migration, oldest_program) values ('000021_comments', '0.1.0');
