import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import { freshDatabase } from '../support/database.ts'
import { environment, temporaryFolder } from '../support/gateway.ts'
import { call, runGateway } from '../support/program.ts'
import { startReceiver } from '../support/receiver.ts'
import { shiftedClock } from '../support/shifted-clock.ts'
import { signed } from '../support/stripe.ts'
import { subscriptionCreated } from '../support/subscription.ts'

const SECRET = 'whsec_of_the_source'
const EVENTS = 1200
const SENDERS = 24
const LISTS = ['source-events', 'events', 'deliveries', 'endpoints', 'replays'] as const
const TIMED = new Set<string>(['source-events', 'events', 'deliveries'])

/** Two gateways on one database, each with a clock of its own, and a client with an endpoint of all events. */
async function startTwoProcesses() {
  const { url, db } = await freshDatabase()
  const shifts = [30_000, -30_000]
  // One names its sessions itself.
  const named = new URL(url)
  named.searchParams.set('application_name', 'second')
  const urls = [url, named.href]
  const processes = await Promise.all(
    shifts.map(async (shift, at) =>
      runGateway(await temporaryFolder(), { ...environment(urls[at] ?? url), NODE_OPTIONS: shiftedClock(shift) }),
    ),
  )
  const places = await Promise.all(processes.map((process) => process.listening()))
  const key = environment(url).FLO_ADMIN_KEY
  const api: Api = async (at, method, path, body) => {
    for (;;) {
      const reply: Json = await call({ url: places[at % 2] ?? '', key }, method, path, body)
      if (![429, 503].includes(reply.status)) return reply
      await sleep(200)
    }
  }
  const receiver = await startReceiver({})
  const { id: clientId } = (await api(0, 'POST', '/v1/clients', { name: 'Acme' })).body.data
  const source = (await api(0, 'POST', '/v1/sources', { clientId, kind: 'stripe', signingSecrets: [SECRET] })).body.data
  const newEndpoint = async (at: number, fields: object): Promise<string> => {
    const endpoint = { clientId, url: receiver.url, contract: 'flo.v1', maxInFlight: 50, ...fields }
    return (await api(at, 'POST', '/v1/endpoints', endpoint)).body.data.id
  }
  await newEndpoint(0, {})
  const post = async (at: number, body: string): Promise<number> => {
    const stamp = signed(body, SECRET, new Date(Date.now() + (shifts[at % 2] ?? 0)))
    const headers = { 'stripe-signature': stamp }
    const answer = await fetch(`${places[at % 2]}/webhooks/stripe/${source.id}`, { method: 'POST', headers, body })
    await answer.arrayBuffer()
    return answer.status
  }
  return { db, api, clientId, newEndpoint, post }
}

type Api = (at: number, method: string, path: string, body?: unknown) => Promise<Json>
type List = (typeof LISTS)[number]

/** Reads a list as a follower does, until it is complete up to `writtenAt`: the ids in the order in which they came. */
async function followList(
  { api, clientId }: { api: Api; clientId: string },
  list: List,
  at: number,
  writtenAt: () => number,
): Promise<string[]> {
  const isTimed = TIMED.has(list)
  const seen: string[] = []
  let [since, cursor, carried] = ['2020-01-01T00:00:00Z', '', '']
  for (let isLast = false; ; ) {
    const place = `${isTimed ? `&since=${since}` : ''}${cursor && `&cursor=${cursor}`}`
    const { status, body } = await api(at, 'GET', `/v1/${list}?clientId=${clientId}&order=asc&limit=40${place}`)
    expect([list, status, body.error]).toEqual([list, 200, undefined])
    seen.push(...body.data.map(({ id }: { id: string }) => id))
    if (body.meta.nextCursor) {
      cursor = body.meta.nextCursor
      carried = cursor
      continue
    }
    // What has no time of its own is read again from the last cursor, its page included.
    if (isLast) return isTimed ? seen : [...new Set(seen)]
    // Once more after the last was written: the page before it may have been read while it was.
    isLast = Date.parse(body.meta.completeUntil) > writtenAt()
    if (isTimed) [since, cursor] = [body.meta.completeUntil, '']
    else cursor = carried
    await sleep(20)
  }
}

type Processes = Awaited<ReturnType<typeof startTwoProcesses>>

/** Sends webhooks to both, and makes endpoints and replays meanwhile; returns when all has its deliveries. */
async function writeThroughBoth({ db, api, clientId, newEndpoint, post }: Processes): Promise<void> {
  let sent = 0
  const send = async () => {
    while (sent < EVENTS) expect(await post(sent++, subscriptionCreated())).toBe(200)
  }
  const change = async () => {
    for (let at = 0; sent < EVENTS && at < 40; at++) {
      const endpointId = await newEndpoint(at, { eventTypes: ['invoice.paid'] })
      const { status } = await api(at + 1, 'POST', '/v1/replays', { clientId, endpointId, mode: 'failed' })
      expect(status).toBe(202)
      await sleep(50)
    }
  }
  await Promise.all([...Array.from({ length: SENDERS }, send), change(), change()])
  for (let stored = -1; ; ) {
    const { rows } = await db.query(`select count(*)::int as open from source_events where state = 'received'`)
    const { rows: made } = await db.query('select count(*)::int as made from deliveries')
    if (rows[0].open === 0 && made[0].made === stored) return
    stored = made[0].made
    await sleep(500)
  }
}

test('followers of lists that two processes write at once, with clocks of their own, miss nothing and get nothing twice', async () => {
  const processes = await startTwoProcesses()
  const { db, clientId } = processes
  let writtenAt = Number.POSITIVE_INFINITY
  const following = LISTS.map((list, at) => followList(processes, list, at, () => writtenAt))
  await writeThroughBoth(processes)
  writtenAt = (await db.query('select now() as at')).rows[0].at.getTime()
  const followed = await Promise.all(following)
  for (const [at, list] of LISTS.entries()) {
    const table = list.replace('-', '_')
    const { rows } = await db.query(`select id from ${table} where client_id = $1 order by id`, [clientId])
    expect([list, followed[at]]).toEqual([list, rows.map(({ id }) => id)])
  }
})
