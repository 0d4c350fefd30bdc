import {
  type Attributes,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  RandomIdGenerator,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'

/** A span that has ended. Times are milliseconds since 1970. */
export interface SpanRecord {
  name: string
  kind: 'server' | 'internal' | 'producer' | 'client'
  traceId: string
  /** undefined: a random one. */
  spanId?: string
  /** undefined: it is the first of its trace. */
  parentId?: string
  startedAt: number
  endedAt: number
  attributes: Attributes
  /** What went wrong. */
  error?: string | undefined
}

/** A batch of 512 is sent as soon as it is full; above this many waiting spans are dropped, and counted in the log. */
const QUEUE_MAX = 20_000
const DELAY_MS = 2_000
const KINDS = {
  server: SpanKind.SERVER,
  internal: SpanKind.INTERNAL,
  producer: SpanKind.PRODUCER,
  client: SpanKind.CLIENT,
}

/** Sends spans to an OTLP receiver over HTTP, as JSON; of all traces the `share` (0 to 1), each whole or not at all. */
export function createSpanSender({
  url,
  serviceName,
  version,
  share,
}: {
  url: string
  serviceName: string
  version: string
  share: number
}) {
  const random = new RandomIdGenerator()
  // Ids follow from what the span is about. Starting a span asks for them synchronously.
  let next: { traceId: string; spanId: string } = { traceId: '', spanId: '' }
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName, 'service.version': version }),
    idGenerator: { generateTraceId: () => next.traceId, generateSpanId: () => next.spanId },
    // The ends of our ids are random, and all processes decide the same for a trace.
    sampler: new TraceIdRatioBasedSampler(share),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new OTLPTraceExporter({
          url: `${url.replace(/\/+$/, '')}/v1/traces`,
          // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED of the environment cannot turn it off.
          httpAgentOptions: { keepAlive: true, rejectUnauthorized: true },
        }),
        maxQueueSize: QUEUE_MAX,
        scheduledDelayMillis: DELAY_MS,
      }),
    ],
  })
  const tracer = provider.getTracer('flo-gateway', version)

  const startSpan = ({ name, kind, traceId, spanId, parentId, startedAt, attributes }: SpanRecord): Span => {
    next = { traceId, spanId: spanId ?? random.generateSpanId() }
    const parent = parentId && { traceId, spanId: parentId, traceFlags: TraceFlags.SAMPLED, isRemote: true }
    const context = parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT
    return tracer.startSpan(name, { kind: KINDS[kind], startTime: startedAt, attributes }, context)
  }
  return {
    sendSpan(happened: SpanRecord) {
      const span = startSpan(happened)
      if (happened.error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: happened.error })
      span.end(Math.max(happened.startedAt, happened.endedAt))
    },
    stop: () => provider.shutdown(),
  }
}
