import { VerificationError } from './error.ts'
import { type Answer, gathering, type Incoming, receiver } from './receiver.ts'
import { type FlorentinWebhookOptions, type FloWebhookOptions, florentinScheme, floScheme } from './schemes.ts'

export type { Delivery } from './delivery.ts'
export { VerificationError } from './error.ts'
export type { Handler } from './receiver.ts'
export type { FlorentinWebhookOptions, FloWebhookOptions } from './schemes.ts'

/** Answers a request. */
export type FetchHandler = (request: Request) => Promise<Response>

/** A webhook of Flo for whatever takes a `Request` and gives a `Response`: Next, Hono, Workers, Deno, Bun. */
export const floWebhook = (options: FloWebhookOptions): FetchHandler => answering(receiver(floScheme(options), options))

/** A webhook of Florentin for whatever takes a `Request` and gives a `Response`: Next, Hono, Workers, Deno, Bun. */
export const florentinWebhook = (options: FlorentinWebhookOptions): FetchHandler =>
  answering(receiver(florentinScheme(options), options))

const answering =
  (answered: (incoming: Incoming) => Promise<Answer>): FetchHandler =>
  async (request) => {
    const { status, error } = await answered({
      method: request.method,
      headers: request.headers,
      body: (maxBytes) => bodyOf(request, maxBytes),
    })
    if (!error) return new Response(null, { status })
    return new Response(JSON.stringify({ error }), {
      status,
      headers: { 'content-type': 'application/json', ...(status === 405 && { allow: 'POST' }) },
    })
  }

async function bodyOf(request: Request, maxBytes: number): Promise<Uint8Array> {
  if (request.bodyUsed)
    throw new VerificationError(
      'body_parsed',
      'Something has read the body of this Request before, as request.json() does: give the webhook the Request first, or a request.clone() of it.',
    )
  const gathered = gathering(maxBytes)
  const reader = request.body?.getReader()
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) gathered.add(read.value)
  return gathered.whole()
}
