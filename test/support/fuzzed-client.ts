import type { Json } from '../../src/domain/json.ts'
import { eventually } from './eventually.ts'
import { present } from './present.ts'
import { signed } from './stripe.ts'
import { subscriptionCreated } from './subscription.ts'

const WHSEC = 'whsec_fuzz'

/** Lists whose rows belong to a client, as their paths read. */
const LISTS = [
  'api-keys',
  'sources',
  'users',
  'checkouts/sessions',
  'endpoints',
  'source-events',
  'backfills',
  'events',
  'deliveries',
  'replays',
] as const
export type Ids = Record<string, string[]>

type Api = (method: string, path: string, body?: unknown, key?: string) => Promise<{ status: number; body: Json }>

/** What a client owns at present, row by row, as its operator sees it; however many requests the operator's key has spent before. */
export async function belongings(api: Api, clientId: string): Promise<Record<string, Json[]>> {
  const rows = (list: string) =>
    eventually(async () => {
      const { status, body } = await api('GET', `/v1/${list}?clientId=${clientId}&limit=100`)
      if (status !== 200 && status !== 429) throw new Error(`${list} answered ${status}: ${JSON.stringify(body)}`)
      return status === 200 && (body.data as Json[])
    })
  return Object.fromEntries(await Promise.all(LISTS.map(async (list) => [list, await rows(list)])))
}

/** The ids of these rows, by list; and the client's own. */
const idsOf = (clientId: string, rows: Record<string, Json[]>): Ids => ({
  clients: [clientId],
  ...Object.fromEntries(Object.entries(rows).map(([list, all]) => [list, all.map(({ id }) => id as string)])),
})

/** A client with one of everything that a client can have, and `mark` in every text of it, settled. */
export async function markedClient({ url, api }: { url: string; api: Api }, mark: string, receiverUrl: string) {
  const made = async (method: string, path: string, body: object) => {
    const reply = await api(method, path, body)
    if (reply.status >= 300) throw new Error(`${path} answered ${reply.status}: ${JSON.stringify(reply.body)}`)
    return reply.body.data
  }
  const { id: clientId } = await made('POST', '/v1/clients', { name: mark })
  const key = (...scopes: string[]) =>
    made('POST', '/v1/api-keys', { clientId, scopes, name: mark }).then(({ key }) => key as string)
  const source = await made('POST', '/v1/sources', {
    clientId,
    kind: 'stripe',
    name: mark,
    signingSecrets: [WHSEC, `whsec_${mark}`],
    apiKey: `rk_test_${mark}`,
    planRanks: { [mark]: 1 },
  })
  const endpoint = await made('POST', '/v1/endpoints', {
    clientId,
    url: `${receiverUrl}/${mark}`,
    description: mark,
    metadata: { note: mark },
    headers: { 'x-note': mark },
    secret: `flo_whsec_${Buffer.from(mark.repeat(4)).toString('base64')}`,
  })
  await made('PUT', `/v1/users/${mark}`, { clientId, email: `${mark}@example.com`, stripeCustomerId: `cus_${mark}` })
  await made('POST', '/v1/checkouts/sessions', {
    clientId,
    clientUserId: mark,
    stripeSessionId: `cs_test_${mark}`,
    items: [{ id: mark, name: mark, metadata: { note: mark } }],
    metadata: { note: mark },
  })
  const data = { at: '2026-06-06T12:00:00Z', ip: '203.0.113.7', user_agent: mark }
  await made('POST', '/v1/app-events', { clientId, type: 'user.login', clientUserId: mark, data })
  for (let sent = 0; sent < 3; sent += 1) {
    const body = subscriptionCreated({ customer: `cus_${mark}` })
      .replaceAll('user_1', mark)
      .replaceAll('price_pro', mark)
    const headers = { 'content-type': 'application/json', 'stripe-signature': signed(body, WHSEC) }
    await fetch(`${url}/webhooks/stripe/${source.id}`, { method: 'POST', headers, body })
  }
  await made('POST', '/v1/backfills', {
    clientId,
    sourceId: source.id,
    since: new Date(Date.now() - 86_400_000).toISOString(),
  })
  await eventually(async () => present((await belongings(api, clientId)).deliveries).length >= 3)
  await made('POST', '/v1/replays', { clientId, endpointId: endpoint.id, mode: 'all' })
  await eventually(async () => {
    const { deliveries, replays, backfills, ...rows } = await belongings(api, clientId)
    const running = [...present(replays), ...present(backfills)].filter(({ state }) => state === 'running')
    const waiting = [
      ...present(deliveries).filter(({ state }) => state === 'pending'),
      ...present(rows['source-events']).filter(({ state }) => state === 'received' || state === 'held'),
    ]
    return running.length + waiting.length === 0 && present(replays).length > 0
  })
  return { clientId, key, ids: idsOf(clientId, await belongings(api, clientId)) }
}
