import { beforeEach, describe, expect, test } from 'vitest'
import { freshDatabase } from '../support/database.ts'
import { fresh, snapshotEvent, subscriptionObject } from '../support/events.ts'
import { eventually } from '../support/eventually.ts'
import { environment, startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { hydratedWay, hydratingGateway } from '../support/hydrating.ts'
import { call, runGateway } from '../support/program.ts'
import { startStripeApi } from '../support/stripe-api.ts'

const { gateway, stripe } = await hydratingGateway({ LOG_LEVEL: 'error' })
beforeEach(() => {
  stripe.events.length = 0
  stripe.asked.length = 0
  stripe.behave()
})

const DAY = 86_400
const now = () => Math.floor(Date.now() / 1000)
const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString()
const PLAN = { client_user_id: 'user_1' }

/** An event of the account, `secondsAgo`; `undelivered`: Stripe could not deliver it. */
const happened = (type: string, object: object, secondsAgo: number, extra: object = {}) => {
  const event = JSON.parse(snapshotEvent(type, object, { created: now() - secondsAgo, ...extra }))
  stripe.events.push(event)
  return event
}
const subscribed = (secondsAgo: number, extra: object = {}) =>
  happened('customer.subscription.created', subscriptionObject({ metadata: PLAN }), secondsAgo, extra)

type Way = Awaited<ReturnType<typeof hydratedWay>>
const start = async (way: Way, body: object = {}) =>
  gateway.api('POST', '/v1/backfills', { sourceId: way.sourceId, since: ago(2 * DAY), ...body })
const read = async (id: string) => (await gateway.api('GET', `/v1/backfills/${id}`)).body.data
const ended = async (id: string) => eventually(async () => (await read(id)).state !== 'running' && (await read(id)))
const backfilled = async (way: Way, body: object = {}) => {
  const { status, body: reply } = await start(way, body)
  expect(status, JSON.stringify(reply)).toBe(202)
  return ended(reply.data.id)
}
const pages = () => stripe.asked.filter(({ path }) => path === '/v1/events')

describe('a backfill', () => {
  test('receives what had not arrived, recognises what had, and counts both by type', async () => {
    const way = await hydratedWay(gateway)
    const arrived = subscribed(3 * 3600)
    const [missed, paid] = [subscribed(2 * 3600), happened('payout.paid', { id: 'po_1', object: 'payout' }, 3600)]
    await way.send(JSON.stringify(arrived))
    await way.settled()

    const backfill = await backfilled(way)
    expect(backfill).toMatchObject({
      state: 'completed',
      progress: 1,
      counts: { listed: 3, known: 1, new: 2, refused: 0 },
      byType: {
        'customer.subscription.created': { listed: 2, known: 1, new: 1, refused: 0 },
        'payout.paid': { listed: 1, known: 0, new: 1, refused: 0 },
      },
      reason: null,
      finishedAt: expect.any(String),
    })
    await eventually(() => way.arrived('subscription.created').length === 2)
    expect((await way.sourceEvents()).map(({ eventId }) => eventId).sort()).toEqual(
      [arrived, missed, paid].map(({ id }) => id).sort(),
    )
    // Should it arrive after all, it is known.
    expect((await way.post(gateway.url, JSON.stringify(missed))).body).toEqual({ received: true, duplicate: true })
  })

  test('done again finds nothing missing', async () => {
    const way = await hydratedWay(gateway)
    for (let at = 0; at < 5; at += 1) subscribed(3600 + at)
    expect((await backfilled(way)).counts).toMatchObject({ listed: 5, new: 5 })
    expect((await backfilled(way)).counts).toEqual({ listed: 5, known: 5, new: 0, refused: 0 })
    expect(way.arrived('subscription.created')).toHaveLength(5)
  })

  test('stores events oldest first, though Stripe lists the newest first', async () => {
    const way = await hydratedWay(gateway)
    const subscription = subscriptionObject({ metadata: PLAN })
    const changed = (quantity: number) => ({
      ...subscription,
      items: { ...subscription.items, data: [{ ...subscription.items.data[0], quantity }] },
    })
    happened('customer.subscription.created', subscription, 9 * 3600)
    for (let quantity = 2; quantity <= 6; quantity += 1)
      happened('customer.subscription.updated', changed(quantity), (9 - quantity) * 3600)
    happened('customer.subscription.deleted', { ...changed(6), status: 'canceled', ended_at: now() }, 60)
    await backfilled(way)
    await eventually(() => way.arrived().length === 8)
    // Stored newest first, each change would have counted as outdated.
    expect(
      way
        .arrived('subscription.updated')
        .map((event) => event.subscription.quantity)
        .sort(),
    ).toEqual([2, 3, 4, 5, 6])
  })

  test('reads page after page where much happened at once', async () => {
    const way = await hydratedWay(gateway)
    for (let at = 0; at < 350; at += 1) happened('payout.paid', { id: fresh('po'), object: 'payout' }, 7200 - (at % 3))
    expect((await backfilled(way, { since: ago(3 * 3600) })).counts).toMatchObject({ listed: 350, new: 350 })
  })

  test('requests only the events that were asked for', async () => {
    const way = await hydratedWay(gateway)
    subscribed(3600, { undelivered: true })
    subscribed(3600)
    happened('payout.paid', { id: 'po_1', object: 'payout' }, 3600, { undelivered: true })
    happened('payout.paid', { id: 'po_2', object: 'payout' }, 30 * 3600)
    const { counts } = await backfilled(way, {
      since: ago(5 * 3600),
      until: ago(1800),
      deliverySuccess: false,
      types: ['customer.subscription.created', 'invoice.paid'],
      account: 'acct_1TKx2u',
    })
    expect(counts).toMatchObject({ listed: 1, new: 1 })
    const [page] = pages()
    expect(page?.query.get('delivery_success')).toBe('false')
    expect(page?.query.getAll('types[]')).toEqual(['customer.subscription.created', 'invoice.paid'])
    expect(page?.headers['stripe-account']).toBe('acct_1TKx2u')
    // It is the same event whether the account's webhook sent it or its list showed it.
    expect(await way.sourceEvents()).toMatchObject([{ account: 'acct_1TKx2u' }])
  })

  test('is refused for more than 30 days, without a key, while another one runs, and for invalid fields', async () => {
    const way = await hydratedWay(gateway)
    const old = await start(way, { since: ago(31 * DAY) })
    expect([old.status, old.body.error.details]).toEqual([
      422,
      [{ path: 'since', code: 'invalid', message: 'is more than 30 days ago: Stripe keeps events for 30 days' }],
    ])
    expect((await start(way, { since: ago(30 * DAY), until: ago(30 * DAY - 1) })).status).toBe(202)
    for (const body of [
      { since: ago(-60) },
      { until: ago(3 * DAY) },
      { types: Array(21).fill('invoice.paid') },
      { since: 'yesterday' },
      { account: 'cus_1' },
    ])
      expect((await start(way, body)).status).toBe(422)
    const keyless = await start(await hydratedWay(gateway, { apiKey: null }))
    expect([keyless.status, keyless.body.error.code]).toEqual([409, 'needs_api_key'])
    expect((await start({ ...way, sourceId: 'nonsense' })).status).toBe(404)

    const other = await hydratedWay(gateway)
    stripe.behave(() => ({ hang: true }))
    const { id } = (await start(other)).body.data
    const second = await start(other)
    expect([second.status, second.body.error.code]).toEqual([409, 'backfill_running'])
    await gateway.api('POST', `/v1/backfills/${id}/cancel`)
    expect((await start(other)).status).toBe(202)
  })

  test('can be cancelled, and what it has received stays', async () => {
    const way = await hydratedWay(gateway)
    subscribed(40 * 3600)
    subscribed(3600)
    stripe.behave(({ path, query }) =>
      path === '/v1/events' && Number(query.get('created[lt]')) > now() - 10 * 3600 ? { hang: true } : undefined,
    )
    const { id } = (await start(way)).body.data
    await eventually(async () => (await read(id)).counts.new === 1)
    const { body } = await gateway.api('POST', `/v1/backfills/${id}/cancel`)
    expect(body.data).toMatchObject({ state: 'cancelled', counts: { listed: 1, new: 1 } })
    expect(body.data.progress).toBeLessThan(1)
    expect((await gateway.api('POST', `/v1/backfills/${id}/cancel`)).body.data).toEqual(body.data)
    const { body: list } = await gateway.api('GET', `/v1/backfills?sourceId=${way.sourceId}&state=cancelled`)
    expect(list.data.map((one: { id: string }) => one.id)).toEqual([id])
  })
})

describe('when Stripe fails', () => {
  test('it waits for as long as Stripe says and goes on where it was', async () => {
    const way = await hydratedWay(gateway)
    subscribed(3600)
    const failures = [{ status: 429, headers: { 'retry-after': '1' } }, { status: 500 }]
    stripe.behave(({ path }) => (path === '/v1/events' ? failures.shift() : undefined))
    expect((await backfilled(way)).counts).toMatchObject({ listed: 1, new: 1 })
    expect(failures).toEqual([])
  })

  test('a key that it refuses ends the backfill with the reason', async () => {
    const way = await hydratedWay(gateway, { apiKey: 'rk_test_wrong' })
    expect(await backfilled(way)).toMatchObject({
      state: 'failed',
      progress: 0,
      reason: { code: 'api_key_refused', message: 'Stripe refuses the API key (401).' },
    })
    // With this key: a backfill that another test left behind may still be asking with its own.
    expect(pages().filter(({ headers }) => headers.authorization?.includes('rk_test_wrong'))).toHaveLength(1)
  })
})

test('a backfill whose process is killed goes on in another one, where it was', async () => {
  // A Stripe of its own: backfills that earlier tests left behind go on asking the other one.
  const own = await startStripeApi()
  const ownPages = () => own.asked.filter(({ path }) => path === '/v1/events')
  const { url } = await freshDatabase()
  const env = environment(url, { FLO_STRIPE_API_BASE: own.url, LOG_LEVEL: 'fatal' })
  const first = runGateway(await temporaryFolder(), env)
  const firstUrl = await first.listening()
  const api = (method: string, path: string, body?: unknown) =>
    call({ url: firstUrl, key: env.FLO_ADMIN_KEY }, method, path, body)
  const way = await hydratedWay({ api, url: firstUrl })
  own.events.push(...[40, 20, 1].map((hours) => subscribed(hours * 3600)))
  const late = ({ query }: { query: URLSearchParams }) => Number(query.get('created[lt]')) > now() - 10 * 3600
  own.behave((asked) => (asked.path === '/v1/events' && late(asked) ? { hang: true } : undefined))
  const { id } = (
    await api('POST', '/v1/backfills', { clientId: way.clientId, sourceId: way.sourceId, since: ago(2 * DAY) })
  ).body.data
  await eventually(async () => (await api('GET', `/v1/backfills/${id}`)).body.data.counts.new === 2)
  await eventually(() => ownPages().some(late))
  const done = ownPages().length
  first.child.kill('SIGKILL')
  await first.ended

  own.behave()
  const second = await startTestGateway({ FLO_STRIPE_API_BASE: own.url, DATABASE_URL: url })
  const progress = async () => (await second.api('GET', `/v1/backfills/${id}`)).body.data
  await eventually(async () => (await progress()).state === 'completed')
  expect((await progress()).counts).toEqual({ listed: 3, known: 0, new: 3, refused: 0 })
  // What was read before is not read again.
  const since = Math.min(
    ...ownPages()
      .slice(done)
      .map(({ query }) => Number(query.get('created[gte]'))),
  )
  expect(since).toBeGreaterThan(now() - 20 * 3600)
})

test('a backfill that a process without the role work accepts is run by one that has it', async () => {
  const asked = await startTestGateway({ FLO_ROLES: 'receive,api' })
  const way = await hydratedWay(asked)
  await startTestGateway({ FLO_ROLES: 'work', FLO_STRIPE_API_BASE: stripe.url, DATABASE_URL: asked.databaseUrl })
  subscribed(3600)
  const body = { clientId: way.clientId, sourceId: way.sourceId, since: ago(DAY) }
  const { id } = (await asked.api('POST', '/v1/backfills', body)).body.data
  await eventually(async () => (await asked.api('GET', `/v1/backfills/${id}`)).body.data.state === 'completed')
  await eventually(() => way.arrived('subscription.created').length === 1)
})
