import type { RoutingState } from './domain/routing.ts'
import type { RefusalCode } from './errors.ts'
import type { Log } from './log.ts'

/** A webhook that was answered. `code` says why it was refused; null: it was accepted. */
export interface AnsweredWebhook {
  code: RefusalCode | null
  duplicate: boolean
  seconds: number
  /** The source that its URL names, if any. `signatureFailingAt`: since when its signatures are known to fail. */
  source: { id: string; clientId: string; signatureFailingAt: Date | null } | null
}

/** How a source event came in: by webhook, published by the client's application, from Stripe's list, or by our own timer. */
export type ArrivalVia = 'stripe' | 'app' | 'backfill' | 'timer'

/** A source event that was stored, with the time of its arrival in milliseconds since 1970. */
export interface StoredSourceEvent {
  id: string
  clientId: string
  sourceId: string
  eventId: string
  type: string
  arrivedAt: number
}

/** The source events that one commit has stored. */
export interface StoredBatch {
  via: ArrivalVia
  events: readonly StoredSourceEvent[]
  /** How many more were there already. */
  duplicates: number
  /** Milliseconds since 1970. */
  committedAt: number
}

/** What became of an event of a source that routes; `clientId`: whose it is, the operator's client while it is nobody's. */
export interface RoutedEvent {
  id: string
  clientId: string
  /** The operator's client, whose source it is. */
  ownerId: string
  sourceId: string
  type: string
  state: RoutingState
  /** Why it waits, or is unrouted. */
  code: string | null
  message: string | null
}

/** One transaction of the normaliser, committed: of one client or several. Moments are milliseconds since 1970. */
export interface NormalizedBatch {
  startedAt: number
  committedAt: number
  /** null: it had nothing to fan out. */
  fanOut: { startedAt: number; endedAt: number } | null
  outcomes: readonly {
    clientId: string
    id: string
    sourceId: string
    type: string
    receivedAt: Date
    state: string
    code: string | null
    message: string | null
  }[]
  events: readonly { clientId: string; id: string; sourceEventId: string; contract: string; type: string }[]
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
  /** `delivered`, `gone`, `refused`, or why no status came: `timeout`, `dns`, `connection`, `tls`, `blocked`, `proxy`, `gateway`. */
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

/** A change of an endpoint, or of a delivery to it, that its owner or the operator is notified of, once for each change. */
export type EndpointChange = { clientId: string; endpointId: string } & (
  | { what: 'disabled'; reason: 'manual' | 'gone' | 'failing' }
  /** Its breaker has opened, or nothing has got through for a day; `since`: the first failure in a row. */
  | { what: 'failing'; since: Date }
  /** An attempt has got through again after `failing` was reported; `since`: when that attempt started. */
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

/** Listeners for finished work, called by the rooms: they count it, trace it or raise an alarm. No room waits for them. */
export interface Watch {
  onWebhookAnswered?(webhook: AnsweredWebhook): void
  onSourceEventsStored?(batch: StoredBatch): void
  /** Events of sources that route: as they arrive, and once more as what waited is settled. */
  onEventsRouted?(events: readonly RoutedEvent[]): void
  onBatchNormalized?(batch: NormalizedBatch): void
  onAttemptEnded?(attempt: EndedAttempt): void
  onApiRequestAnswered?(request: AnsweredApiRequest): void
  /** After the commit that made the change; it is also in endpoint_news or in the endpoint's row. */
  onEndpointChanged?(change: EndpointChange): void
  /** An operational event of this type was created. */
  onOperationalEventCreated?(event: { type: string }): void
}

/** One watch that calls all of them. What one throws is logged: counting must not cost an event. */
export function combineWatches({ log }: { log: Log }, watches: readonly Watch[]): Required<Watch> {
  const notifyAll = <Listener extends keyof Watch>(listener: Listener) => {
    const listeners = watches.flatMap((watch) => watch[listener]?.bind(watch) ?? []) as ((work: unknown) => void)[]
    return (work: unknown) => {
      for (const notify of listeners)
        try {
          notify(work)
        } catch (error) {
          log.error({ err: error, listener }, 'watch.failed')
        }
    }
  }
  return {
    onWebhookAnswered: notifyAll('onWebhookAnswered'),
    onSourceEventsStored: notifyAll('onSourceEventsStored'),
    onEventsRouted: notifyAll('onEventsRouted'),
    onBatchNormalized: notifyAll('onBatchNormalized'),
    onAttemptEnded: notifyAll('onAttemptEnded'),
    onApiRequestAnswered: notifyAll('onApiRequestAnswered'),
    onEndpointChanged: notifyAll('onEndpointChanged'),
    onOperationalEventCreated: notifyAll('onOperationalEventCreated'),
  }
}
