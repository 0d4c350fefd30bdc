import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { newDeliveries } from '../support/delivering.ts'
import { endpointsOf, gatewayOnClock, handedClock } from '../support/endpoint-life.ts'
import { eventually } from '../support/eventually.ts'
import { type Received, startReceiver } from '../support/receiver.ts'

// Stopped: no breaker's 30 seconds pass, however long a test takes.
const clock = handedClock({ stopped: true })
const gateway = await gatewayOnClock(clock)
const { db } = gateway
const { clientId, newEndpoint, become, deliveries, attempts } = await endpointsOf(gateway)
const idOf = (request: Received | undefined) => request?.headers['webhook-id']

/** So many endpoints like that one. */
async function copies(id: string, count: number): Promise<string[]> {
  const { rows } = await db.query(
    `insert into endpoints (id, client_id, url, contract, retry_schedule, timeout_seconds, secrets)
     select gen_random_uuid(), client_id, url, contract, retry_schedule, timeout_seconds, secrets
       from endpoints, generate_series(1, $2) where id = $1 returning id`,
    [id, count],
  )
  return rows.map(({ id }) => id)
}

/** As processes tell each other that there is work. */
const wake = () => db.query(`select pg_notify('flo_wake', $1)`, [`deliver:${clientId}`])

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

// On a machine that stands still for seconds a healthy receiver misses a connection, too: that must not cost it minutes.
const SOON = Array.from({ length: 10 }, () => 1)

describe('among a thousand endpoints of one client', () => {
  test('fifty that hang, one with 10,000 waiting, take nothing from the others', async () => {
    const [hanging, healthy] = await Promise.all([startReceiver({ hang: 'headers' }), startReceiver()])
    const stuck = await newEndpoint(hanging.url)
    // Longer than any machine takes for the rest: none of these attempts may end.
    await db.query('update endpoints set timeout_seconds = 3600 where id = $1', [stuck.id])
    const well = await newEndpoint(healthy.url, { retrySchedule: SOON })
    const [stuckIds, wellIds] = [
      [stuck.id, ...(await copies(stuck.id, 49))],
      [well.id, ...(await copies(well.id, 949))],
    ]
    const held = await newDeliveries(db, clientId, [stuck.id], { count: 10_000 })
    held.push(...(await newDeliveries(db, clientId, stuckIds, { count: 40 })))
    const first = await newDeliveries(db, clientId, wellIds, { count: 3 })
    await wake()
    await eventually(() => hanging.requests.length >= 400)
    await become('delivered', first)
    // They hang by now as far as they may: what comes later has as free a way.
    await eventually(() => hanging.requests.length === 500)
    const later = await newDeliveries(db, clientId, wellIds, { count: 3 })
    await wake()
    await become('delivered', later)
    const { rows } = await db.query(`select count(*) from deliveries where id = any($1) and state = 'pending'`, [held])
    expect(rows[0].count).toBe(held.length)
    expect(hanging.requests).toHaveLength(500)
    await hanging.stop()
  })

  test('fifty that are down, one with 10,000 waiting, are tried ten times each and a little, then left alone', async () => {
    const [url, healthy] = [`http://127.0.0.1:${await closedPort()}`, await startReceiver()]
    const down = await newEndpoint(url, { retrySchedule: [86_400] })
    const well = await newEndpoint(healthy.url, { retrySchedule: SOON })
    const downIds = [down.id, ...(await copies(down.id, 49))]
    const wellIds = [well.id, ...(await copies(well.id, 949))]
    const held = await newDeliveries(db, clientId, [down.id], { count: 10_000 })
    held.push(...(await newDeliveries(db, clientId, downIds, { count: 100 })))
    const others = await newDeliveries(db, clientId, wellIds, { count: 3 })
    await wake()
    await become('delivered', others)
    await eventually(async () => {
      const { rows } = await db.query(
        'select count(*) from endpoint_health where endpoint_id = any($1) and opened_at is not null',
        [downIds],
      )
      return rows[0].count === downIds.length
    })
    const { rows } = await db.query(
      'select count(*) from deliveries where endpoint_id = any($1) and attempts > 0 group by endpoint_id',
      [downIds],
    )
    expect(rows).toHaveLength(50)
    // Of ten at once nine may have failed, so that ten more are under way when the tenth failure opens the breaker.
    for (const { count } of rows) {
      expect(count).toBeGreaterThanOrEqual(10)
      expect(count).toBeLessThanOrEqual(9 + 10)
    }
  })
})

describe('within one endpoint', () => {
  /** An endpoint of which 300 deliveries have failed once and are due again; it takes one at a time, by hand. */
  async function backlog() {
    const receiver = await startReceiver({ status: 500 })
    const endpoint = await newEndpoint(receiver.url, { retrySchedule: [86_400, 86_400], maxInFlight: 1 })
    const failed = await newDeliveries(db, clientId, [endpoint.id], { count: 300 })
    await db.query(
      `update deliveries set attempts = 1, next_attempt_at = now() - interval '1 hour' where id = any($1)`,
      [failed],
    )
    await db.query(
      `insert into attempts (client_id, event_id, delivery_id, number, started_at, duration_ms, status)
       select client_id, event_id, id, 1, now() - interval '1 day', 1, 500 from deliveries where id = any($1)`,
      [failed],
    )
    receiver.behave({})
    return { receiver, endpoint, failed }
  }

  test('a first attempt does not wait for the end of a backlog of retries', async () => {
    const { receiver, endpoint, failed } = await backlog()
    const { promise: allAreSent, resolve: letGo } = Promise.withResolvers<void>()
    receiver.behave(async () => {
      await allAreSent
      return {}
    })
    const fresh = await endpoint.send(20)
    letGo()
    await become('delivered', [...failed, ...fresh])
    const arrived = receiver.requests.map((request) => String(idOf(request)))
    const lastRetry = arrived.findLastIndex((id) => failed.includes(id))
    expect(arrived.findLastIndex((id) => fresh.includes(id))).toBeLessThan(lastRetry)
    expect(arrived.filter((id) => fresh.includes(id))).toEqual(fresh)
  })

  test('a retry does not wait for the end of a backlog of first attempts', async () => {
    const receiver = await startReceiver(async (_, count) => {
      if (count === 1) return { status: 500 }
      // The others wait until the failure is on record, and the retry is due with it.
      if (count === 2) await eventually(async () => (await attempts(String(idOf(receiver.requests[0])))).length === 1)
      return { delayMs: 5 }
    })
    const endpoint = await newEndpoint(receiver.url, { retrySchedule: [0], maxInFlight: 1 })
    const ids = await endpoint.send(500)
    await become('delivered', ids)
    const arrived = receiver.requests.map(idOf)
    expect(arrived).toHaveLength(501)
    expect(arrived.lastIndexOf(arrived[0])).toBeLessThan(500)
  })
})

test('an endpoint that takes its time is not slowed down by it: it gets as many at once as it may', async () => {
  const open: (() => void)[] = []
  const receiver = await startReceiver(async () => {
    await new Promise<void>((answer) => open.push(answer))
    return {}
  })
  const endpoint = await newEndpoint(receiver.url, { maxInFlight: 20, timeoutSeconds: 60 })
  const ids = await endpoint.send(60)
  for (let round = 1; round <= 3; round += 1) {
    await eventually(() => open.length === 20)
    // Long enough to count as slow, which is judged every now and then.
    await new Promise((resolve) => setTimeout(resolve, 700))
    for (const answer of open.splice(0)) answer()
  }
  await become('delivered', ids)
  expect((await deliveries(ids)).every(({ attempts }) => attempts === 1)).toBe(true)
  for (const id of ids.slice(0, 1)) expect(await attempts(id)).toHaveLength(1)
})
