import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ConfigError } from './config.ts'
import { Refusal, refusalBody } from './errors.ts'
import { newId } from './ids.ts'

/** The HTTP server of a process: it takes the port before anything else starts, and answers 503 until it is told whom to ask. */
export interface Http {
  /** `http://<host>:<port>`, the port that was really taken. */
  url: string
  /** From now on `app` answers. */
  serve(app: RequestListener): void
  /** No new connection; new requests on old ones get 503; resolves when those under way are answered. */
  drain(): Promise<void>
}

// Longer than the load balancers' usual minute, so that they do not write into a connection that is just being closed.
const KEEP_ALIVE_MS = 65_000
/** A request that takes longer than this to end is cut off when the process stops. */
const DRAIN_MS = 10_000

/** Listens on `host` and `port` (0: any free one). Throws a ConfigError when it cannot. */
export async function listen({ host, port }: { host: string; port: number }): Promise<Http> {
  let app: RequestListener = unavailable
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (req, res) => app(req, res))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve)
  }).catch((cause) => {
    throw new ConfigError(whyNot(cause, host, port), { cause })
  })
  const taken = (server.address() as AddressInfo).port
  let draining: Promise<void> | undefined

  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${taken}`,
    serve(next) {
      app = next
    },
    drain() {
      app = unavailable
      draining ??= new Promise((resolve) => {
        // A connection falls idle with its last answer, and would be kept for the next request.
        const sweep = setInterval(() => server.closeIdleConnections(), 20)
        const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS)
        server.close(() => {
          clearInterval(sweep)
          clearTimeout(cut)
          resolve()
        })
      })
      return draining
    },
  }
}

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' }

/** Starting or draining: the process lives, and is not ready for anything. */
const unavailable: RequestListener = (req, res) => {
  const refusal = new Refusal('unavailable')
  const [status, body] =
    req.url === '/healthz' ? [200, { status: 'ok' }] : [refusal.status, refusalBody(refusal, newId())]
  res.writeHead(status, { ...JSON_TYPE, connection: 'close', 'retry-after': '2' }).end(JSON.stringify(body))
}

function whyNot({ code }: NodeJS.ErrnoException, host: string, port: number): string {
  if (code === 'EADDRINUSE')
    return `Port ${port} on ${host} is in use: stop what listens there, or set PORT to another one.`
  if (code === 'EACCES') return `This user may not listen on port ${port}: set PORT to 1024 or above.`
  return `The gateway cannot listen on ${host}:${port} (${code}): check HOST and PORT.`
}
