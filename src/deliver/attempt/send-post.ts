import { LRUCache } from 'lru-cache'
import { Agent, type Dispatcher } from 'undici'
import { ProxyTrouble, type ProxyTunnels } from '../../network/egress-proxy.ts'
import { outcomeOfStatus } from '../attempt-outcome.ts'
import type { TlsIdentity } from '../endpoint/endpoint.ts'
import { type AttemptAnswer, type ResponseHead, storedAnswer } from './answer.ts'
import { guardedConnector, type ResolveHost } from './guarded-connector.ts'
import { AttemptTimeoutError, unreachableOutcome } from './network-errors.ts'

/** One POST: where to, with what, and how many milliseconds it may take in all. */
export interface PostRequest {
  origin: string
  path: string
  headers: Record<string, string>
  body: string
  timeoutMs: number
  /** Certificates of the endpoint's own; null: none. */
  identity: (TlsIdentity & { id: string }) | null
  /** Called once when no answer has come after half a second. */
  onSlow: () => void
}

/** Of an answer's body this much is read, then the connection is cut: a receiver cannot make us swallow more. */
const BODY_MAX_BYTES = 16 * 1024
const BODY_MAX_MS = 2_000
const SWEEP_MS = 50
/** Pools of connections that were made with certificates of an endpoint's own. */
const IDENTITIES_MAX = 2_000
const SLOW_MS = 500

interface OpenRequest {
  deadline: number
  slowAt: number
  onSlow(): void
  onDeadline(): void
}

/**
 * Posts to endpoints over one shared pool of guarded connections (guarded-connector.ts). `send` settles with how it ended and never
 * rejects. The status line decides; what follows of the body is read for 16 KiB and 2 s at most, and never decompressed.
 * `close` cuts what is still open.
 */
export function createSender({
  allowedSubnets,
  now,
  resolveHost,
  tunnels,
}: {
  allowedSubnets: readonly string[]
  now: () => Date
  resolveHost?: ResolveHost
  tunnels?: ProxyTunnels | undefined
}) {
  const createAgent = (identity?: TlsIdentity) =>
    new Agent({
      connect: guardedConnector({ allowedSubnets, tunnels, identity, ...(resolveHost && { resolveHost }) }),
      // One sweep watches over the whole attempt instead of undici's two timers per request, which restart with each chunk.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
  const common = createAgent()
  // A connection that one endpoint's certificate has opened must never carry another's deliveries.
  const identified = new LRUCache<string, Agent>({ max: IDENTITIES_MAX, dispose: (agent) => void agent.close() })
  const agentFor = (identity: PostRequest['identity']): Agent => {
    if (!identity) return common
    const { id, ...certificates } = identity
    let agent = identified.get(id)
    if (!agent) {
      agent = createAgent(certificates)
      identified.set(id, agent)
    }
    return agent
  }
  // While it is known that the proxy is out, whoever got no connection in time has waited for it in vain.
  const timeoutError = (origin: string, connected: boolean) =>
    !connected && tunnels?.isProxyDown() && tunnels.isForHost(new URL(origin).hostname.replace(/^\[|\]$/g, ''))
      ? new ProxyTrouble('it is out')
      : new AttemptTimeoutError()
  const openRequests = new Set<OpenRequest>()
  let sweep: NodeJS.Timeout | undefined

  const expireOverdue = () => {
    const at = performance.now()
    for (const request of openRequests)
      if (request.deadline <= at) request.onDeadline()
      else if (request.slowAt <= at) {
        request.slowAt = Number.POSITIVE_INFINITY
        request.onSlow()
      }
    if (openRequests.size === 0) {
      clearInterval(sweep)
      sweep = undefined
    }
  }

  const sendPost = (post: PostRequest): Promise<AttemptAnswer> =>
    new Promise((resolve) => {
      const startedAt = now()
      const started = performance.now()
      const chunks: Buffer[] = []
      let bytes = 0
      let responseHead: ResponseHead | undefined
      let controller: Dispatcher.DispatchController | undefined
      let hasEnded = false

      const finishRequest = (error?: unknown) => {
        if (hasEnded) return
        hasEnded = true
        openRequests.delete(request)
        if (responseHead)
          resolve(
            storedAnswer({ ...responseHead, startedAt, body: Buffer.concat(chunks, Math.min(bytes, BODY_MAX_BYTES)) }),
          )
        else
          resolve({
            ...NO_RESPONSE,
            outcome: unreachableOutcome(error),
            cause: String(error),
            startedAt,
            durationMs: millisecondsSince(started),
          })
      }
      // Aborting destroys the connection. A request that still waits for one is aborted when it gets it, and not sent.
      const cutConnection = (error: Error) => {
        finishRequest(error)
        controller?.abort(error)
      }
      const request: OpenRequest = {
        deadline: started + post.timeoutMs,
        slowAt: started + SLOW_MS,
        onSlow: post.onSlow,
        onDeadline: () => cutConnection(timeoutError(post.origin, controller !== undefined)),
      }
      openRequests.add(request)
      sweep ??= setInterval(expireOverdue, SWEEP_MS)

      const handler: Dispatcher.DispatchHandler = {
        onRequestStart(started) {
          controller = started
          if (hasEnded) started.abort(new Error('the attempt has hasEnded'))
        },
        onResponseStart(_, status, headers) {
          if (status < 200) return
          responseHead = {
            outcome: outcomeOfStatus(status, headers['retry-after'], now()),
            headers,
            durationMs: millisecondsSince(started),
          }
          request.deadline = Math.min(request.deadline, performance.now() + BODY_MAX_MS)
        },
        onResponseData(_, chunk) {
          chunks.push(chunk)
          bytes += chunk.length
          if (bytes > BODY_MAX_BYTES) cutConnection(new Error('enough of the body was read'))
        },
        onResponseEnd: () => finishRequest(),
        onResponseError: (_, error) => finishRequest(error),
      }
      try {
        agentFor(post.identity).dispatch(
          { origin: post.origin, path: post.path, method: 'POST', headers: post.headers, body: post.body },
          handler,
        )
      } catch (error) {
        finishRequest(error)
      }
    })

  return {
    sendPost,
    /** How many have not hasEnded. */
    countUnderWay: () => openRequests.size,
    async closeConnections() {
      clearInterval(sweep)
      await Promise.all([common, ...identified.values()].map((agent) => agent.destroy()))
    },
  }
}

const NO_RESPONSE = { headers: null, body: null } as const
const millisecondsSince = (started: number) => Math.round(performance.now() - started)

export type Sender = ReturnType<typeof createSender>
