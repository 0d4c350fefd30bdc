import { concatBytes } from './bytes.ts'
import type { Delivery, HeaderSource, RawBody, Secrets, Unverified } from './delivery.ts'
import { secretsOf } from './secrets.ts'
import { VerificationError } from './verification-error.ts'

/** What is done with an event. The gateway is answered when it has resolved; what it throws is answered with 500, and comes again. */
export type Handler<Event> = (event: Event, delivery: Delivery<Event>) => unknown

/** What a webhook is made of; `Events` are the contract's events by type. */
export interface WebhookOptions<Events> {
  secret: Secrets
  /** What is done with an event, by its type. */
  on?: { [Type in keyof Events]?: Handler<Events[Type]> }
  /** What is done with an event that `on` does not name. Without it such events are answered with 204 and left alone. */
  handler?: Handler<Events[keyof Events]>
  /** Called for every delivery that is refused, with a `VerificationError`, and of every one whose handler threw; else the console is. */
  onError?: (error: unknown) => void
  /** The largest body that is read, in bytes; 8 MiB by default. */
  maxBytes?: number
  /** The clock. */
  now?: () => Date
}

/** One request, however the framework has it. */
export interface Incoming {
  method: string | undefined
  headers: HeaderSource
  /** Reads the raw body; throws a `VerificationError` when it cannot be had or is larger than `maxBytes`. */
  body: (maxBytes: number) => Promise<RawBody>
}

/** Adds up what is read of a body. Throws `body_too_large` as soon as it is more than `maxBytes`. */
export function gatherBody(maxBytes: number) {
  const chunks: Uint8Array[] = []
  let length = 0
  return {
    addChunk(chunk: Uint8Array) {
      length += chunk.length
      if (length > maxBytes)
        throw new VerificationError('body_too_large', `The body is larger than ${maxBytes} bytes: raise maxBytes.`)
      chunks.push(chunk)
    },
    allBytes: () => concatBytes(chunks),
  }
}

/** What is answered: the status, and the reason where it is no 2xx. */
export interface Answer {
  status: number
  error?: { code: string; message: string }
}

/** A contract as a receiver knows it. */
export interface Scheme<Events> {
  types: readonly (keyof Events & string)[]
  typeOf: (event: Events[keyof Events]) => keyof Events
  verify: (unverified: Unverified) => Promise<Delivery<Events[keyof Events]>>
}

const MAX_BYTES = 8 * 1024 * 1024

/**
 * What answers requests with these options: 204 once the handler has resolved, 400 with the reason for what is not to be trusted,
 * 500 when the handler throws, so that the gateway tries again. Throws at once when the options cannot work.
 */
export function createReceiver<Events>(
  { types, typeOf, verify }: Scheme<Events>,
  { secret, on = {}, handler, onError = logToConsole, maxBytes = MAX_BYTES, now }: WebhookOptions<Events>,
): (incoming: Incoming) => Promise<Answer> {
  secretsOf(secret)
  const unknown = Object.keys(on).filter((type) => !(types as readonly string[]).includes(type))
  if (unknown.length > 0)
    throw new TypeError(`\`on\` names no event type: ${unknown.join(', ')}. There are ${types.join(', ')}.`)
  if (!handler && Object.keys(on).length === 0)
    throw new TypeError('Give `on` or `handler`: nothing would be done with any event.')

  const handleDelivery = async (delivery: Delivery<Events[keyof Events]>) => {
    const handlerOfType: Handler<Events[keyof Events]> | undefined = on[typeOf(delivery.event)] ?? handler
    await handlerOfType?.(delivery.event, delivery)
  }

  return async ({ method, headers, body }) => {
    if (method !== 'POST') return refusalAnswer(405, 'method_not_allowed', 'Webhooks are sent with POST.')
    let delivery: Delivery<Events[keyof Events]>
    try {
      delivery = await verify({ body: await body(maxBytes), headers, secret, now })
    } catch (error) {
      onError(error)
      if (!(error instanceof VerificationError))
        return refusalAnswer(500, 'body_unreadable', 'The body could not be read.')
      return refusalAnswer(error.code === 'body_too_large' ? 413 : 400, error.code, error.message)
    }
    try {
      await handleDelivery(delivery)
      return { status: 204 }
    } catch (error) {
      onError(error)
      return refusalAnswer(500, 'handler_failed', "The receiver's handler failed.")
    }
  }
}

const refusalAnswer = (status: number, code: string, message: string): Answer => ({ status, error: { code, message } })

function logToConsole(error: unknown): void {
  console.error(error instanceof VerificationError ? `Webhook refused (${error.code}): ${error.message}` : error)
}
