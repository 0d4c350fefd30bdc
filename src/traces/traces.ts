import { DiagLogLevel, diag } from '@opentelemetry/api'
import type { Log } from '../log.ts'
import type { Watch } from '../watch.ts'
import { attemptSpan, fanOutSpans, normalizeSpans, receiveSpans } from './span-records.ts'
import { createSpanSender, type SpanRecord } from './spans.ts'

interface TracesDeps {
  /** The receiver's base URL: spans go to `<url>/v1/traces`. */
  url: string
  serviceName: string
  tracedShare: number
  version: string
  log: Log
}

/** A collector that is away must not keep the process from ending. */
const STOP_MS = 5_000

/**
 * Traces of what the rooms report: receive, normalize, fan out, attempt, one trace for each source event. `stop` sends what is
 * left. A collector that is down costs traces, and a line in the log, but no event.
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

/** Sends a span for each thing that was reported. */
const createTraceWatch = (send: (span: SpanRecord) => void): Watch => ({
  onSourceEventsStored: (batch) => receiveSpans(batch).forEach(send),
  onBatchNormalized: (batch) => [...normalizeSpans(batch), ...fanOutSpans(batch)].forEach(send),
  onAttemptEnded: (attempt) => send(attemptSpan(attempt)),
})
