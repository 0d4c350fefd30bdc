import type { Dispatcher } from 'undici'
import { ProxyTrouble } from '../../network/egress-proxy.ts'
import { outcomeOfStatus } from '../attempt-outcome.ts'
import type { TlsIdentity } from '../endpoint/endpoint.ts'
import { type ConnectionSettings, createAgentPool } from './agent-pool.ts'
import { type AttemptAnswer, type ResponseHead, storedAnswer } from './answer.ts'
import { createDeadlineWatch, type OpenRequest } from './deadline-watch.ts'
import { AttemptTimeoutError, unreachableOutcome } from './network-errors.ts'

/** One POST: where to, with what, and how many milliseconds it may take in all. */
export interface PostRequest {
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
 * decompressed. `closeConnections` cuts what is still open.
 */
export function createSender({ now, tunnels, ...settings }: ConnectionSettings & { now: () => Date }) {
  const agents = createAgentPool({ ...settings, tunnels })
  const deadlines = createDeadlineWatch()
  // While the proxy is known to be down, a request that got no connection in time has waited for the proxy.
  const timeoutError = (origin: string, { isConnected }: { isConnected: boolean }) =>
    !isConnected && tunnels?.isProxyDown() && tunnels.isForHost(new URL(origin).hostname.replace(/^\[|\]$/g, ''))
      ? new ProxyTrouble('it is out')
      : new AttemptTimeoutError()

  const sendPost = (post: PostRequest): Promise<AttemptAnswer> =>
    new Promise((resolve) => {
      const response = collectResponse(now)
      let controller: Dispatcher.DispatchController | undefined
      let hasEnded = false

      const finishRequest = (error?: unknown) => {
        if (hasEnded) return
        hasEnded = true
        deadlines.removeRequest(request)
        resolve(response.answerAfter(error))
      }
      // Aborting destroys the connection. A request that still waits for one is aborted when it gets it, and not sent.
      const cutConnection = (error: Error) => {
        finishRequest(error)
        controller?.abort(error)
      }
      const request: OpenRequest = {
        deadline: response.started + post.timeoutMs,
        slowAt: response.started + SLOW_MS,
        onSlow: post.onSlow,
        onDeadline: () => cutConnection(timeoutError(post.origin, { isConnected: controller !== undefined })),
      }
      deadlines.addRequest(request)

      const handler: Dispatcher.DispatchHandler = {
        onRequestStart(connected) {
          controller = connected
          if (hasEnded) connected.abort(new Error('the attempt has ended'))
        },
        onResponseStart(_, status, headers) {
          if (status < 200) return
          response.addHead(status, headers)
          request.deadline = Math.min(request.deadline, performance.now() + BODY_MAX_MS)
        },
        onResponseData(_, chunk) {
          if (response.addChunk(chunk) > BODY_MAX_BYTES) cutConnection(new Error('enough of the body was read'))
        },
        onResponseEnd: () => finishRequest(),
        onResponseError: (_, error) => finishRequest(error),
      }
      try {
        agents
          .agentFor(post.identity)
          .dispatch(
            { origin: post.origin, path: post.path, method: 'POST', headers: post.headers, body: post.body },
            handler,
          )
      } catch (error) {
        finishRequest(error)
      }
    })

  return {
    sendPost,
    /** How many requests have not ended. */
    countUnderWay: deadlines.countOpen,
    async closeConnections() {
      deadlines.stop()
      await agents.destroyAll()
    },
  }
}

/** What has come of one response, from now on. */
function collectResponse(now: () => Date) {
  const startedAt = now()
  const started = performance.now()
  const millisecondsSinceStart = () => Math.round(performance.now() - started)
  const chunks: Buffer[] = []
  let bytes = 0
  let head: ResponseHead | undefined
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
    /** The attempt's answer now that the request has ended, by `error` if no status line came. */
    answerAfter: (error: unknown): AttemptAnswer =>
      head
        ? storedAnswer({ ...head, startedAt, body: Buffer.concat(chunks, Math.min(bytes, BODY_MAX_BYTES)) })
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
