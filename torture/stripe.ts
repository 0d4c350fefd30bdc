import { createHmac, randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { stripeEvent } from '../bench/stripe-event.ts'
import { present } from '../test/support/present.ts'
import { SIGNING_SECRET, type TorturedClient } from './clients.ts'
import { nameEvent } from './names.ts'

/** Stripe, as far as its patience goes: what is not answered with 200 is sent again, to whichever process listens. */
export interface FakeStripe {
  /** Sends one event of a client once, beside the load; answers the status, or why there was none. */
  post: (body: string, client: TorturedClient) => Promise<string>
  /** When each event's 200 came, by its user; milliseconds since 1970. */
  accepted: Map<string, number>
  /** Sends an event of each client at once, beside the load, until it is accepted. */
  sendRound(): void
  /** The users of the newest event of each client if all of these were accepted after that moment. */
  newestAfter(after: number): string[] | undefined
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

/** The load of the first client, where there are others. */
const SHARE_OF_FIRST = 1 / 3

/** A third of all is the first client's; of the others, too, some have many times what others have. */
export function pickClient<C>(clients: readonly C[], random: () => number): C {
  const [first, ...others] = clients
  const isFirst = others.length === 0 || random() < SHARE_OF_FIRST
  return present(isFirst ? first : others[Math.floor(random() ** 2 * others.length)])
}

/** Sends about `perSecond` events to the clients' sources at the gateways of `urls`, at once and until told to finish. */
export function startStripe({
  urls,
  clients,
  perSecond,
  senders = 8,
  pad = '',
}: {
  urls: () => string[]
  clients: readonly TorturedClient[]
  perSecond: number
  senders?: number
  /** Goes into each event's description: makes it as large as wanted. */
  pad?: string
}): FakeStripe {
  const accepted = new Map<string, number>()
  const refusals = new Map<string, number>()
  const run = randomBytes(4).toString('hex')
  let made = 0
  const last = new Map<TorturedClient, { user: string; at: number }>()
  const rounds = new Set<Promise<unknown>>()
  let mode: 'sending' | 'finishing' | 'stopped' = 'sending'

  const postEvent = async (body: string, { sourceId }: TorturedClient): Promise<string> => {
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
  const postUntilAccepted = async (n: string, body: string, client: TorturedClient) => {
    while (mode !== 'stopped') {
      const answer = await postEvent(body, client)
      if (answer === '200') {
        const [user, at] = [`user_${n}`, Date.now()]
        last.set(client, { user, at })
        return void accepted.set(user, at)
      }
      refusals.set(answer, (refusals.get(answer) ?? 0) + 1)
      await delay(AGAIN_MS)
    }
  }
  const sendNext = async (client: TorturedClient) => {
    const n = nameEvent(run, client.number, ++made)
    const body = stripeEvent(n, client.routedBy === null ? {} : { metadata: `"flo_client":"${client.routedBy}"` })
    await postUntilAccepted(n, pad ? body.replace('"description":null', `"description":"${pad}"`) : body, client)
  }
  const sendRound = () => {
    const round = Promise.all(clients.map(sendNext)).finally(() => rounds.delete(round))
    rounds.add(round)
  }
  sendRound()
  const sending = Array.from({ length: senders }, async () => {
    while (mode === 'sending') {
      await sendNext(pickClient(clients, Math.random))
      // No catching up of what an outage has cost: the gateways have their backlog, and this is no race.
      await delay(Math.max(1, (senders / perSecond) * 1000 * (0.5 + Math.random())))
    }
  })
  return {
    accepted,
    sendRound,
    newestAfter(after) {
      const users = clients.flatMap((client) => {
        const newest = last.get(client)
        return newest && newest.at > after ? newest.user : []
      })
      return users.length === clients.length ? users : undefined
    },
    refusals,
    async untilAccepted(count) {
      const from = accepted.size
      while (accepted.size < from + count && mode === 'sending') await delay(20)
    },
    post: postEvent,
    async finishSending() {
      mode = mode === 'stopped' ? mode : 'finishing'
      await Promise.all([...sending, ...rounds])
    },
    async stop() {
      mode = 'stopped'
      await Promise.all([...sending, ...rounds])
    },
  }
}
