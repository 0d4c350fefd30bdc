import { type Detail, GatewayError } from './gateway-error.ts'

/** How requests are made. */
export interface RequestOptions {
  /** Where the gateway is, e.g. `https://flo.example.com`. */
  baseUrl: string
  /** `flo_sk_...` with the scope `write`. */
  apiKey: string | undefined
  /** Instead of the global one. */
  fetch?: typeof fetch
  /** How long one attempt may take; 30 by default. */
  timeoutSeconds?: number
  /** How often a request is made at most, the first time included; 6 by default, which is half a minute of waiting. */
  attempts?: number
  /** Waits between attempts; a test has no time for it. */
  wait?: (milliseconds: number) => Promise<void>
}

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 60_000

/**
 * POSTs JSON, and resolves to the `data` of the reply. What may pass by itself is tried again with the same key: no answer, 429, 5xx,
 * and 409 while an earlier attempt still runs. Rejects with a `GatewayError` with what else is answered, or with the last of these.
 */
export async function postJson<Data>(
  options: RequestOptions,
  path: string,
  body: string,
  idempotencyKey: string,
): Promise<Data> {
  const { attempts = 6, wait = waitMilliseconds } = options
  for (let attempt = 1; ; attempt++) {
    const answer = await attemptPost<Data>(options, path, body, idempotencyKey)
    if ('data' in answer) return answer.data
    if (!answer.canRetry || attempt >= attempts) throw answer.error
    // From half a wait to a whole one, so that those who failed together do not come back together.
    const backOff = FIRST_WAIT_MS * 2 ** (attempt - 1) * (0.5 + Math.random() / 2)
    await wait(Math.min(Math.max(backOff, answer.retryAfterMs), LONGEST_WAIT_MS))
  }
}

type AttemptAnswer<Data> = { data: Data } | { error: GatewayError; canRetry: boolean; retryAfterMs: number }

async function attemptPost<Data>(
  { baseUrl, apiKey, fetch = globalThis.fetch, timeoutSeconds = 30 }: RequestOptions,
  path: string,
  body: string,
  idempotencyKey: string,
): Promise<AttemptAnswer<Data>> {
  let response: Response
  let text: string
  try {
    response = await fetch(`${baseUrl.replace(/\/+$/, '')}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${apiKey}`,
        'content-type': 'application/json',
        'idempotency-key': idempotencyKey,
      },
      body,
      // A POST that is sent on elsewhere loses its body or its key.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutSeconds * 1000),
    })
    text = await response.text()
  } catch (cause) {
    const message = `The gateway at ${baseUrl} did not answer: ${failureReason(cause)}.`
    return { error: new GatewayError({ code: 'unreachable', message, cause }), canRetry: true, retryAfterMs: 0 }
  }
  const { status } = response
  const reply = parseReply(text)
  if (response.ok && reply?.data !== undefined) return { data: reply.data as Data }
  const error = new GatewayError({
    status,
    code: reply?.error?.code ?? 'unexpected_answer',
    message: reply?.error?.message ?? `What answered with ${status} is not the gateway: is ${baseUrl} right?`,
    details: reply?.error?.details,
    requestId: reply?.error?.requestId,
  })
  const canRetry = status === 429 || status >= 500 || error.code === 'idempotency_running'
  return { error, canRetry, retryAfterMs: (Number(response.headers.get('retry-after')) || 0) * 1000 }
}

interface Reply {
  data?: unknown
  error?: { code?: string; message?: string; details?: Detail[]; requestId?: string }
}

function parseReply(text: string): Reply | undefined {
  try {
    const value = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** Why there was no answer: fetch says "fetch failed", and its cause the rest. */
function failureReason(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { message?: string } }
  return cause?.message || message || String(error)
}

const waitMilliseconds = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))
