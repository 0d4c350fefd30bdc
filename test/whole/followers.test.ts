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

test('followers of lists that two processes write at once, with clocks of their own, miss nothing and get nothing twice', async () => {
  const { url, db } = await freshDatabase()
  const shifts = [30_000, -30_000]
  // One names its sessions itself.
  const named = new URL(url)
  named.searchParams.set('application_name', 'second')
  const urls = [url, named.href]
  const processes = await Promise.all(
    shifts.map(async (shift, at) =>
      runGateway(await temporaryFolder(), {
        ...environment(urls[at] ?? url),
        NODE_OPTIONS: shiftedClock(shift),
      }),
    ),
  )
  const places = await Promise.all(processes.map((process) => process.listening()))
  const key = environment(url).FLO_ADMIN_KEY
  const api = async (at: number, method: string, path: string, body?: unknown): Promise<Json> => {
    for (;;) {
      const reply: Json = await call({ url: places[at % 2] ?? '', key }, method, path, body)
      if (![429, 503].includes(reply.status)) return reply
      await sleep(200)
    }
  }
  const receiver = await startReceiver({})
  const { id: clientId } = (await api(0, 'POST', '/v1/clients', { name: 'Acme' })).body.data
  const source = (await api(0, 'POST', '/v1/sources', { clientId, kind: 'stripe', signingSecrets: [SECRET] })).body.data
  const newEndpoint = async (at: number, fields: object = { eventTypes: ['invoice.paid'] }): Promise<string> =>
    (
      await api(at, 'POST', '/v1/endpoints', {
        clientId,
        url: receiver.url,
        contract: 'flo.v1',
        maxInFlight: 50,
        ...fields,
      })
    ).body.data.id
  await newEndpoint(0, {})

  let isWriting = true
  const follow = async (list: (typeof LISTS)[number], at: number) => {
    const seen: string[] = []
    let [since, cursor, carried] = ['2020-01-01T00:00:00Z', '', '']
    for (let isLast = false; ; ) {
      const place = `${TIMED.has(list) ? `&since=${since}` : ''}${cursor && `&cursor=${cursor}`}`
      const { status, body } = await api(at, 'GET', `/v1/${list}?clientId=${clientId}&order=asc&limit=40${place}`)
      expect([list, status, body.error]).toEqual([list, 200, undefined])
      seen.push(...body.data.map(({ id }: { id: string }) => id))
      if (body.meta.nextCursor) {
        cursor = body.meta.nextCursor
        carried = cursor
        continue
      }
      if (isLast) return [...new Set(TIMED.has(list) ? [] : seen), ...(TIMED.has(list) ? seen : [])]
      // Once more after the last was written: the page before it may have been read while it was.
      isLast = !isWriting && Date.parse(body.meta.completeUntil) > writtenAt
      if (TIMED.has(list)) [since, cursor] = [body.meta.completeUntil, '']
      else cursor = carried
      await sleep(20)
    }
  }
  let writtenAt = Number.POSITIVE_INFINITY
  const following = LISTS.map((list, at) => follow(list, at))

  let sent = 0
  const send = async () => {
    while (sent < EVENTS) {
      const at = sent++
      const body = subscriptionCreated()
      const stamp = signed(body, SECRET, new Date(Date.now() + (shifts[at % 2] ?? 0)))
      const answer = await fetch(`${places[at % 2]}/webhooks/stripe/${source.id}`, {
        method: 'POST',
        headers: { 'stripe-signature': stamp },
        body,
      })
      expect(answer.status).toBe(200)
      await answer.arrayBuffer()
    }
  }
  const change = async () => {
    for (let at = 0; sent < EVENTS && at < 40; at++) {
      const id = await newEndpoint(at)
      const { status } = await api(at + 1, 'POST', '/v1/replays', {
        clientId,
        endpointId: id,
        mode: 'failed',
      })
      expect(status).toBe(202)
      await sleep(50)
    }
  }
  await Promise.all([...Array.from({ length: SENDERS }, send), change(), change()])
  const tables = {
    'source-events': 'source_events',
    events: 'events',
    deliveries: 'deliveries',
    endpoints: 'endpoints',
    replays: 'replays',
  }
  for (let stored = -1; ; ) {
    const { rows } = await db.query(`select count(*)::int as open from source_events where state = 'received'`)
    const { rows: made } = await db.query('select count(*)::int as made from deliveries')
    if (rows[0].open === 0 && made[0].made === stored) break
    stored = made[0].made
    await sleep(500)
  }
  writtenAt = (await db.query('select now() as at')).rows[0].at.getTime()
  isWriting = false
  const followed = await Promise.all(following)
  for (const [at, list] of LISTS.entries()) {
    const { rows } = await db.query(`select id from ${tables[list]} where client_id = $1 order by id`, [clientId])
    expect([list, followed[at]]).toEqual([list, rows.map(({ id }) => id)])
  }
}, 240_000)
