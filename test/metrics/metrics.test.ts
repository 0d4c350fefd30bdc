import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { createReadingCache } from '../../src/metrics/reading-cache.ts'
import { newDelivery } from '../support/api.ts'
import { eventually } from '../support/eventually.ts'
import { fixture } from '../support/fixtures.ts'
import { startTestGateway } from '../support/gateway.ts'
import { scrape } from '../support/metrics.ts'
import { startReceiver } from '../support/receiver.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { layWay } from '../support/way.ts'

const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '0' })
const receiver = await startReceiver()
const way = await layWay(gateway.api, receiver.url)
const now = () => scrape(gateway.url)

/** What is shown when nothing is under way: every attempt and every outcome of the earlier tests is counted. */
const atRest = () =>
  eventually(async () => {
    const { rows } = await gateway.db.query(
      `select (select count(*) from attempts)::int as attempts,
              (select count(*) from source_events where due_at is not null)::int
                + (select count(*) from deliveries where state = 'pending' and next_attempt_at <= now())::int as waiting`,
    )
    const seen = await now()
    return rows[0].waiting === 0 && (seen.value('flo_attempts_total') ?? 0) === rows[0].attempts && seen
  })

/** Waits until this scrape differs from an earlier one by what is expected. */
const rises = (
  before: Awaited<ReturnType<typeof scrape>>,
  name: string,
  by: number,
  labels: Record<string, string> = {},
) =>
  eventually(
    async () =>
      expect(((await now()).value(name, labels) ?? 0) - (before.value(name, labels) ?? 0), name).toBe(by) ?? true,
  )

describe('what comes in', () => {
  test('webhooks are counted by what they were answered, refused ones by their code', async () => {
    const before = await atRest()
    const body = subscriptionCreated()
    expect((await way.post(gateway.url, body)).body).toEqual({ received: true, duplicate: false })
    expect((await way.post(gateway.url, body)).body).toEqual({ received: true, duplicate: true })
    const forged = await fetch(`${gateway.url}/webhooks/stripe/${way.sourceId}`, {
      method: 'POST',
      headers: { 'stripe-signature': `t=1,v1=${'0'.repeat(64)}` },
      body,
    })
    expect(forged.status).toBe(400)
    const nowhere = await fetch(`${gateway.url}/webhooks/stripe/nothing`, { method: 'POST', body })
    expect(nowhere.status).toBe(404)
    await rises(before, 'flo_webhooks_total', 1, { result: 'accepted' })
    await rises(before, 'flo_webhooks_total', 1, { result: 'duplicate' })
    await rises(before, 'flo_webhooks_total', 2, { result: 'refused' })
    await rises(before, 'flo_webhooks_refused_total', 1, { code: 'signature_invalid' })
    await rises(before, 'flo_webhooks_refused_total', 1, { code: 'source_not_found' })
    await rises(before, 'flo_webhook_duration_seconds_count', 4)
    await rises(before, 'flo_source_events_total', 1, { via: 'stripe', result: 'stored' })
    await rises(before, 'flo_source_events_total', 1, { via: 'stripe', result: 'duplicate' })
    await rises(before, 'flo_normalize_latency_seconds_count', 1)
  })

  test('app events are counted as such, and requests to the API by route and status', async () => {
    const before = await atRest()
    const event = {
      clientId: way.clientId,
      type: 'user.login',
      clientUserId: 'user_1',
      data: { at: '2026-06-06T12:00:00Z', ip: null, user_agent: null },
    }
    expect((await gateway.api('POST', '/v1/app-events', event)).status).toBe(202)
    expect((await gateway.api('POST', '/v1/app-events', { ...event, type: 'user.logout' })).status).toBe(422)
    await gateway.api('GET', `/v1/endpoints/${way.endpointId}`)
    await rises(before, 'flo_source_events_total', 1, { via: 'app', result: 'stored' })
    await rises(before, 'flo_normalize_latency_seconds_count', 1)
    const post = { method: 'post', route: '/v1/app-events' }
    await rises(before, 'flo_api_requests_total', 1, { ...post, status: '202' })
    await rises(before, 'flo_api_requests_total', 1, { ...post, status: '422' })
    await rises(before, 'flo_api_requests_total', 1, { method: 'get', route: '/v1/endpoints/{id}', status: '200' })
  })
})

describe('what becomes of it', () => {
  test('outcomes by state and code, events by contract and type, and the time since the receipt', async () => {
    const before = await atRest()
    const ignored = JSON.stringify({
      id: `evt_${Date.now()}`,
      object: 'event',
      type: 'balance.available',
      created: 1,
      livemode: false,
      data: { object: { object: 'balance' } },
    })
    await way.post(gateway.url, subscriptionCreated())
    await way.post(gateway.url, ignored)
    await rises(before, 'flo_normalize_outcomes_total', 1, { state: 'normalized' })
    await rises(before, 'flo_normalize_outcomes_total', 1, { state: 'ignored', code: 'not_mapped' })
    await rises(before, 'flo_events_total', 1, { contract: 'flo.v1', type: 'subscription.created' })
    await rises(before, 'flo_normalize_latency_seconds_count', 2)
    const after = await now()
    expect(after.value('flo_normalize_latency_seconds_bucket', { le: '+Inf' })).toBe(
      after.value('flo_normalize_latency_seconds_count'),
    )
    await rises(before, 'flo_normalize_batch_events_sum', 2)
  })

  test('what cannot be mapped is counted by its code, and stays open until it is renormalised', async () => {
    const before = await atRest()
    for (const event of fixture('invoice-unknown-status-2023')) await way.post(gateway.url, JSON.stringify(event))
    await rises(before, 'flo_normalize_outcomes_total', 1, { state: 'failed', code: 'unmapped_value' })
    await eventually(async () => (await now()).value('flo_source_events_open', { state: 'failed' }) === 1)
  })
})

describe('what goes out', () => {
  test('attempts by contract and outcome, and the time from receipt to delivery', async () => {
    const before = await atRest()
    receiver.behave((_, count) => ({ status: count % 2 ? 503 : 200 }))
    const endpoint = await gateway.api('POST', '/v1/endpoints', {
      clientId: way.clientId,
      url: receiver.url,
      contract: 'florentin.v1',
      retrySchedule: [],
    })
    await gateway.api('POST', `/v1/endpoints/${endpoint.body.data.id}/test`)
    await eventually(async () => (await way.deliveries())[0].state !== 'pending')
    await gateway.api('POST', `/v1/endpoints/${endpoint.body.data.id}/test`)
    await eventually(async () => (await way.deliveries())[0].state !== 'pending')
    const contract = 'florentin.v1'
    await rises(before, 'flo_attempts_total', 1, { contract, outcome: 'refused_5xx' })
    await rises(before, 'flo_attempts_total', 1, { contract, outcome: 'delivered' })
    await rises(before, 'flo_deliveries_exhausted_total', 1, { contract })
    await rises(before, 'flo_attempt_duration_seconds_count', 2, { contract })
    // Nothing was received that a test event came from.
    expect((await now()).value('flo_delivery_latency_seconds_count', { contract })).toBeUndefined()

    receiver.behave({})
    await way.post(gateway.url, subscriptionCreated())
    await rises(before, 'flo_delivery_latency_seconds_count', 1, { contract: 'flo.v1' })
  })

  test('an endpoint that cannot be reached is counted by the reason', async () => {
    const before = await atRest()
    const closed = await startReceiver()
    await closed.stop()
    const { body } = await gateway.api('POST', '/v1/endpoints', {
      clientId: way.clientId,
      url: closed.url,
      retrySchedule: [600],
    })
    await gateway.api('POST', `/v1/endpoints/${body.data.id}/test`)
    await rises(before, 'flo_attempts_total', 1, { contract: 'flo.v1', outcome: 'connection' })
    await eventually(async () => (await now()).value('flo_deliveries_pending', { due: 'later' }) === 1)
    await gateway.api('POST', `/v1/endpoints/${body.data.id}/disable`)
    await eventually(async () => (await now()).value('flo_deliveries_pending', { due: 'later' }) === 0)
    expect((await now()).value('flo_endpoints', { status: 'manual' })).toBe(1)
  })
})

describe('how it stands', () => {
  test('pool, worker, event loop and process are told, and days of partitions ahead', async () => {
    // Connections that nobody uses for a while are closed: a request has just used one.
    const seen = await eventually(async () => {
      await way.deliveries()
      const one = await now()
      return (one.value('flo_db_pool_connections') ?? 0) > 0 && one.value('flo_worker_registered') === 1 && one
    })
    expect(seen.value('flo_graphile_running')).toBe(1)
    expect(seen.value('flo_db_pool_waiting')).toBeGreaterThanOrEqual(0)
    expect(seen.value('flo_workers', { role: 'receive' })).toBeGreaterThanOrEqual(1)
    expect(seen.value('flo_partition_days_ahead')).toBeGreaterThanOrEqual(3)
    expect(seen.value('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0)
    expect(seen.value('process_resident_memory_bytes')).toBeGreaterThan(0)
    expect(seen.type).toBe('text/plain; version=0.0.4; charset=utf-8')
  })

  test('no label holds an id', async () => {
    const { samples } = await now()
    const labels = samples.flatMap(({ labels }) => Object.values(labels))
    expect(labels.filter((label) => /[0-9a-f]{8}-|evt_|sub_|cus_|whsec|127\.0\.0\.1/.test(label))).toEqual([])
    expect(samples.length).toBeLessThan(2000)
  })
})

describe('what is dear to read', () => {
  const patience = { freshMs: 20, share: 0.5, againMs: 30, waitMs: 10 }

  test('is read once for all who ask at once, and not again while it is fresh or took long', async () => {
    let reads = 0
    const read = async () => {
      reads += 1
      await delay(25)
      return reads
    }
    const known = createReadingCache(read, { ...patience, freshMs: 600_000, waitMs: 10_000 }, () => {})
    expect(await Promise.all([known.readLatest(), known.readLatest()])).toEqual([1, 1])
    expect(await known.readLatest()).toBe(1)
    const long = createReadingCache(read, { ...patience, freshMs: 0, share: 1e-6, waitMs: 10_000 }, () => {})
    await long.readLatest()
    await long.readLatest()
    expect(reads).toBe(2)
  })

  test('is awaited for a moment only, and what was read before is shown when it cannot be read', async () => {
    const failures: unknown[] = []
    const answers = [
      () => Promise.resolve('first'),
      () => Promise.reject(new Error('away')),
      () => Promise.resolve('then'),
    ]
    const slow = Promise.withResolvers<string>()
    const known = createReadingCache(
      () => answers.shift()?.() ?? slow.promise,
      patience,
      (error) => failures.push(error),
    )
    expect(await known.readLatest()).toBe('first')
    await eventually(async () => (await known.readLatest()) === 'first' && failures.length === 1)
    await eventually(async () => (await known.readLatest()) === 'then')
    await eventually(async () => answers.length === 0 && (await known.readLatest()) === 'then')
    slow.resolve('at last')
    await eventually(async () => (await known.readLatest()) === 'at last')
  })
})

describe('every process', () => {
  test('serves its own on its own port, and tells the backlog from the database whatever its roles', async () => {
    const idle = await startTestGateway({ FLO_ROLES: 'api' })
    const made = await layWay(idle.api, receiver.url)
    const { deliveryId } = await newDelivery(idle.db, made.clientId, made.endpointId)
    await idle.db.query(`update deliveries set next_attempt_at = now() - interval '90 seconds' where id = $1`, [
      deliveryId,
    ])
    const receive = await startTestGateway({ FLO_ROLES: 'receive', DATABASE_URL: idle.databaseUrl })
    await made.post(receive.url, subscriptionCreated())
    for (const { url } of [idle, receive]) {
      // A scrape waits for the database for a moment only.
      const seen = await eventually(async () => {
        const one = await scrape(url)
        return one.value('flo_deliveries_pending', { due: 'now' }) === 1 && one
      })
      expect(seen.value('flo_deliveries_oldest_due_seconds')).toBeGreaterThanOrEqual(90)
      expect(seen.value('flo_graphile_running')).toBeUndefined()
    }
    await eventually(async () => (await scrape(idle.url)).value('flo_source_events_open', { state: 'received' }) === 1)
    await eventually(async () => (await scrape(receive.url)).value('flo_webhooks_total', { result: 'accepted' }) === 1)
    expect((await scrape(idle.url)).value('flo_webhooks_total', { result: 'accepted' })).toBe(0)
  })

  test('counts no delivery as late that waits for an earlier one of its user', async () => {
    const idle = await startTestGateway({ FLO_ROLES: 'api' })
    const made = await layWay(idle.api, receiver.url)
    await idle.api('PATCH', `/v1/endpoints/${made.endpointId}`, { ordering: 'user' })
    const first = await newDelivery(idle.db, made.clientId, made.endpointId)
    const second = await newDelivery(idle.db, made.clientId, made.endpointId)
    const wait = (deliveryId: string, time: string) =>
      idle.db.query(`update deliveries set user_id = $2, next_attempt_at = now() + $3::interval where id = $1`, [
        deliveryId,
        made.clientId,
        time,
      ])
    await wait(first.deliveryId, '5 minutes')
    await wait(second.deliveryId, '-10 minutes')
    const late = async () => (await scrape(idle.url)).value('flo_deliveries_oldest_due_seconds', { breaker: 'closed' })
    await eventually(async () => expect(await late()).toBe(0) ?? true)
    await wait(first.deliveryId, '-1 minute')
    await eventually(async () => {
      const seconds = await late()
      expect(seconds).toBeGreaterThanOrEqual(60)
      expect(seconds).toBeLessThan(600)
      return true
    })
  })

  test('answers a scrape also while the database does not, with what it knew, and counts that', async () => {
    const idle = await startTestGateway({ FLO_ROLES: 'api', LOG_LEVEL: 'silent' })
    const before = await eventually(async () => {
      const seen = await scrape(idle.url)
      return seen.value('flo_workers', { role: 'api' }) === 1 && seen
    })
    const failures = ({ value }: typeof before) => value('flo_standing_failures_total') ?? 0
    const locker = new pg.Client({ connectionString: idle.databaseUrl })
    await locker.connect()
    await locker.query('begin; lock table source_events in access exclusive mode')
    await eventually(async () => failures(await scrape(idle.url)) > failures(before))
    const seen = await scrape(idle.url)
    expect(seen.value('flo_workers', { role: 'api' })).toBe(1)
    expect(seen.value('flo_standing_age_seconds')).toBeGreaterThan(
      before.value('flo_standing_age_seconds') ?? Number.NaN,
    )
    await locker.end()
  })

  test('shows them to nobody else where a token is set', async () => {
    const FLO_METRICS_TOKEN = 'a-token-of-prometheus'
    const guarded = await startTestGateway({ FLO_METRICS_TOKEN })
    await eventually(async () => (await scrape(guarded.url, FLO_METRICS_TOKEN)).value('flo_worker_registered') === 1)
    for (const token of ['', 'a-token-of-somebody', guarded.adminKey]) {
      const response = await fetch(`${guarded.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })
      expect(response.status).toBe(401)
      expect(await response.json()).toMatchObject({ error: { code: 'unauthorized' } })
    }
    expect((await fetch(`${guarded.url}/metrics`)).headers.get('www-authenticate')).toBe('Bearer')
  })
})
