import { LRUCache } from 'lru-cache'
import { Agent, type Dispatcher } from 'undici'
import { ProxyTrouble, type Tunnels } from '../../network/egress-proxy.ts'
import type { Identity } from '../endpoint/endpoint.ts'
import { outcomeOf } from '../outcome.ts'
import { type Answer, type Heard, kept } from './answer.ts'
import { guardedConnector, type Resolve } from './dial.ts'
import { TooSlow, unreachable } from './network-errors.ts'

/** One POST: where to, with what, and how many milliseconds it may take in all. */
export interface Post {
  origin: string
  path: string
  headers: Record<string, string>
  body: string
  timeoutMs: number
  /** Certificates of the endpoint's own; null: none. */
  identity: (Identity & { id: string }) | null
  /** Called once when no answer has come after half a second. */
  slow: () => void
}

/** Of an answer's body this much is read, then the connection is cut: a receiver cannot make us swallow more. */
const BODY_MAX_BYTES = 16 * 1024
const BODY_MAX_MS = 2_000
const SWEEP_MS = 50
/** Pools of connections that were made with certificates of an endpoint's own. */
const IDENTITIES_MAX = 2_000
const SLOW_MS = 500

interface Exchange {
  deadline: number
  slowAt: number
  slow(): void
  expire(): void
}

/**
 * Posts to endpoints over one shared pool of guarded connections (dial.ts). `send` settles with how it ended and never
 * rejects. The status line decides; what follows of the body is read for 16 KiB and 2 s at most, and never decompressed.
 * `close` cuts what is still open.
 */
export function sender({
  allowedSubnets,
  now,
  resolve,
  tunnels,
}: {
  allowedSubnets: readonly string[]
  now: () => Date
  resolve?: Resolve
  tunnels?: Tunnels | undefined
}) {
  const agentWith = (identity?: Identity) =>
    new Agent({
      connect: guardedConnector({ allowedSubnets, tunnels, identity, ...(resolve && { resolve }) }),
      // One sweep watches over the whole attempt instead of undici's two timers per request, which restart with each chunk.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
  const common = agentWith()
  // A connection that one endpoint's certificate has opened must never carry another's deliveries.
  const identified = new LRUCache<string, Agent>({ max: IDENTITIES_MAX, dispose: (agent) => void agent.close() })
  const agentOf = (identity: Post['identity']): Agent => {
    if (!identity) return common
    const { id, ...certificates } = identity
    let agent = identified.get(id)
    if (!agent) {
      agent = agentWith(certificates)
      identified.set(id, agent)
    }
    return agent
  }
  // While it is known that the proxy is out, whoever got no connection in time has waited for it in vain.
  const tooLate = (origin: string, connected: boolean) =>
    !connected && tunnels?.isOut() && tunnels.leadTo(new URL(origin).hostname.replace(/^\[|\]$/g, ''))
      ? new ProxyTrouble('it is out')
      : new TooSlow()
  const open = new Set<Exchange>()
  let sweep: NodeJS.Timeout | undefined

  const expireLate = () => {
    const at = performance.now()
    for (const exchange of open)
      if (exchange.deadline <= at) exchange.expire()
      else if (exchange.slowAt <= at) {
        exchange.slowAt = Number.POSITIVE_INFINITY
        exchange.slow()
      }
    if (open.size === 0) {
      clearInterval(sweep)
      sweep = undefined
    }
  }

  const send = (post: Post): Promise<Answer> =>
    new Promise((resolve) => {
      const startedAt = now()
      const started = performance.now()
      const chunks: Buffer[] = []
      let bytes = 0
      let heard: Heard | undefined
      let controller: Dispatcher.DispatchController | undefined
      let ended = false

      const end = (error?: unknown) => {
        if (ended) return
        ended = true
        open.delete(exchange)
        if (heard) resolve(kept({ ...heard, startedAt, body: Buffer.concat(chunks, Math.min(bytes, BODY_MAX_BYTES)) }))
        else
          resolve({
            ...nothingHeard,
            outcome: unreachable(error),
            cause: String(error),
            startedAt,
            durationMs: since(started),
          })
      }
      // Aborting destroys the connection. A request that still waits for one is aborted when it gets it, and not sent.
      const cut = (error: Error) => {
        end(error)
        controller?.abort(error)
      }
      const exchange: Exchange = {
        deadline: started + post.timeoutMs,
        slowAt: started + SLOW_MS,
        slow: post.slow,
        expire: () => cut(tooLate(post.origin, controller !== undefined)),
      }
      open.add(exchange)
      sweep ??= setInterval(expireLate, SWEEP_MS)

      const handler: Dispatcher.DispatchHandler = {
        onRequestStart(started) {
          controller = started
          if (ended) started.abort(new Error('the attempt has ended'))
        },
        onResponseStart(_, status, headers) {
          if (status < 200) return
          heard = { outcome: outcomeOf(status, headers['retry-after'], now()), headers, durationMs: since(started) }
          exchange.deadline = Math.min(exchange.deadline, performance.now() + BODY_MAX_MS)
        },
        onResponseData(_, chunk) {
          chunks.push(chunk)
          bytes += chunk.length
          if (bytes > BODY_MAX_BYTES) cut(new Error('enough of the body was read'))
        },
        onResponseEnd: () => end(),
        onResponseError: (_, error) => end(error),
      }
      try {
        agentOf(post.identity).dispatch(
          { origin: post.origin, path: post.path, method: 'POST', headers: post.headers, body: post.body },
          handler,
        )
      } catch (error) {
        end(error)
      }
    })

  return {
    send,
    /** How many have not ended. */
    underWay: () => open.size,
    async close() {
      clearInterval(sweep)
      await Promise.all([common, ...identified.values()].map((agent) => agent.destroy()))
    },
  }
}

const nothingHeard = { headers: null, body: null } as const
const since = (started: number) => Math.round(performance.now() - started)

export type Sender = ReturnType<typeof sender>
