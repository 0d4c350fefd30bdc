import type { EndedAttempt, NormalizedBatch, StoredBatch } from '../watch.ts'
import { spanIdOf, traceIdOf } from './ids.ts'
import type { SpanRecord } from './spans.ts'

// What the rooms report, as spans.

export const receiveSpans = ({ via, events, committedAt }: StoredBatch): SpanRecord[] =>
  events.map(({ id, clientId, sourceId, eventId, type, arrivedAt }) => ({
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
  }))

export function normalizeSpans({ startedAt, committedAt, outcomes, events }: NormalizedBatch): SpanRecord[] {
  const eventsOf = Map.groupBy(events, ({ sourceEventId }) => sourceEventId)
  return outcomes.map(({ clientId, id, type, state, code, message }) => ({
    name: 'normalize',
    kind: 'internal',
    traceId: traceIdOf(id),
    // One that is held is normalised again; events are made once.
    ...(eventsOf.has(id) && { spanId: spanIdOf('normalize', id) }),
    parentId: spanIdOf('receive', id),
    startedAt,
    endedAt: committedAt,
    attributes: {
      'flo.source_event.id': id,
      'flo.source_event.type': type,
      'flo.client.id': clientId,
      'flo.state': state,
      'flo.reason': code ?? undefined,
      'flo.events': eventsOf.get(id)?.length ?? 0,
    },
    error: state === 'failed' ? (message ?? undefined) : undefined,
  }))
}

export function fanOutSpans({ fanOut, events }: NormalizedBatch): SpanRecord[] {
  if (!fanOut) return []
  return events.map(({ clientId, id, sourceEventId, contract, type }) => ({
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
  }))
}

export function attemptSpan(attempt: EndedAttempt): SpanRecord {
  const { eventId, sourceEventId, outcome, status, startedAt, durationMs } = attempt
  return {
    name: 'attempt',
    kind: 'client',
    // An attempt without a source event, of a test event say, is a trace of its own.
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
  }
}
