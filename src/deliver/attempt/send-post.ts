import type { Agent, Dispatcher } from 'undici'
import { ProxyTrouble } from '../../network/egress-proxy.ts'
import { outcomeOfStatus } from '../attempt-outcome.ts'
import type { TlsIdentity } from '../endpoint/endpoint.ts'
import { type AgentPair, type ConnectionSettings, createAgentPool } from './agent-pool.ts'
import { type AttemptAnswer, type ResponseHead, storedAnswer } from './answer.ts'
import { createDeadlineWatch, type OpenRequest } from './deadline-watch.ts'
import { AttemptTimeoutError, unreachableOutcome } from './network-errors.ts'
import type { AttemptHandler, ReceiverConnection } from './receiver-client.ts'

/** One POST: where to, with what, and how many milliseconds it may take in all. */
export interface PostRequest {
  clientId: string
  origin: string
  path: string
  headers: Record<string, string>
  body: string
  timeoutMs: number
  /** The endpoint's own certificates; null: none. */
  identity: (TlsIdentity & { id: string }) | null
  /** Called once when no answer has come after half a second. */
  onSlow: () => void
}

/** This much of an answer's body is read, then the connection is cut: a receiver cannot make us read without end. */
const BODY_MAX_BYTES = 16 * 1024
const BODY_MAX_MS = 2_000
const SLOW_MS = 500

/**
 * Posts to endpoints over shared pools of guarded connections (guarded-connector.ts). `sendPost` settles with how the
 * request ended and never rejects. The status line decides; the body after it is read for 16 KiB and 2 s at most, and never
 * decompressed. What a connection that was used before loses is sent once more. `closeConnections` cuts what is still open.
 */
export function createSender({ now, ...settings }: ConnectionSettings & { now: () => Date }) {
  const { names, tunnels } = settings
  const agents = createAgentPool(settings)
  const deadlines = createDeadlineWatch()
  let isClosing = false
  /** Why a request has not been answered in time: by how far it has come. */
  const lateError = ({ origin }: PostRequest, connection: ReceiverConnection | undefined, isSent: boolean): Error => {
    if (isSent) return new AttemptTimeoutError()
    // While the proxy is known to be down, a request that got no connection in time has waited for the proxy.
    if (tunnels?.isProxyDown() && tunnels.isForHost(new URL(origin).hostname.replace(/^\[|\]$/g, '')))
      return new ProxyTrouble('it is out')
    return connection?.lookingUp ? names.explainDelay(connection.lookingUp) : new AttemptTimeoutError()
  }

  const sendPost = (post: PostRequest): Promise<AttemptAnswer> =>
    new Promise((resolve) => {
      const response = collectResponse(now)
      let current: RequestTry | undefined
      let hasEnded = false
      let wasSentAgain = false

      const finishRequest = (error?: unknown) => {
        if (hasEnded) return
        hasEnded = true
        deadlines.removeRequest(request)
        resolve({ ...response.answerAfter(error), wasSentAgain })
      }
      // Aborting destroys the connection. A request that still waits for one is aborted when it gets it, and not sent.
      const cutConnection = (error: Error) => {
        finishRequest(error)
        current?.abort(error)
      }
      const request: OpenRequest = {
        deadline: response.started + post.timeoutMs,
        slowAt: response.started + SLOW_MS,
        onSlow: post.onSlow,
        onDeadline: () => cutConnection(lateError(post, current?.connection(), current?.isSent() ?? false)),
      }
      deadlines.addRequest(request)

      const sendOver = (which: keyof AgentPair) => {
        current = startTry(agents.agentsFor(post.identity)[which], post, {
          hasEnded: () => hasEnded || isClosing,
          onLost: which === 'kept' ? sendAgain : null,
          onHead(status, headers) {
            response.addHead(status, headers)
            request.deadline = Math.min(request.deadline, performance.now() + BODY_MAX_MS)
          },
          onChunk(chunk) {
            if (response.addChunk(chunk) > BODY_MAX_BYTES) cutConnection(new Error('enough of the body was read'))
          },
          onEnd: () => {
            response.markWhole()
            finishRequest()
          },
          onError: finishRequest,
        })
      }
      const sendAgain = (wasWritten: boolean) => {
        wasSentAgain = wasWritten
        sendOver('fresh')
      }
      sendOver('kept')
    })

  return {
    sendPost,
    /** How many requests have not ended. */
    countUnderWay: deadlines.countOpen,
    async closeConnections() {
      isClosing = true
      deadlines.stop()
      await agents.destroyAll()
    },
  }
}

interface TryEvents {
  /** The attempt is over, or all are: what is not sent yet is not sent any more. */
  hasEnded: () => boolean
  /**
   * The connection that was used before is lost before a byte of an answer came, with the request or, unless it `wasWritten`,
   * while the request waited for its turn; null: the try is the last.
   */
  onLost: ((wasWritten: boolean) => void) | null
  onHead(status: number, headers: ResponseHead['headers']): void
  onChunk(chunk: Buffer): void
  onEnd(): void
  onError(error: unknown): void
}

interface RequestTry {
  abort(error: Error): void
  connection(): ReceiverConnection | undefined
  isSent(): boolean
}

/**
 * The receiver closed the connection for want of requests: what was sent meanwhile may be repeated (RFC 9110 15.5.9). One that
 * leaves the connection open has got the request, and answers it.
 */
const isIdleTimeout = (status: number, { connection }: ResponseHead['headers']) =>
  status === 408 && /\bclose\b/i.test(String(connection))

/** Sends the request once. An idle connection may be closed at any moment, and the request that meets this says nothing of the receiver. */
function startTry(agent: Agent, post: PostRequest, { hasEnded, onLost, ...events }: TryEvents): RequestTry {
  let controller: Dispatcher.DispatchController | undefined
  let connection: ReceiverConnection | undefined
  let isAbandoned = false
  const isReused = () => (connection?.answers?.countEarlier() ?? 0) > 0
  // undici also gives up requests that still wait for their turn on an open connection when that one is reset: none of them was sent.
  const isLost = () =>
    controller === undefined ? Boolean(connection?.answers) : isReused() && connection?.answers?.countBytes() === 0
  const abandon = (lost: (wasWritten: boolean) => void) => {
    isAbandoned = true
    lost(controller !== undefined)
  }

  const handler: AttemptHandler = {
    clientId: post.clientId,
    onConnectionChosen(chosen) {
      connection = chosen
    },
    onRequestStart(started) {
      controller = started
      if (hasEnded()) return started.abort(new Error('the attempt has ended'))
      connection?.answers?.beginAnswer()
    },
    onResponseStart(started, status, headers) {
      if (isAbandoned || status < 200) return
      connection?.answers?.endHead()
      if (isIdleTimeout(status, headers) && onLost && isReused() && !hasEnded()) {
        abandon(onLost)
        return started.abort(new Error('sent again on a fresh connection'))
      }
      events.onHead(status, headers)
    },
    onResponseData(_, chunk) {
      if (!isAbandoned) events.onChunk(chunk)
    },
    onResponseEnd() {
      if (!isAbandoned) events.onEnd()
    },
    onResponseError(_, error) {
      if (isAbandoned) return
      if (onLost && isLost() && !hasEnded()) abandon(onLost)
      else events.onError(error)
    },
  }
  try {
    const { origin, path, headers, body } = post
    agent.dispatch({ origin, path, method: 'POST', headers: addPlainHost(origin, headers), body }, handler)
  } catch (error) {
    events.onError(error)
  }
  return {
    abort: (error) => controller?.abort(error),
    connection: () => connection,
    isSent: () => controller !== undefined,
  }
}

const DOT_AT_END = /\.(:\d+)?$/

/** A name may be written with the dot of the root. Servers know themselves, and TLS asks for them (RFC 6066 3), without. */
const addPlainHost = (origin: string, headers: Record<string, string>): Record<string, string> =>
  DOT_AT_END.test(origin) ? { ...headers, host: new URL(origin).host.replace(DOT_AT_END, '$1') } : headers

/** What has come of one response, from now on. */
function collectResponse(now: () => Date) {
  const startedAt = now()
  const started = performance.now()
  const millisecondsSinceStart = () => Math.round(performance.now() - started)
  const chunks: Buffer[] = []
  let bytes = 0
  let head: ResponseHead | undefined
  let isWhole = false
  return {
    /** In milliseconds of `performance.now()`. */
    started,
    addHead(status: number, headers: ResponseHead['headers']) {
      const outcome = outcomeOfStatus(status, headers['retry-after'], now())
      head = { outcome, headers, durationMs: millisecondsSinceStart() }
    },
    /** Answers how many bytes there are by now. */
    addChunk(chunk: Buffer): number {
      chunks.push(chunk)
      bytes += chunk.length
      return bytes
    },
    /** The body has come to its end. */
    markWhole() {
      isWhole = true
    },
    /** The attempt's answer now that the request has ended, by `error` if no status line came. */
    answerAfter: (error: unknown): AttemptAnswer =>
      head
        ? storedAnswer({
            ...head,
            startedAt,
            body: Buffer.concat(chunks, Math.min(bytes, BODY_MAX_BYTES)),
            isWhole: isWhole && bytes <= BODY_MAX_BYTES,
          })
        : {
            headers: null,
            body: null,
            outcome: unreachableOutcome(error),
            cause: String(error),
            startedAt,
            durationMs: millisecondsSinceStart(),
          },
  }
}

export type Sender = ReturnType<typeof createSender>
