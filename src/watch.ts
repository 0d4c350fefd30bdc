import type { RefusalCode } from './errors.ts'
import type { Log } from './log.ts'

/** A webhook that was answered. `code` says why it was refused; null: it was taken in. */
export interface AnsweredWebhook {
  code: RefusalCode | null
  duplicate: boolean
  seconds: number
  /** Whose it is, where its URL names a source. `signatureFailingAt`: since when its signatures are known to fail. */
  source: { id: string; clientId: string; signatureFailingAt: Date | null } | null
}

/** How a source event came in: by webhook, published by the client's application, out of Stripe's list, by our own timer. */
export type ArrivalVia = 'stripe' | 'app' | 'backfill' | 'timer'

/** A source event that is kept; it arrived at that moment, in milliseconds since 1970. */
export interface StoredSourceEvent {
  id: string
  clientId: string
  sourceId: string
  eventId: string
  type: string
  arrivedAt: number
}

/** What one commit has stored. */
export interface StoredBatch {
  via: ArrivalVia
  events: readonly StoredSourceEvent[]
  /** Of how many it was found that they were there. */
  duplicates: number
  /** Milliseconds since 1970. */
  committedAt: number
}

/** One transaction of the normaliser, committed. Moments are milliseconds since 1970. */
export interface NormalizedBatch {
  clientId: string
  startedAt: number
  committedAt: number
  /** null: it had nothing to fan out. */
  fanOut: { startedAt: number; endedAt: number } | null
  outcomes: readonly {
    id: string
    sourceId: string
    type: string
    receivedAt: Date
    state: string
    code: string | null
    message: string | null
  }[]
  events: readonly { id: string; sourceEventId: string; contract: string; type: string }[]
}

/** One HTTP try that has ended. Moments are milliseconds since 1970. */
export interface EndedAttempt {
  clientId: string
  endpointId: string
  deliveryId: string
  eventId: string
  /** null: no source event led to it. */
  sourceEventId: string | null
  eventType: string
  contract: string
  /** 1-based. */
  number: number
  /** It is a delivery of the fan-out, and no resend, replay or test. */
  isFannedOut: boolean
  startedAt: number
  durationMs: number
  /** `delivered`, `gone`, `refused`, or why no status came: `timeout`, `dns`, `connection`, `tls`, `blocked`, `proxy`. */
  outcome: string
  status: number | null
  /** No further attempt follows. */
  isLast: boolean
}

/** A request to the management API that was answered. */
export interface AnsweredApiRequest {
  method: string
  /** As declared: `/v1/endpoints/{id}`. */
  route: string
  status: number
  seconds: number
}

/** What became of an endpoint, or of a delivery to it, that its owner or the operator should hear of: once for each change. */
export type EndpointChange = { clientId: string; endpointId: string } & (
  | { what: 'disabled'; reason: 'manual' | 'gone' | 'failing' }
  /** Its breaker has opened, or nothing has got through for a day; `since`: the first failure in a row. */
  | { what: 'failing'; since: Date }
  /** An attempt has got through again, after it was told that it fails; `since`: when that attempt started. */
  | { what: 'recovered'; since: Date }
  /**
   * A delivery has failed for good, the first in a row of failures. `failingSince`: the first failure in a row, null when
   * it was not the endpoint that failed; `since` is that or the day.
   */
  | {
      what: 'exhausted'
      since: Date
      deliveryId: string
      eventId: string
      eventType: string
      attempts: number
      failingSince: Date | null
    }
)

/** What rooms tell of work that is done, for whoever counts it, traces it or raises an alarm. Nobody waits for them. */
export interface Watch {
  onWebhookAnswered?(webhook: AnsweredWebhook): void
  onSourceEventsStored?(batch: StoredBatch): void
  onBatchNormalized?(batch: NormalizedBatch): void
  onAttemptEnded?(attempt: EndedAttempt): void
  onApiRequestAnswered?(request: AnsweredApiRequest): void
  /** After the commit that made the change, which endpoint_news or the endpoint's row tells as well. */
  onEndpointChanged?(change: EndpointChange): void
  /** An operational event of this type was told. */
  onOperationalEventCreated?(event: { type: string }): void
}

/** Tells all of them. What one throws is logged: counting must not cost an event. */
export function combineWatches({ log }: { log: Log }, watches: readonly Watch[]): Required<Watch> {
  const notifyAll = <What extends keyof Watch>(what: What) => {
    const listeners = watches.flatMap((watch) => watch[what]?.bind(watch) ?? []) as ((news: unknown) => void)[]
    return (news: unknown) => {
      for (const one of listeners)
        try {
          one(news)
        } catch (error) {
          log.error({ err: error, what }, 'watch.failed')
        }
    }
  }
  return {
    onWebhookAnswered: notifyAll('onWebhookAnswered'),
    onSourceEventsStored: notifyAll('onSourceEventsStored'),
    onBatchNormalized: notifyAll('onBatchNormalized'),
    onAttemptEnded: notifyAll('onAttemptEnded'),
    onApiRequestAnswered: notifyAll('onApiRequestAnswered'),
    onEndpointChanged: notifyAll('onEndpointChanged'),
    onOperationalEventCreated: notifyAll('onOperationalEventCreated'),
  }
}
