import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { newClient, newDeliveries } from '../support/delivering.ts'
import { endpointsOf, gatewayOnClock, handedClock } from '../support/endpoint-life.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'

// Stopped: no breaker's 30 seconds pass, however long a test takes.
const clock = handedClock({ stopped: true })
const gateway = await gatewayOnClock(clock)
const { db } = gateway
const { clientId, newEndpoint } = await endpointsOf(gateway)

interface Owned {
  id: string
  clientId: string
}

/** So many endpoints like that one, of these clients in turn. */
async function copies(id: string, count: number, clientIds: readonly string[]): Promise<Owned[]> {
  const { rows } = await db.query(
    `insert into endpoints (id, client_id, url, contract, retry_schedule, timeout_seconds, secrets)
     select gen_random_uuid(), ($3::uuid[])[1 + n % $4], url, contract, retry_schedule, timeout_seconds, secrets
       from endpoints, generate_series(1, $2) n where id = $1 returning id, client_id as "clientId"`,
    [id, count, clientIds, clientIds.length],
  )
  return rows
}

/** So many deliveries to each of these endpoints, by events of their clients; their ids. */
async function deliver(endpoints: readonly Owned[], count: number): Promise<string[]> {
  const ids: string[] = []
  for (const [clientId, owned] of Map.groupBy(endpoints, (one) => one.clientId)) {
    const endpointIds = owned.map(({ id }) => id)
    ids.push(...(await newDeliveries(db, clientId, endpointIds, { count })))
  }
  return ids
}

const countIn = async (state: string, ids: readonly string[]): Promise<number> => {
  const { rows } = await db.query('select count(*) from deliveries where id = any($1) and state = $2', [ids, state])
  return rows[0].count
}
const untilDelivered = (ids: readonly string[]) =>
  eventually(async () => (await countIn('delivered', ids)) === ids.length, { timeoutMs: 100_000, everyMs: 300 })

/** As processes tell each other that there is work. */
const wake = (clientIds: readonly string[]) =>
  db.query(`select pg_notify('flo_wake', 'deliver:' || id) from unnest($1::text[]) id`, [clientIds])

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

describe('among a thousand endpoints of fifty clients', () => {
  const clientsOf = async () => [clientId, ...(await Promise.all(Array.from({ length: 49 }, () => newClient(db))))]

  test('fifty that hang, one with 10,000 waiting, take nothing from the others', async () => {
    const [hanging, healthy] = await Promise.all([startReceiver({ hang: 'headers' }), startReceiver()])
    const stuck = await newEndpoint(hanging.url)
    // Longer than any machine takes for the rest: none of these attempts may end.
    await db.query('update endpoints set timeout_seconds = 3600 where id = $1', [stuck.id])
    const well = await newEndpoint(healthy.url, { retrySchedule: SOON })
    const clientIds = await clientsOf()
    const allStuck = [{ id: stuck.id, clientId }, ...(await copies(stuck.id, 49, clientIds))]
    const allWell = [{ id: well.id, clientId }, ...(await copies(well.id, 949, clientIds))]
    const held = await newDeliveries(db, clientId, [stuck.id], { count: 10_000 })
    held.push(...(await deliver(allStuck, 40)))
    const first = await deliver(allWell, 3)
    await wake(clientIds)
    await eventually(() => hanging.requests.length >= 400)
    await untilDelivered(first)
    // They hang by now as far as they may: what comes later has as free a way.
    await eventually(() => hanging.requests.length === 500)
    const later = await deliver(allWell, 3)
    await wake(clientIds)
    await untilDelivered(later)
    expect(await countIn('pending', held)).toBe(held.length)
    expect(hanging.requests).toHaveLength(500)
    await hanging.stop()
  })

  test('fifty that are down, one with 10,000 waiting, are tried ten times each and a little, then left alone', async () => {
    const [url, healthy] = [`http://127.0.0.1:${await closedPort()}`, await startReceiver()]
    const down = await newEndpoint(url, { retrySchedule: [86_400] })
    const well = await newEndpoint(healthy.url, { retrySchedule: SOON })
    const clientIds = await clientsOf()
    const allDown = [{ id: down.id, clientId }, ...(await copies(down.id, 49, clientIds))]
    const allWell = [{ id: well.id, clientId }, ...(await copies(well.id, 949, clientIds))]
    const downIds = allDown.map(({ id }) => id)
    await newDeliveries(db, clientId, [down.id], { count: 10_000 })
    await deliver(allDown, 100)
    const sent = await deliver(allWell, 3)
    await wake(clientIds)
    await untilDelivered(sent)
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
