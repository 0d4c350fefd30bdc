import { type Answer, createReceiver, gatherBody, type Incoming } from './receiver.ts'
import { type FlorentinWebhookOptions, type FloWebhookOptions, florentinScheme, floScheme } from './schemes.ts'
import { VerificationError } from './verification-error.ts'

export type { Delivery } from './delivery.ts'
export type { Handler } from './receiver.ts'
export type { FlorentinWebhookOptions, FloWebhookOptions } from './schemes.ts'
export { VerificationError } from './verification-error.ts'

/** What is used of a request of Express, or of `node:http`. */
export interface NodeRequest {
  readonly method?: string | undefined
  readonly headers: { readonly [name: string]: string | string[] | undefined }
  /** What a body parser made of the body. */
  readonly body?: unknown
  /** Has anything read from it before? */
  readonly readableDidRead: boolean
  // biome-ignore lint/suspicious/noExplicitAny: Node's own type, which a request of Express or node:http has to fit.
  on(event: string, listener: (...args: any[]) => void): unknown
  pause(): unknown
}

/** What is used of a response of Express, or of `node:http`. */
export interface NodeResponse {
  statusCode: number
  setHeader(name: string, value: string): unknown
  end(text?: string): unknown
}

/** Answers a request of Express, of Connect, or of `node:http` itself. */
export type NodeHandler = (request: NodeRequest, response: NodeResponse) => Promise<void>

/**
 * A webhook of Flo for Express: `app.post('/webhooks/flo', floWebhook({ secret, on }))`. It reads the raw body itself, so it has to
 * stand before `express.json()`, or beside it with `express.raw()` on its own route.
 */
export const floWebhook = (options: FloWebhookOptions): NodeHandler =>
  createHandler(createReceiver(floScheme(options), options))

/** A webhook of Florentin for Express, as `floWebhook` is one of Flo. */
export const florentinWebhook = (options: FlorentinWebhookOptions): NodeHandler =>
  createHandler(createReceiver(florentinScheme(options), options))

const createHandler =
  (answerRequest: (incoming: Incoming) => Promise<Answer>): NodeHandler =>
  async (request, response) => {
    const { status, error } = await answerRequest({
      method: request.method,
      headers: request.headers,
      body: (maxBytes) => readBody(request, maxBytes),
    })
    response.statusCode = status
    if (!error) return void response.end()
    if (status === 405) response.setHeader('allow', 'POST')
    // The rest of the body was not read: the connection cannot carry another request.
    if (status === 413) response.setHeader('connection', 'close')
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ error }))
  }

async function readBody(request: NodeRequest, maxBytes: number): Promise<string | Uint8Array> {
  // express.raw() and express.text() leave what was sent; Google's functions keep it beside what they parsed.
  for (const raw of [(request as { rawBody?: unknown }).rawBody, request.body])
    if (typeof raw === 'string' || ArrayBuffer.isView(raw)) return raw as string | Uint8Array
  if (request.readableDidRead)
    throw new VerificationError(
      'body_parsed',
      "Something, most likely app.use(express.json()), has parsed the body before the webhook could read the raw bytes that were signed. Register the webhook's route before it, or let it pass the route over.",
    )
  return readStream(request, maxBytes)
}

const readStream = (request: NodeRequest, maxBytes: number) =>
  new Promise<Uint8Array>((resolve, reject) => {
    const gatherer = gatherBody(maxBytes)
    request.on('data', (chunk: Uint8Array) => {
      try {
        gatherer.addChunk(chunk)
      } catch (error) {
        request.pause()
        reject(error)
      }
    })
    request.on('end', () => resolve(gatherer.allBytes()))
    request.on('error', reject)
    request.on('close', () => reject(new Error('The connection ended before the whole body had arrived.')))
  })
