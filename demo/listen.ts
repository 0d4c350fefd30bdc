import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Verification, verifyDelivery } from './verify.ts'

/** One delivery as it arrived. */
export interface ReceivedDelivery {
  /** The same on every attempt: Flo's `eventId`, Florentin's delivery id. */
  deliveryId: string
  eventType: string
  /** The raw body as text. */
  body: string
  checks: Verification[]
  /** Milliseconds of the monotonic clock. */
  at: number
}

/**
 * A client's side of the wire: an HTTP server on 127.0.0.1 that verifies every POST with the secret of its path, whatever
 * comes of it, and answers with the status that `arrived` returns. Port 0 takes any free one; resolves when it listens, rejects when it cannot.
 */
export async function startReceiver({
  port = 0,
  secret,
  arrived,
}: {
  port?: number
  secret: (path: string) => string
  arrived: (arrival: ReceivedDelivery) => number
}) {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const at = performance.now()
    const bytes = Buffer.concat(chunks)
    const { headers } = request
    const status = arrived({
      deliveryId: String(headers['webhook-id'] ?? headers['x-florentin-delivery-id']),
      eventType: String(headers['flo-event-type'] ?? headers['x-florentin-event']),
      body: bytes.toString(),
      checks: verifyDelivery(bytes, headers, secret(request.url ?? '')),
      at,
    })
    response.writeHead(status).end()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
