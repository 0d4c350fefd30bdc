import { createServer, type RequestListener, type ServerResponse, STATUS_CODES } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { newId } from '../domain/ids.ts'
import { ConfigError, Refusal, type RefusalCode, refusalBody } from '../errors.ts'
import { limitConnections } from './connections.ts'
import { createPeers } from './peers.ts'

/** The HTTP server of a process. It answers 503 until `serveApp`. */
export interface HttpServer {
  /** Takes the port. Throws a ConfigError when it cannot. */
  listen(): Promise<void>
  /** `http://<host>:<port>`, the port that was really taken once it listens. */
  readonly url: string
  /** From now on `app` answers. */
  serveApp(app: RequestListener): void
  /** Takes no new connection, answers new requests on old ones with 503, and resolves when those under way are answered. */
  drain(): Promise<void>
}

// Longer than the usual minute of load balancers, so that they do not write into a connection that is being closed.
const KEEP_ALIVE_MS = 65_000
/** A request has to arrive within this time, its head within a third of it; slower ones are cut off. */
const REQUEST_MS = 30_000
/** A request that takes longer than this to end is cut off when the process stops. */
const DRAIN_MS = 10_000
/** How long an answer may go without progress, and how long it may take to be sent in all. */
const STALLED_MS = 20_000
const WRITE_MS = 120_000
/** So far above the limit even a connection that may carry a webhook is refused: the process would run out of descriptors. */
const hardLimitOf = (limit: number) => 2 * limit + 500

export interface HttpServerOptions {
  host: string
  port: number
  /** Connections in all, and those of one address that have proven nothing. */
  maxConnections?: number
  maxConnectionsPerAddress?: number
  /** Subnets whose X-Forwarded-For is honoured. */
  trustedProxies?: readonly string[]
  requestMs?: number
  stalledMs?: number
  writeMs?: number
}

/** Listens on `host` and `port` (0: any free one). Throws a ConfigError when it cannot. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const server = createHttpServer(options)
  await server.listen()
  return server
}

/** The same, which does not listen yet. */
export function createHttpServer({
  host,
  port,
  maxConnections = 2_000,
  maxConnectionsPerAddress = 200,
  trustedProxies = [],
  requestMs = REQUEST_MS,
  stalledMs = STALLED_MS,
  writeMs = WRITE_MS,
}: HttpServerOptions): HttpServer {
  let app: RequestListener = answerUnavailable
  const server = createServer({
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: requestMs / 3,
    requestTimeout: requestMs,
    connectionsCheckingInterval: requestMs / 10,
  })
  server.maxConnections = hardLimitOf(maxConnections)
  limitConnections(server, createPeers(trustedProxies), {
    limits: { total: maxConnections, perAddress: maxConnectionsPerAddress, stalledMs, writeMs },
    answer: (req, res) => app(req, res),
    refuse: (_req, res) => answerRefused(res, new Refusal('overloaded')),
  })
  server.on('clientError', refuseUnreadable)
  let takenPort = port
  let draining: Promise<void> | undefined

  return {
    async listen() {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject).listen(port, host, resolve)
      }).catch((cause) => {
        throw new ConfigError(explainListenError(cause, host, port), { cause })
      })
      takenPort = (server.address() as AddressInfo).port
    },
    get url() {
      return `http://${host.includes(':') ? `[${host}]` : host}:${takenPort}`
    },
    serveApp(next) {
      app = next
    },
    drain() {
      app = answerUnavailable
      draining ??= new Promise((resolve) => {
        // After its last answer a connection is idle, and would be kept open for the next request.
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

/** For a process that starts or drains: alive, but not ready. */
const answerUnavailable: RequestListener = (req, res) => {
  if (req.url === '/healthz')
    res.writeHead(200, { ...JSON_TYPE, connection: 'close' }).end(JSON.stringify({ status: 'ok' }))
  else answerRefused(res, new Refusal('unavailable'))
}

const answerRefused = (res: ServerResponse, refusal: Refusal) =>
  void res
    .writeHead(refusal.status, { ...JSON_TYPE, connection: 'close', 'retry-after': '2' })
    .end(JSON.stringify(refusalBody(refusal, newId())))

/** Answers what the HTTP parser could not read like any other refusal, and closes the connection. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex) {
  // While an answer to an earlier request is under way, this one would be read as part of it.
  const { _httpMessage: answering } = socket as { _httpMessage?: ServerResponse }
  if (!socket.writable || error.code === 'ECONNRESET' || answering?.headersSent) return void socket.destroy()
  const refusal = new Refusal(CODE_OF_PARSER_ERROR[error.code ?? ''] ?? 'malformed_request')
  const body = JSON.stringify(refusalBody(refusal, newId()))
  const head = Object.entries({ ...JSON_TYPE, 'content-length': Buffer.byteLength(body), connection: 'close' })
  const lines = head.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  socket.end(`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n${lines}\r\n${body}`, () =>
    socket.destroy(),
  )
}

const CODE_OF_PARSER_ERROR: Readonly<Record<string, RefusalCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
}

function explainListenError({ code }: NodeJS.ErrnoException, host: string, port: number): string {
  if (code === 'EADDRINUSE')
    return `Port ${port} on ${host} is in use: stop what listens there, or set PORT to another one.`
  if (code === 'EACCES') return `This user may not listen on port ${port}: set PORT to 1024 or above.`
  return `The gateway cannot listen on ${host}:${port} (${code}): check HOST and PORT.`
}
