import { DiagLogLevel, diag } from '@opentelemetry/api'
import type { Log } from '../log.ts'
import type { Watch } from '../watch.ts'
import { spanIdOf, traceIdOf } from './ids.ts'
import { createSpanSender, type SpanRecord } from './spans.ts'

interface TracesDeps {
  /** The receiver's base URL: spans go to `<url>/v1/traces`. */
  url: string
  serviceName: string
  tracedShare: number
  version: string
  log: Log
}

/** A receiver of traces that is away must not keep the process from ending. */
const STOP_MS = 5_000

/**
 * Traces of what the rooms tell: receive, normalize, fan out, attempt, one trace for each source event. `stop` sends what is
 * left. A receiver that is down costs traces, and a line in the log, but no event.
 */
export function startTraces({ url, serviceName, tracedShare, version, log }: TracesDeps) {
  const logWarning = (message: string) => log.warn({ message }, 'traces.trouble')
  const ignoreMessage = () => {}
  diag.setLogger(
    { error: logWarning, warn: logWarning, info: ignoreMessage, debug: ignoreMessage, verbose: ignoreMessage },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
  const spans = createSpanSender({ url, serviceName, version, share: tracedShare })
  return {
    watch: createTraceWatch(spans.sendSpan),
    async stop() {
      let timer: NodeJS.Timeout | undefined
      const timeout = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, STOP_MS)
      })
      await Promise.race([spans.stop(), timeout])
      clearTimeout(timer)
    },
  }
}

/** What was told, as spans. */
const createTraceWatch = (send: (happened: SpanRecord) => void): Watch => ({
  onSourceEventsStored({ via, events, committedAt }) {
    for (const { id, clientId, sourceId, eventId, type, arrivedAt } of events)
      send({
        name: 'receive',
        kind: 'server',
        traceId: traceIdOf(id),
        spanId: spanIdOf('receive', id),
        startedAt: arrivedAt,
        endedAt: committedAt,
        attributes: {
          'flo.source_event.id': id,
          'flo.source_event.type': type,
          'flo.source_event.event_id': eventId,
          'flo.source.id': sourceId,
          'flo.client.id': clientId,
          'flo.via': via,
        },
      })
  },
  onBatchNormalized({ clientId, startedAt, committedAt, fanOut, outcomes, events }) {
    const made = Map.groupBy(events, ({ sourceEventId }) => sourceEventId)
    for (const { id, type, state, code, message } of outcomes)
      send({
        name: 'normalize',
        kind: 'internal',
        traceId: traceIdOf(id),
        // One that is held is looked at again; events are made once.
        ...(made.has(id) && { spanId: spanIdOf('normalize', id) }),
        parentId: spanIdOf('receive', id),
        startedAt,
        endedAt: committedAt,
        attributes: {
          'flo.source_event.id': id,
          'flo.source_event.type': type,
          'flo.client.id': clientId,
          'flo.state': state,
          'flo.reason': code ?? undefined,
          'flo.events': made.get(id)?.length ?? 0,
        },
        error: state === 'failed' ? (message ?? undefined) : undefined,
      })
    if (!fanOut) return
    for (const { id, sourceEventId, contract, type } of events)
      send({
        name: 'fan out',
        kind: 'producer',
        traceId: traceIdOf(sourceEventId),
        spanId: spanIdOf('fan out', id),
        parentId: spanIdOf('normalize', sourceEventId),
        startedAt: fanOut.startedAt,
        endedAt: fanOut.endedAt,
        attributes: {
          'flo.event.id': id,
          'flo.event.type': type,
          'flo.contract': contract,
          'flo.client.id': clientId,
        },
      })
  },
  onAttemptEnded(attempt) {
    const { eventId, sourceEventId, outcome, status, startedAt, durationMs } = attempt
    send({
      name: 'attempt',
      kind: 'client',
      // What no source event led to, a test event say, is a trace of its own.
      traceId: traceIdOf(sourceEventId ?? eventId),
      ...(sourceEventId !== null && { parentId: spanIdOf('fan out', eventId) }),
      startedAt,
      endedAt: startedAt + durationMs,
      attributes: {
        'flo.event.id': eventId,
        'flo.event.type': attempt.eventType,
        'flo.contract': attempt.contract,
        'flo.client.id': attempt.clientId,
        'flo.endpoint.id': attempt.endpointId,
        'flo.delivery.id': attempt.deliveryId,
        'flo.attempt': attempt.number,
        'flo.outcome': outcome,
        'http.request.method': 'POST',
        'http.response.status_code': status ?? undefined,
      },
      error: outcome === 'delivered' ? undefined : outcome,
    })
  },
})
