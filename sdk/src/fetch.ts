import { type Answer, createReceiver, gatherBody, type Incoming } from './receiver.ts'
import { type FlorentinWebhookOptions, type FloWebhookOptions, florentinScheme, floScheme } from './schemes.ts'
import { VerificationError } from './verification-error.ts'

export type { Delivery } from './delivery.ts'
export type { Handler } from './receiver.ts'
export type { FlorentinWebhookOptions, FloWebhookOptions } from './schemes.ts'
export { VerificationError } from './verification-error.ts'

/** Answers a request. */
export type FetchHandler = (request: Request) => Promise<Response>

/** A webhook of Flo for whatever takes a `Request` and gives a `Response`: Next, Hono, Workers, Deno, Bun. */
export const floWebhook = (options: FloWebhookOptions): FetchHandler =>
  createHandler(createReceiver(floScheme(options), options))

/** A webhook of Florentin for whatever takes a `Request` and gives a `Response`: Next, Hono, Workers, Deno, Bun. */
export const florentinWebhook = (options: FlorentinWebhookOptions): FetchHandler =>
  createHandler(createReceiver(florentinScheme(options), options))

const createHandler =
  (answerRequest: (incoming: Incoming) => Promise<Answer>): FetchHandler =>
  async (request) => {
    const { status, error } = await answerRequest({
      method: request.method,
      headers: request.headers,
      body: (maxBytes) => readBody(request, maxBytes),
    })
    if (!error) return new Response(null, { status })
    return new Response(JSON.stringify({ error }), {
      status,
      headers: { 'content-type': 'application/json', ...(status === 405 && { allow: 'POST' }) },
    })
  }

async function readBody(request: Request, maxBytes: number): Promise<Uint8Array> {
  if (request.bodyUsed)
    throw new VerificationError(
      'body_parsed',
      'Something has read the body of this Request before, as request.json() does: give the webhook the Request first, or a request.clone() of it.',
    )
  const gatherer = gatherBody(maxBytes)
  const reader = request.body?.getReader()
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) gatherer.addChunk(read.value)
  return gatherer.allBytes()
}
