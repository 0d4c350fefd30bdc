import type { Registry } from 'prom-client'
import type { Attempted, Watch } from '../watch.ts'
import { counter, histogram } from './tally.ts'

// Seconds. Inside the gateway things take milliseconds, at a client's endpoint up to its time-out, on the whole way a retry
// schedule of days.
const INSIDE_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const ATTEMPT_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60]
const WAY_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86_400]
const BATCH_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 240]

/** Counts what the rooms tell. Labels are kinds and codes of ours, never ids: their number has a bound. */
export function createCounters(registry: Registry): Omit<Required<Watch>, 'changed'> {
  const webhooks = counter(registry, {
    name: 'flo_webhooks_total',
    help: 'Webhooks answered, by result: accepted, duplicate, refused.',
    labels: ['result'],
    zero: [['accepted'], ['duplicate'], ['refused']],
  })
  const refused = counter(registry, {
    name: 'flo_webhooks_refused_total',
    help: 'Webhooks refused, by the code that was answered (docs/errors.md).',
    labels: ['code'],
    zero: [['signature_invalid'], ['unavailable']],
  })
  const webhookSeconds = histogram(registry, {
    name: 'flo_webhook_duration_seconds',
    help: 'From a webhook to its answer, which for an accepted one comes after the commit.',
    buckets: INSIDE_BUCKETS,
  })
  const sourceEvents = counter(registry, {
    name: 'flo_source_events_total',
    help: 'Source events offered to the store, by the way they came (stripe, app, backfill, timer) and result (stored, duplicate).',
    labels: ['via', 'result'],
    zero: [
      ['stripe', 'stored'],
      ['app', 'stored'],
    ],
  })
  const outcomes = counter(registry, {
    name: 'flo_normalize_outcomes_total',
    help: 'What source events became, by state (normalized, ignored, held, failed) and reason code; one that was held is counted once more when it goes on.',
    labels: ['state', 'code'],
    zero: [
      ['normalized', ''],
      ['failed', 'unmapped_value'],
    ],
  })
  const events = counter(registry, {
    name: 'flo_events_total',
    help: 'Events made, by contract and type.',
    labels: ['contract', 'type'],
  })
  const normalizeLatency = histogram(registry, {
    name: 'flo_normalize_latency_seconds',
    help: 'From the receipt of a source event to what it became, waiting for missing facts included.',
    buckets: WAY_BUCKETS,
  })
  const batchSize = histogram(registry, {
    name: 'flo_normalize_batch_events',
    help: 'Source events in one transaction of the normaliser.',
    buckets: BATCH_BUCKETS,
  })
  const batchSeconds = histogram(registry, {
    name: 'flo_normalize_batch_duration_seconds',
    help: 'How long a transaction of the normaliser takes, fan-out included.',
    buckets: INSIDE_BUCKETS,
  })
  const attempts = counter(registry, {
    name: 'flo_attempts_total',
    help: 'HTTP tries, by contract and outcome: delivered, refused_3xx, refused_4xx, refused_5xx, gone (410), or why no status came: timeout, dns, connection, tls, blocked, proxy.',
    labels: ['contract', 'outcome'],
  })
  const attemptSeconds = histogram(registry, {
    name: 'flo_attempt_duration_seconds',
    help: 'From the start of a try to its status line, or to its failure.',
    labels: ['contract'],
    buckets: ATTEMPT_BUCKETS,
  })
  const way = histogram(registry, {
    name: 'flo_delivery_latency_seconds',
    help: 'From the receipt of a source event to its delivery, retries included; resends and replays are not counted.',
    labels: ['contract'],
    buckets: WAY_BUCKETS,
  })
  const exhausted = counter(registry, {
    name: 'flo_deliveries_exhausted_total',
    help: 'Deliveries that failed for good: their schedule has no further attempt.',
    labels: ['contract'],
  })

  const requests = counter(registry, {
    name: 'flo_api_requests_total',
    help: 'Requests to the management API, by method, route and status.',
    labels: ['method', 'route', 'status'],
  })
  const requestSeconds = histogram(registry, {
    name: 'flo_api_request_duration_seconds',
    help: 'From a request to the management API to its answer.',
    buckets: INSIDE_BUCKETS,
  })

  const told = counter(registry, {
    name: 'flo_operational_events_total',
    help: 'Operational events told, by type (docs/operations.md).',
    labels: ['type'],
  })

  return {
    answered({ code, duplicate, seconds }) {
      webhooks.add(1, code ? 'refused' : duplicate ? 'duplicate' : 'accepted')
      if (code) refused.add(1, code)
      webhookSeconds.observe(seconds)
    },
    kept({ via, events: stored, duplicates }) {
      if (stored.length > 0) sourceEvents.add(stored.length, via, 'stored')
      if (duplicates > 0) sourceEvents.add(duplicates, via, 'duplicate')
    },
    normalized({ outcomes: ended, events: made, startedAt, committedAt }) {
      batchSize.observe(ended.length)
      batchSeconds.observe((committedAt - startedAt) / 1000)
      for (const { state, code, receivedAt } of ended) {
        outcomes.add(1, state, code ?? '')
        if (state !== 'held') normalizeLatency.observe(secondsBetween(receivedAt.getTime(), committedAt))
      }
      for (const { contract, type } of made) events.add(1, contract, type)
    },
    attempted(attempt) {
      const { contract, durationMs, isFannedOut, isLast, outcome, sourceEventId, startedAt } = attempt
      attempts.add(1, contract, outcomeClass(attempt))
      attemptSeconds.observe(durationMs / 1000, contract)
      if (outcome !== 'delivered') {
        if (isLast && outcome !== 'gone') exhausted.add(1, contract)
      } else if (isFannedOut && sourceEventId !== null)
        way.observe(secondsBetween(millisecondsOf(sourceEventId), startedAt + durationMs), contract)
    },
    told({ type }) {
      told.add(1, type)
    },
    requested({ method, route, status, seconds }) {
      requests.add(1, method, route, String(status))
      requestSeconds.observe(seconds)
    },
  }
}

const outcomeClass = ({ outcome, status }: Attempted): string =>
  outcome === 'refused' ? (STATUS_CLASSES[Math.floor((status ?? 0) / 100)] ?? 'refused_other') : outcome
const STATUS_CLASSES: Readonly<Record<number, string>> = { 3: 'refused_3xx', 4: 'refused_4xx', 5: 'refused_5xx' }

// The clocks of two machines, or of the database, may differ a little.
const secondsBetween = (start: number, end: number) => Math.max(0, end - start) / 1000

/** Milliseconds since 1970 at which a UUIDv7 was made. */
const millisecondsOf = (id: string) => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
