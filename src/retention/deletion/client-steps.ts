import { escapeLiteral } from 'pg'
import { OPERATOR_CLIENT } from '../../domain/ids.ts'
import type { RowPurge } from '../rows.ts'
import { type DeletionStep, deleteRowsStep } from './step.ts'

type Keys = RowPurge['keys']

const EVENT: Keys = [['event_id', 'uuid']]
const ID: Keys = [['id', 'uuid']]
const SOURCE: Keys = [['source_id', 'uuid']]
/** How one event is told from all others. */
const EVENT_IDENTITY: Keys = [
  ['event_id', 'text'],
  ['source_id', 'uuid'],
  ['account', 'text'],
  ['livemode', 'boolean'],
]

/**
 * Every table with rows of one client, and what its rows are told apart by. Those that refer to others come first, so that what
 * is left after an interruption is never taken for a loss. `clients`, `api_keys`, `sources` and `endpoints` go with the reply.
 */
export const tablesOfClient: Readonly<Record<string, Keys>> = {
  attempts: [...EVENT, ['delivery_id', 'uuid'], ['number', 'int']],
  deliveries: [...EVENT, ...ID],
  events: ID,
  event_bodies: EVENT,
  emissions: [
    ['contract', 'text'],
    ['key', 'text'],
  ],
  source_events: ID,
  source_event_bodies: [['source_event_id', 'uuid']],
  lone_attempts: [['source_event_id', 'uuid']],
  interrupted_lanes: [
    ['lane', 'smallint'],
    ['process_id', 'uuid'],
  ],
  objects: [...SOURCE, ['object_id', 'text']],
  holds: [...SOURCE, ['fact', 'text']],
  invoice_dues: [...SOURCE, ['invoice_id', 'text']],
  hydrations: [...SOURCE, ['need', 'text']],
  hydration_circuits: SOURCE,
  backfills: ID,
  replays: ID,
  checkouts: ID,
  user_customers: [['customer_id', 'text']],
  users: ID,
  forgotten: [['hash', 'bytea']],
  endpoint_health: [['endpoint_id', 'uuid']],
  endpoint_news: [
    ['endpoint_id', 'uuid'],
    ['what', 'text'],
    ['since', 'timestamptz'],
  ],
  alarms: [
    ['type', 'text'],
    ['subject', 'text'],
  ],
  // Of the operator's client, whose sources route.
  source_routes: [...SOURCE, ['value', 'text']],
  routings: [...EVENT_IDENTITY],
  routing_waits: [...SOURCE, ['key', 'text'], ['source_event_id', 'uuid']],
  routing_news: [...SOURCE, ['key', 'text']],
  routed_objects: [...SOURCE, ['object_id', 'text']],
}

/** What it takes for all of a client to go, with what sources that route know of it: `routeNames` are the values that named it. */
export const clientSteps = (clientId: string, routeNames: readonly string[] = []): DeletionStep[] => [
  ...Object.entries(tablesOfClient).map(([table, keys]) => deleteRowsStep(clientId, { table, keys })),
  deleteRowsStep(OPERATOR_CLIENT, {
    table: 'routings',
    keys: EVENT_IDENTITY,
    within: `target_id = '${clientId}'::uuid`,
  }),
  deleteRowsStep(OPERATOR_CLIENT, {
    table: 'routed_objects',
    keys: tablesOfClient.routed_objects ?? [],
    within: `name in (${[clientId, ...routeNames].map(escapeLiteral)})`,
  }),
]
