import { createHmac, randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { stripeEvent } from '../bench/stripe-event.ts'

export const SIGNING_SECRET = 'whsec_torture'

/** Stripe, as far as its patience goes: what is not answered with 200 is sent again, to whichever process listens. */
export interface FakeStripe {
  /** Sends one event once, beside the load; answers the status, or why there was none. */
  post: (body: string) => Promise<string>
  /** When each event's 200 came, by its user; milliseconds since 1970. */
  accepted: Map<string, number>
  /** The user of the newest event if it was accepted after that moment. */
  newestAfter(after: number): string | undefined
  /** Requests that got no 200, by what they got instead. */
  refusals: Map<string, number>
  /** So many accepted events at least. */
  untilAccepted(count: number): Promise<void>
  /** Makes no new event, and returns when every one that was made is accepted. */
  finishSending(): Promise<void>
  /** Ends where it is. */
  stop(): Promise<void>
}

// Stripe hangs up after a while as well, and comes again.
const PATIENCE_MS = 10_000
const AGAIN_MS = 100

/** Sends about `perSecond` events to one source of the gateways of `urls`, at once and until told to finish. */
export function startStripe({
  urls,
  sourceId,
  perSecond,
  senders = 8,
  pad = '',
}: {
  urls: () => string[]
  sourceId: string
  perSecond: number
  senders?: number
  /** Goes into each event's description: makes it as large as wanted. */
  pad?: string
}): FakeStripe {
  const accepted = new Map<string, number>()
  const refusals = new Map<string, number>()
  const run = randomBytes(4).toString('hex')
  let made = 0
  let last = { user: '', at: 0 }
  let mode: 'sending' | 'finishing' | 'stopped' = 'sending'

  const postEvent = async (body: string): Promise<string> => {
    const all = urls()
    const url = all[Math.floor(Math.random() * all.length)]
    if (!url) return 'nobody listens'
    const t = Math.floor(Date.now() / 1000)
    const v1 = createHmac('sha256', SIGNING_SECRET).update(`${t}.${body}`).digest('hex')
    try {
      const response = await fetch(`${url}/webhooks/stripe/${sourceId}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'stripe-signature': `t=${t},v1=${v1}` },
        body,
        signal: AbortSignal.timeout(PATIENCE_MS),
      })
      await response.arrayBuffer()
      return String(response.status)
    } catch (error) {
      const { name, cause } = error as Error & { cause?: { code?: string } }
      return name === 'TimeoutError' ? 'no answer' : (cause?.code ?? name)
    }
  }
  const postUntilAccepted = async (n: string, body: string) => {
    while (mode !== 'stopped') {
      const answer = await postEvent(body)
      if (answer === '200') {
        last = { user: `user_${n}`, at: Date.now() }
        return void accepted.set(last.user, last.at)
      }
      refusals.set(answer, (refusals.get(answer) ?? 0) + 1)
      await delay(AGAIN_MS)
    }
  }
  const sending = Array.from({ length: senders }, async () => {
    while (mode === 'sending') {
      const n = `${run}x${++made}`
      const body = stripeEvent(n)
      await postUntilAccepted(n, pad ? body.replace('"description":null', `"description":"${pad}"`) : body)
      // No catching up of what an outage has cost: the gateways have their backlog, and this is no race.
      await delay(Math.max(1, (senders / perSecond) * 1000 * (0.5 + Math.random())))
    }
  })
  return {
    accepted,
    newestAfter: (after) => (last.at > after ? last.user : undefined),
    refusals,
    async untilAccepted(count) {
      const from = accepted.size
      while (accepted.size < from + count && mode === 'sending') await delay(20)
    },
    post: postEvent,
    async finishSending() {
      mode = mode === 'stopped' ? mode : 'finishing'
      await Promise.all(sending)
    },
    async stop() {
      mode = 'stopped'
      await Promise.all(sending)
    },
  }
}
