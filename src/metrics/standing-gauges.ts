import type { GaugeReading } from './gauges.ts'
import type { Standing } from './standing.ts'

/** One gauge that is read from the database: `label` where it has a value for each of a few kinds. */
interface StandingGauge {
  name: string
  help: string
  label?: string
  read: (standing: Standing) => GaugeReading
}

export const STANDING_GAUGES: readonly StandingGauge[] = [
  {
    name: 'flo_deliveries_pending',
    help: 'Deliveries that wait, by when they are due (now, later); 1000000 stands for that many and more.',
    label: 'due',
    read: ({ pending }) => pending,
  },
  {
    name: 'flo_deliveries_oldest_due_seconds',
    help: 'How long the longest waiting delivery is past its time, by the breaker of its endpoint (closed, open); 0: none is.',
    label: 'breaker',
    read: ({ oldestDue }) => oldestDue,
  },
  {
    name: 'flo_endpoint_breakers',
    help: 'Enabled endpoints by the state of their breaker (closed, open).',
    label: 'state',
    read: ({ breakers }) => breakers,
  },
  {
    name: 'flo_endpoints',
    help: 'Endpoints by status: enabled, or why they are disabled (manual, gone, failing).',
    label: 'status',
    read: ({ endpoints }) => endpoints,
  },
  {
    name: 'flo_source_events_open',
    help: 'Source events that wait (received, held) or need somebody (failed, unrouted); 1000000 stands for that many and more.',
    label: 'state',
    read: ({ sourceEvents }) => sourceEvents,
  },
  {
    name: 'flo_source_events_oldest_due_seconds',
    help: 'How long the longest waiting source event is past its time; 0: none is.',
    read: ({ oldestSourceEvent }) => oldestSourceEvent,
  },
  {
    name: 'flo_source_events_stuck',
    help: 'Source events that nobody takes up for a minute since they were due, while later ones got through; of each lane 50 at most.',
    read: ({ stuckSourceEvents }) => stuckSourceEvents,
  },
  {
    name: 'flo_runs',
    help: 'Long runs under way, by kind (backfill, replay).',
    label: 'kind',
    read: ({ running }) => running,
  },
  {
    name: 'flo_hydrations_pending',
    help: 'What is to be fetched from Stripe.',
    read: ({ hydrations }) => hydrations.pending,
  },
  {
    name: 'flo_hydration_circuits_open',
    help: 'Sources whose calls to Stripe fail, so that none is made for a time.',
    read: ({ hydrations }) => hydrations.circuitsOpen,
  },
  {
    name: 'flo_sources_signature_failing',
    help: 'Sources whose webhooks are refused for their signatures, and none is right.',
    read: ({ signaturesFailing }) => signaturesFailing,
  },
  {
    name: 'flo_workers',
    help: 'Processes that are registered, by role (receive, work, api).',
    label: 'role',
    read: ({ workers }) => workers,
  },
  {
    name: 'flo_partition_days_ahead',
    help: 'Whole days after today for which every partition is made; rows of a day without one go into the default partition.',
    read: ({ partitionDays }) => partitionDays,
  },
]
