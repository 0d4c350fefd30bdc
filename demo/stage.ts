import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Stripe from 'stripe'
import { readConfig } from '../src/config.ts'
import type { Json } from '../src/domain/json.ts'
import { startGateway } from '../src/gateway.ts'
import { newLog } from '../src/log.ts'
import { type ReceivedDelivery, startReceiver } from './listen.ts'
import { CUSTOMER, type StripeEvent } from './stripe.ts'

/** What became of one Stripe event: its state, why no event came of it, and what arrived at the endpoint. */
export interface EventOutcome {
  state: string
  reason: { code: string; message: string | null } | null
  /** One per event of a contract, in order; the attempts that arrived, the accepted one last. */
  events: { contract: string; eventType: string; arrivals: ReceivedDelivery[] }[]
}

export type Stage = Awaited<ReturnType<typeof setStage>>

const WAIT_MS = 15_000
const WHSEC = `whsec_${randomBytes(24).toString('base64url')}`

/** A gateway with a database of its own in a temporary folder; `stop` ends both and removes the folder. */
export async function startDemoGateway() {
  const folder = await mkdtemp(join(tmpdir(), 'flo-gateway-demo-'))
  const removeFolder = () => rm(folder, { recursive: true, force: true })
  const adminKey = randomBytes(24).toString('base64url')
  const config = readConfig({
    PORT: '0',
    LOG_LEVEL: 'warn',
    FLO_DATA_DIR: folder,
    FLO_ADMIN_KEY: adminKey,
    FLO_ALLOWED_SUBNETS: '127.0.0.0/8',
  })
  try {
    const gateway = await startGateway(config, { log: newLog(config.logLevel) })
    return {
      url: gateway.url,
      adminKey,
      async stop() {
        await gateway.stop()
        await removeFolder()
      },
    }
  } catch (error) {
    await removeFolder()
    throw error
  }
}

const CONTRACTS = ['flo', 'florentin']

/** A client with a source, a registered user and an endpoint of each contract, all made over the API, and their receiver. */
export async function setStage(gateway: { url: string; adminKey: string }) {
  const arrivals = new Map<string, ReceivedDelivery[]>()
  const secrets = new Map<string, string>()
  let isDown = false
  const receiver = await startReceiver({
    secret: (path) => secrets.get(path) ?? '',
    arrived(arrival) {
      const earlier = arrivals.get(arrival.deliveryId) ?? []
      arrivals.set(arrival.deliveryId, [...earlier, arrival])
      return isDown && earlier.length === 0 ? 503 : 200
    },
  })
  const callApi = async (method: string, path: string, body?: object) => {
    const response = await fetch(`${gateway.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${gateway.adminKey}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    })
    const answer = (await response.json()) as Json
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`)
    return answer.data
  }
  const { id: clientId } = await callApi('POST', '/v1/clients', { name: 'Demo shop' })
  const source = await callApi('POST', '/v1/sources', { clientId, kind: 'stripe', signingSecrets: [WHSEC] })
  await callApi('PUT', '/v1/users/user_ada', { clientId, email: 'ada@example.com', stripeCustomerId: CUSTOMER })
  // A retry after a second: nobody wants to watch the contract's own five.
  for (const name of CONTRACTS) {
    const { secret } = await callApi('POST', '/v1/endpoints', {
      clientId,
      url: `${receiver.url}/${name}`,
      contract: `${name}.v1`,
      retrySchedule: [1, 5],
    })
    secrets.set(`/${name}`, secret)
  }

  return {
    endpointUrls: CONTRACTS.map((name) => `${receiver.url}/${name}`),
    close: receiver.close,
    /** From now on first attempts are answered with 503. */
    setEndpointDown(is: boolean) {
      isDown = is
    },
    /** Posts an event as Stripe does; `forged`: signed with a secret that is not the source's. */
    async postEvent(event: StripeEvent, { forged = false } = {}) {
      const payload = JSON.stringify(event)
      const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: forged ? 'whsec_guessed' : WHSEC })
      const postedAt = performance.now()
      const response = await fetch(source.webhookUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'stripe-signature': signature },
        body: payload,
      })
      const answer = (await response.json()) as { duplicate?: boolean; error?: { code: string } }
      return { status: response.status, ...answer, postedAt, answeredMs: performance.now() - postedAt }
    },
    /** Waits until the gateway has done with an event and its deliveries; after 15 s tells how far it came. */
    async awaitOutcome(event: StripeEvent): Promise<EventOutcome> {
      const deadline = performance.now() + WAIT_MS
      for (let pauseMs = 15; ; pauseMs = Math.min(pauseMs * 1.2, 300)) {
        const [row] = await callApi('GET', `/v1/source-events?clientId=${clientId}&eventId=${event.id}`)
        const events = await callApi('GET', `/v1/events?clientId=${clientId}&sourceEventId=${row.id}&order=asc`)
        const deliveries = await Promise.all(
          events.map(({ id }: { id: string }) => callApi('GET', `/v1/deliveries?clientId=${clientId}&eventId=${id}`)),
        )
        const done = deliveries.flat().every(({ state }: { state: string }) => state === 'delivered')
        const settled = !['received', 'held'].includes(row.state)
        if ((done && settled) || performance.now() > deadline)
          return {
            state: row.state,
            reason: row.reason,
            events: events.map(({ contract, eventType }: { contract: string; eventType: string }, at: number) => ({
              contract: contract.replace(/\.v\d+$/, ''),
              eventType,
              arrivals: deliveries[at].flatMap(({ id }: { id: string }) => arrivals.get(id) ?? []),
            })),
          }
        await delay(pauseMs)
      }
    },
  }
}
