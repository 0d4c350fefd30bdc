import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterwards } from './afterwards.ts'

/** One request as it arrived. */
export interface Received {
  method: string
  path: string
  headers: IncomingHttpHeaders
  /** The raw bytes, and the same as text. */
  bytes: Buffer
  body: string
  at: Date
}

/** What the receiver does with a request; 200 and an empty body when nothing is said. */
export interface Behaviour {
  status?: number
  headers?: Record<string, string>
  body?: string | Buffer
  /** Before the status line. */
  delayMs?: number
  /** `headers`: never answers; `body`: sends the status line and `body`, and never ends. */
  hang?: 'headers' | 'body'
  /** Ends the connection without an answer. */
  reset?: boolean
}

/** An HTTP server on a free port of 127.0.0.1 that keeps what it receives; closed after the test or file. */
export async function startReceiver(
  behaviour: Behaviour | ((request: Received, count: number) => Behaviour | Promise<Behaviour>) = {},
) {
  const requests: Received[] = []
  let behave = behaviour
  const server = createServer(async (incoming, answer) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    const bytes = Buffer.concat(chunks)
    const request = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      headers: incoming.headers,
      bytes,
      body: bytes.toString(),
      at: new Date(),
    }
    const count = requests.push(request)
    const told = typeof behave === 'function' ? await behave(request, count) : behave
    if (told.reset) return incoming.socket.resetAndDestroy()
    if (told.hang === 'headers') return
    if (told.delayMs) await delay(told.delayMs, undefined, { ref: false })
    answer.writeHead(told.status ?? 200, told.headers)
    if (told.hang === 'body') answer.write(told.body ?? '.')
    else answer.end(told.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  afterwards(stop)
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** In the order of arrival. */
    requests,
    /** From the next request on. */
    behave(next: typeof behaviour) {
      behave = next
    },
    stop,
  }
}
