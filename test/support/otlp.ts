import type { Json } from '../../src/domain/json.ts'
import { startReceiver } from './receiver.ts'

/** A span as OTLP's JSON shows it, with its attributes by name. */
export interface SeenSpan {
  name: string
  traceId: string
  spanId: string
  parentSpanId: string | undefined
  /** 1 internal, 2 server, 3 client, 4 producer. */
  kind: number
  /** Nanoseconds since 1970. */
  startedAt: bigint
  endedAt: bigint
  /** 2 is an error. */
  status: { code: number; message?: string }
  attributes: Record<string, string | number>
  service: string
}

/** A receiver of traces, as little as OTLP over HTTP asks of one. */
export async function startOtlp() {
  const receiver = await startReceiver({ headers: { 'content-type': 'application/json' }, body: '{}' })
  const spans = (): SeenSpan[] =>
    receiver.requests
      .filter(({ method, path }) => method === 'POST' && path === '/v1/traces')
      .flatMap(({ body }) => JSON.parse(body).resourceSpans)
      .flatMap(({ resource, scopeSpans }: Json) =>
        scopeSpans.flatMap(({ spans }: Json) =>
          spans.map((span: Json) => ({
            ...span,
            parentSpanId: span.parentSpanId || undefined,
            startedAt: BigInt(span.startTimeUnixNano),
            endedAt: BigInt(span.endTimeUnixNano),
            attributes: byName(span.attributes),
            service: byName(resource.attributes)['service.name'],
          })),
        ),
      )
  return { ...receiver, spans, of: (traceId: string) => spans().filter((span) => span.traceId === traceId) }
}

const byName = (attributes: { key: string; value: { stringValue?: string; intValue?: number | string } }[]) =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)] as [string, string | number]),
  )
