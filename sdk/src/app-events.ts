import type { AppEventData, SourceEvent } from './app-event-types.ts'
import { toUtf8 } from './bytes.ts'
import { GatewayError } from './gateway-error.ts'
import { postJson, type RequestOptions } from './request.ts'

export type * from './app-event-types.ts'
export { type Detail, GatewayError } from './gateway-error.ts'

/** Something that happened in your application, and to whom: your own id of the user (a new one makes the user), or Flo's. */
export type AppEvent = {
  [Type in keyof AppEventData]: {
    type: Type
    data: AppEventData[Type]
    /** When it happened; the receipt by default. */
    occurredAt?: string | Date
  } & ({ clientUserId: string; userId?: undefined } | { userId: string; clientUserId?: undefined })
}[keyof AppEventData]

export interface AppEventsOptions extends RequestOptions {
  /** Whose the events are. Only an operator's key has to say it: a client's key knows. */
  clientId?: string
}

export interface Once {
  /** What is published twice with the same key is there once. Made for each call unless given; give your own to call again after a crash. */
  idempotencyKey?: string
}

/** Most events of one request, and most bytes: the gateway takes 8 MiB, some of which is around the events. */
const BATCH = 1000
const BATCH_BYTES = 8_000_000

/**
 * Publishes what Stripe does not know: `const { publish } = appEvents({ baseUrl, apiKey })`. An event is kept once its promise has
 * resolved; one that is rejected with a `GatewayError` whose `status` is undefined, 429 or 5xx may be kept or not, and can be
 * published again with the same `idempotencyKey`. Throws at once when there is no `apiKey`.
 */
export function appEvents({ clientId, ...requestOptions }: AppEventsOptions) {
  if (!requestOptions.apiKey) throw new TypeError('There is no apiKey: is the environment variable set?')
  return {
    /** Publishes one event; resolves to the source event as it was taken in. */
    publish: (event: AppEvent, { idempotencyKey = crypto.randomUUID() }: Once = {}): Promise<SourceEvent> =>
      postJson(requestOptions, '/v1/app-events', JSON.stringify({ ...event, clientId }), idempotencyKey),

    /**
     * Publishes any number of events, up to 1,000 at a time in the order given; resolves to their source events. Each batch is taken
     * in whole or not at all: after an error `accepted` says how many are there, and the same call with the same key publishes the
     * rest.
     */
    async publishAll(
      events: Iterable<AppEvent>,
      { idempotencyKey = crypto.randomUUID() }: Once = {},
    ): Promise<SourceEvent[]> {
      const accepted: SourceEvent[] = []
      let batch = 0
      for (const some of batchEvents(events)) {
        batch += 1
        const body = `{${clientId === undefined ? '' : `"clientId":${JSON.stringify(clientId)},`}"events":[${some.join(',')}]}`
        const { sourceEvents } = await postJson<{ sourceEvents: SourceEvent[] }>(
          requestOptions,
          '/v1/app-events/batch',
          body,
          `${idempotencyKey}.${batch}`,
        ).catch((error) => {
          throw errorOfCall(error, accepted.length)
        })
        accepted.push(...sourceEvents)
      }
      return accepted
    },
  }
}

/** The events as JSON, as many at a time as one request may have. The same events always make the same batches. */
function* batchEvents(events: Iterable<AppEvent>): Generator<string[]> {
  let batch: string[] = []
  let bytes = 0
  for (const event of events) {
    const text = JSON.stringify(event)
    const length = toUtf8(text).length + 1
    if (batch.length === BATCH || (batch.length > 0 && bytes + length > BATCH_BYTES)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(text)
    bytes += length
  }
  if (batch.length > 0) yield batch
}

/** The error of a batch as one of the whole call: `events.3` is the fourth of all, not of the batch. */
function errorOfCall(error: unknown, accepted: number): unknown {
  if (!(error instanceof GatewayError)) return error
  const { status, code, requestId, cause } = error
  const [message = ''] = error.message.split('\n')
  const details = error.details.map(({ path, ...detail }) => ({
    ...detail,
    path: path.replace(/^events\.(\d+)/, (_, at: string) => `events.${Number(at) + accepted}`),
  }))
  return new GatewayError({ status, code, message, details, requestId, accepted, cause })
}
