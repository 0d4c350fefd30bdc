import type { RowPurge } from '../rows.ts'
import { type DeletionStep, deleteRowsStep } from './step.ts'

type Keys = RowPurge['keys']

const EVENT: Keys = [['event_id', 'uuid']]
const ID: Keys = [['id', 'uuid']]
const SOURCE: Keys = [['source_id', 'uuid']]

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
}

/** What it takes for all of a client to go. */
export const clientSteps = (clientId: string): DeletionStep[] =>
  Object.entries(tablesOfClient).map(([table, keys]) => deleteRowsStep(clientId, { table, keys }))
