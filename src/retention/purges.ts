import type { RetainedKind } from '../database/retention-horizons.ts'
import type { RowPurge } from './rows.ts'

const DAY_MS = 86_400_000

/**
 * Business keys prevent a happening from becoming two events. They are kept far longer than Stripe can send or list an event
 * again (30 days), and longer than the source events that detect duplicates.
 */
export const EMISSION_DAYS = 400
/**
 * Stripe objects of kinds that come to an end, and what was counted of them, are deleted after so many days without an event.
 * Customers, subscriptions, products and prices stay: their next event may be years away.
 */
export const OBJECT_DAYS = 800
const ENDING_KINDS = ['invoice', 'charge', 'payment_intent', 'checkout.session', 'credit_note', 'link', 'tally']

/** The same for what a source that routes knows of them, by the beginnings of their ids. */
const ENDING_ID_SQL = `object_id ~ '^(@[^/]*/)?(in|ch|py|pi|cs|cn|re|pyr)_'`

const ID_KEY: RowPurge['keys'] = [['id', 'uuid']]
const OLDER_ID_SQL = 'id < uuid7_floor($2)'
const pendingDeliverySql = (event: string) =>
  `exists (select from deliveries d where d.client_id = $1 and d.event_id = ${event} and d.state = 'pending')`

/** The deletions that are due: those of the horizons, and those with an age of their own. Rounds of one name continue one another. */
export function purgesPast(horizons: Partial<Record<RetainedKind, Date>>, now: Date, metadataDays: number): RowPurge[] {
  const { payload, metadata } = horizons
  const daysAgo = (days: number) => new Date(now.getTime() - Math.max(days, metadataDays) * DAY_MS)
  return [
    ...(payload ? payloadPurges(payload) : []),
    ...(metadata ? metadataPurges(metadata) : []),
    {
      name: 'emissions',
      table: 'emissions',
      keys: [
        ['contract', 'text'],
        ['key', 'text'],
      ],
      old: 'event_id < uuid7_floor($2)',
      before: daysAgo(EMISSION_DAYS),
    },
    {
      name: 'objects',
      table: 'objects',
      keys: [
        ['source_id', 'uuid'],
        ['object_id', 'text'],
      ],
      old: `(updated_at < $2 and kind in (${ENDING_KINDS.map((kind) => `'${kind}'`)}))`,
      before: daysAgo(OBJECT_DAYS),
    },
    {
      name: 'routed_objects',
      table: 'routed_objects',
      keys: [
        ['source_id', 'uuid'],
        ['object_id', 'text'],
      ],
      // An object that was only waited for is of no use once nothing waits for it.
      old: `(updated_at < $2 and (name is null or ${ENDING_ID_SQL}))`,
      before: daysAgo(OBJECT_DAYS),
    },
  ]
}

const payloadPurges = (before: Date): RowPurge[] => [
  {
    name: 'hydrations',
    table: 'hydrations',
    keys: [
      ['source_id', 'uuid'],
      ['need', 'text'],
    ],
    old: `(asked_at < $2 and state <> 'pending')`,
    before,
  },
  {
    name: 'source_event_bodies_default',
    table: 'source_event_bodies_default',
    keys: [['source_event_id', 'uuid']],
    within: 'source_event_id < uuid7_floor($2)',
    old: `not exists (select from source_events e
                       where e.client_id = $1 and e.id = source_event_id and e.due_at is not null)`,
    before,
  },
  {
    name: 'event_bodies_default',
    table: 'event_bodies_default',
    keys: [['event_id', 'uuid']],
    within: 'event_id < uuid7_floor($2)',
    old: `not ${pendingDeliverySql('event_bodies_default.event_id')}`,
    before,
  },
  {
    name: 'attempts_default',
    table: 'attempts_default',
    keys: [
      ['event_id', 'uuid'],
      ['delivery_id', 'uuid'],
      ['number', 'int'],
    ],
    within: 'event_id < uuid7_floor($2)',
    old: `not ${pendingDeliverySql('attempts_default.event_id')}`,
    before,
  },
]

const metadataPurges = (before: Date): RowPurge[] => [
  // A source event that waits for the normaliser is unfinished work, however old.
  { name: 'source_events', table: 'source_events', keys: ID_KEY, within: OLDER_ID_SQL, old: 'due_at is null', before },
  // With what they are of: a duplicate is known for as long as its source event is.
  {
    name: 'routings',
    table: 'routings',
    keys: [
      ['event_id', 'text'],
      ['source_id', 'uuid'],
      ['account', 'text'],
      ['livemode', 'boolean'],
    ],
    old: '(source_event_id < uuid7_floor($2) and due_at is null)',
    before,
  },
  {
    name: 'routing_waits',
    table: 'routing_waits',
    keys: [
      ['source_id', 'uuid'],
      ['key', 'text'],
      ['source_event_id', 'uuid'],
    ],
    old: `(source_event_id < uuid7_floor($2) and not exists (
             select from routings r where r.client_id = $1 and r.source_event_id = routing_waits.source_event_id
                                      and r.state in ('waiting', 'unrouted')))`,
    before,
  },
  { name: 'replays', table: 'replays', keys: ID_KEY, within: OLDER_ID_SQL, old: `state <> 'running'`, before },
  { name: 'backfills', table: 'backfills', keys: ID_KEY, within: OLDER_ID_SQL, old: `state <> 'running'`, before },
  {
    name: 'holds',
    table: 'holds',
    keys: [
      ['source_id', 'uuid'],
      ['fact', 'text'],
    ],
    old: 'until < $2',
    before,
  },
  {
    name: 'deliveries_default',
    table: 'deliveries_default',
    keys: [
      ['event_id', 'uuid'],
      ['id', 'uuid'],
    ],
    within: 'event_id < uuid7_floor($2)',
    old: `state <> 'pending'`,
    before,
  },
  {
    name: 'events_default',
    table: 'events_default',
    keys: ID_KEY,
    within: OLDER_ID_SQL,
    old: `not ${pendingDeliverySql('events_default.id')}`,
    before,
  },
]
