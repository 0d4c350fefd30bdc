import { Counter, Histogram, type Registry } from 'prom-client'
import type { EndedAttempt, Watch } from '../watch.ts'

// Seconds. Inside the gateway things take milliseconds, at a client's endpoint up to its time-out, and from receipt to delivery
// up to the days of a retry schedule.
const INSIDE_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const ATTEMPT_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60]
const END_TO_END_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86_400]
const BATCH_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 240, 480]

/** Counts what the rooms report. Labels are our own kinds and codes, never ids, so the number of series is bounded. */
export const createCounters = (registry: Registry): Omit<Required<Watch>, 'onEndpointChanged'> => ({
  ...createReceiveCounters(registry),
  ...createNormalizeCounters(registry),
  ...createDeliveryCounters(registry),
  ...createApiCounters(registry),
})

/** Shows these series from the start: a rate does not see the first event of a series that begins with it. */
function showZeros(counter: Counter, ...series: readonly string[][]): void {
  for (const labels of series) counter.labels(...labels).inc(0)
}

function createReceiveCounters(
  registry: Registry,
): Pick<Required<Watch>, 'onWebhookAnswered' | 'onSourceEventsStored' | 'onEventsRouted'> {
  const registers = [registry]
  const webhooks = new Counter({
    name: 'flo_webhooks_total',
    help: 'Webhooks answered, by result: accepted, duplicate, refused.',
    labelNames: ['result'],
    registers,
  })
  showZeros(webhooks, ['accepted'], ['duplicate'], ['refused'])
  const refused = new Counter({
    name: 'flo_webhooks_refused_total',
    help: 'Webhooks refused, by the code that was answered (docs/errors.md).',
    labelNames: ['code'],
    registers,
  })
  showZeros(refused, ['signature_invalid'], ['unavailable'])
  const webhookSeconds = new Histogram({
    name: 'flo_webhook_duration_seconds',
    help: 'From a webhook to its answer, which for an accepted one comes after the commit.',
    buckets: INSIDE_BUCKETS,
    registers,
  })
  const sourceEvents = new Counter({
    name: 'flo_source_events_total',
    help: 'Source events offered to the store, by the way they came (stripe, app, backfill, timer) and result (stored, duplicate).',
    labelNames: ['via', 'result'],
    registers,
  })
  showZeros(sourceEvents, ['stripe', 'stored'], ['app', 'stored'])
  const routed = new Counter({
    name: 'flo_routed_source_events_total',
    help: 'Source events of sources that route, by what became of them: routed, shared, waiting, unrouted; one that waited, or was unrouted, is counted once more when its client is known.',
    labelNames: ['state'],
    registers,
  })
  showZeros(routed, ['routed'], ['shared'], ['waiting'], ['unrouted'])
  return {
    onWebhookAnswered({ code, duplicate, seconds }) {
      webhooks.labels(code ? 'refused' : duplicate ? 'duplicate' : 'accepted').inc()
      if (code) refused.labels(code).inc()
      webhookSeconds.observe(seconds)
    },
    onSourceEventsStored({ via, events, duplicates }) {
      if (events.length > 0) sourceEvents.labels(via, 'stored').inc(events.length)
      if (duplicates > 0) sourceEvents.labels(via, 'duplicate').inc(duplicates)
    },
    onEventsRouted(events) {
      for (const { state } of events) routed.labels(state).inc()
    },
  }
}

function createNormalizeCounters(registry: Registry): Pick<Required<Watch>, 'onBatchNormalized'> {
  const registers = [registry]
  const outcomeCounter = new Counter({
    name: 'flo_normalize_outcomes_total',
    help: 'What source events became, by state (normalized, ignored, held, failed) and reason code (lines_untold: sent in part); one that was held is counted once more when it goes on.',
    labelNames: ['state', 'code'],
    registers,
  })
  showZeros(outcomeCounter, ['normalized', ''], ['failed', 'unmapped_value'])
  const eventCounter = new Counter({
    name: 'flo_events_total',
    help: 'Events made, by contract and type.',
    labelNames: ['contract', 'type'],
    registers,
  })
  const latency = new Histogram({
    name: 'flo_normalize_latency_seconds',
    help: 'From the receipt of a source event to what it became, waiting for missing facts included.',
    buckets: END_TO_END_BUCKETS,
    registers,
  })
  const batchSize = new Histogram({
    name: 'flo_normalize_batch_events',
    help: 'Source events in one transaction of the normaliser.',
    buckets: BATCH_BUCKETS,
    registers,
  })
  const batchSeconds = new Histogram({
    name: 'flo_normalize_batch_duration_seconds',
    help: 'How long a transaction of the normaliser takes, fan-out included.',
    buckets: INSIDE_BUCKETS,
    registers,
  })
  return {
    onBatchNormalized({ outcomes, events, startedAt, committedAt }) {
      batchSize.observe(outcomes.length)
      batchSeconds.observe((committedAt - startedAt) / 1000)
      for (const { state, code, receivedAt } of outcomes) {
        outcomeCounter.labels(state, code ?? '').inc()
        if (state !== 'held') latency.observe(secondsBetween(receivedAt.getTime(), committedAt))
      }
      for (const { contract, type } of events) eventCounter.labels(contract, type).inc()
    },
  }
}

function createDeliveryCounters(registry: Registry): Pick<Required<Watch>, 'onAttemptEnded'> {
  const registers = [registry]
  const labelNames = ['contract']
  const attempts = new Counter({
    name: 'flo_attempts_total',
    help: 'HTTP tries, by contract and outcome: delivered, refused_3xx, refused_4xx, refused_5xx, gone (410), or why no status came: timeout, dns, connection, tls, blocked, proxy, gateway.',
    labelNames: ['contract', 'outcome'],
    registers,
  })
  const attemptSeconds = new Histogram({
    name: 'flo_attempt_duration_seconds',
    help: 'From the start of a try to its status line, or to its failure.',
    labelNames,
    buckets: ATTEMPT_BUCKETS,
    registers,
  })
  const latency = new Histogram({
    name: 'flo_delivery_latency_seconds',
    help: 'From the receipt of a source event to its delivery, retries included; resends and replays are not counted.',
    labelNames,
    buckets: END_TO_END_BUCKETS,
    registers,
  })
  const exhausted = new Counter({
    name: 'flo_deliveries_exhausted_total',
    help: 'Deliveries that failed for good: their schedule has no further attempt.',
    labelNames,
    registers,
  })
  return {
    onAttemptEnded(attempt) {
      const { contract, durationMs, isFannedOut, isLast, outcome, sourceEventId, startedAt } = attempt
      attempts.labels(contract, outcomeClass(attempt)).inc()
      attemptSeconds.labels(contract).observe(durationMs / 1000)
      if (outcome !== 'delivered') {
        if (isLast && outcome !== 'gone') exhausted.labels(contract).inc()
      } else if (isFannedOut && sourceEventId !== null)
        latency.labels(contract).observe(secondsBetween(millisecondsOf(sourceEventId), startedAt + durationMs))
    },
  }
}

function createApiCounters(
  registry: Registry,
): Pick<Required<Watch>, 'onApiRequestAnswered' | 'onOperationalEventCreated'> {
  const registers = [registry]
  const requests = new Counter({
    name: 'flo_api_requests_total',
    help: 'Requests to the management API, by method, route and status.',
    labelNames: ['method', 'route', 'status'],
    registers,
  })
  const requestSeconds = new Histogram({
    name: 'flo_api_request_duration_seconds',
    help: 'From a request to the management API to its answer.',
    buckets: INSIDE_BUCKETS,
    registers,
  })
  const operationalEvents = new Counter({
    name: 'flo_operational_events_total',
    help: 'Operational events told, by type (docs/operations.md).',
    labelNames: ['type'],
    registers,
  })
  return {
    onApiRequestAnswered({ method, route, status, seconds }) {
      requests.labels(method, route, String(status)).inc()
      requestSeconds.observe(seconds)
    },
    onOperationalEventCreated({ type }) {
      operationalEvents.labels(type).inc()
    },
  }
}

const outcomeClass = ({ outcome, status }: EndedAttempt): string =>
  outcome === 'refused' ? (STATUS_CLASSES[Math.floor((status ?? 0) / 100)] ?? 'refused_other') : outcome
const STATUS_CLASSES: Readonly<Record<number, string>> = { 3: 'refused_3xx', 4: 'refused_4xx', 5: 'refused_5xx' }

// The clocks of two machines, or of the database, may differ a little.
const secondsBetween = (start: number, end: number) => Math.max(0, end - start) / 1000

/** Milliseconds since 1970 at which a UUIDv7 was made. */
const millisecondsOf = (id: string) => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
