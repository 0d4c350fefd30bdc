import { beforeEach, describe, expect, test } from 'vitest'
import { firstRow } from '../../src/database/rows.ts'
import type { Json } from '../../src/domain/json.ts'
import { fresh, sessionObject, snapshotEvent, subscriptionObject, thinEvent } from '../support/events.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { hydratedWay, hydratingGateway } from '../support/hydrating.ts'
import { signed } from '../support/stripe.ts'
import { API_KEY, type Asked } from '../support/stripe-api.ts'

const { gateway, stripe } = await hydratingGateway({ LOG_LEVEL: 'error' })
beforeEach(() => stripe.behave())

const USER = { client_user_id: 'user_1' }
/** A new subscription to a plan of a product that Stripe knows by this name. */
const planOf = (name: string) => {
  const id = fresh('prod')
  stripe.objects.set(`/v1/products/${id}`, { id, object: 'product', name })
  const subscription = subscriptionObject({ metadata: USER })
  firstRow(subscription.items.data).price.product = id
  return { body: snapshotEvent('customer.subscription.created', subscription), path: `/v1/products/${id}` }
}
const thinOf = () => {
  const subscription = subscriptionObject({ metadata: USER })
  const url = `/v1/subscriptions/${subscription.id}`
  stripe.objects.set(url, subscription)
  const body = thinEvent('v1.customer.subscription.created', { id: subscription.id, type: 'subscription', url })
  return { body, path: url }
}
const asksFor = (path: string) => stripe.asked.filter((one) => one.path === path)
const names = (way: { arrived: () => Json[] }) => way.arrived().map(({ subscription }) => subscription.name)
/** The time until which a source is left alone has come. */
const openAgain = (sourceId: string) =>
  gateway.db.query('update hydration_circuits set open_until = now() where source_id = $1', [sourceId])

describe('a call that does not get through', () => {
  test.each([
    ['429, no sooner than Stripe says', { status: 429, headers: { 'retry-after': '1' } }, 1000],
    ['500', { status: 500 }, 0],
    ['a connection that breaks', { reset: true }, 0],
  ])('is made again: %s', async (_, trouble, soonestMs) => {
    const way = await hydratedWay(gateway)
    const { body, path } = planOf('Professional')
    const times: number[] = []
    stripe.behave((asked) => {
      if (asked.path !== path) return undefined
      times.push(performance.now())
      return times.length <= 2 ? trouble : undefined
    })
    await way.send(body)
    await eventually(() => way.arrived().length === 1)
    expect(names(way)).toEqual(['Professional'])
    expect(times.length).toBeGreaterThanOrEqual(3)
    expect((times.at(-1) ?? 0) - (times.at(-2) ?? 0)).toBeGreaterThanOrEqual(soonestMs)
    expect((await way.source()).hydration).toEqual({ state: 'on', pausedUntil: null, reason: null })
  })

  test('holds up no event but the one that needs it', async () => {
    const [way, other] = [await hydratedWay(gateway), await hydratedWay(gateway)]
    const [slow, quick] = [planOf('Slow'), planOf('Quick')]
    stripe.behave(({ path }) => (path === slow.path ? { hang: true } : undefined))
    await way.send(slow.body)
    await eventually(() => asksFor(slow.path).length > 0)
    await way.send(snapshotEvent('checkout.session.completed', sessionObject({ payment_status: 'unpaid' })))
    await way.send(quick.body)
    await other.send(quick.body)
    await eventually(() => way.arrived().length === 1 && other.arrived().length === 1)
    expect([names(way), names(other)]).toEqual([['Quick'], ['Quick']])
    expect((await way.sourceEvents())[0]).toMatchObject({ state: 'held', reason: { code: 'waiting_for' } })
  })

  test('for what Stripe does not have, or does not show to this key, is not made again', async () => {
    const way = await hydratedWay(gateway)
    const [gone, hidden] = [planOf('Gone'), planOf('Hidden')]
    stripe.behave(({ path }) =>
      path === gone.path ? { status: 404 } : path === hidden.path ? { status: 403 } : undefined,
    )
    for (const { body } of [gone, hidden]) await way.send(body)
    expect(await way.settled()).toEqual([
      ['normalized', 'without_hydration'],
      ['normalized', 'without_hydration'],
    ])
    expect(names(way)).toEqual([null, null])
    expect((await way.sourceEvents()).map(({ reason }) => reason.message)).toEqual([
      expect.stringMatching(/^Sent without product:prod_\w+: Stripe has nothing of this id \(404\)\.$/),
      expect.stringMatching(/may not read this \(403\)/),
    ])
    for (const { path } of [gone, hidden]) expect(asksFor(path)).toHaveLength(1)
    expect((await way.source()).hydration.state).toBe('on')
  })
})

describe('a key that Stripe refuses', () => {
  test('is used once, shown as the reason, and its source goes on without', async () => {
    const way = await hydratedWay(gateway, { apiKey: 'rk_test_wrong' })
    const first = planOf('First')
    const sentAt = Date.now()
    await way.send(first.body)
    await eventually(() => way.arrived().length === 1)
    const { hydration } = await way.source()
    expect(hydration).toMatchObject({
      state: 'paused',
      reason: { code: 'api_key_refused', message: 'Stripe refuses the API key (401).' },
    })
    expect(Date.parse(hydration.pausedUntil)).toBeGreaterThan(sentAt + 200_000)

    const before = stripe.asked.length
    for (const name of ['Second', 'Third']) await way.send(planOf(name).body)
    await eventually(() => way.arrived().length === 3)
    expect(stripe.asked.length).toBe(before)
    expect(asksFor(first.path)).toHaveLength(1)
    expect(await way.settled()).toEqual(Array(3).fill(['normalized', 'without_hydration']))
  })

  test('leaves a thin event failed with the reason, which goes through by itself with another key', async () => {
    const { gateway, stripe } = await hydratingGateway({ FLO_HYDRATE_SECONDS: '1', LOG_LEVEL: 'error' })
    const way = await hydratedWay(gateway, { apiKey: 'rk_test_wrong' })
    const subscription = subscriptionObject({ metadata: USER })
    const url = `/v1/subscriptions/${subscription.id}`
    stripe.objects.set(url, subscription)
    await way.send(thinEvent('v1.customer.subscription.created', { id: subscription.id, type: 'subscription', url }))
    expect(await way.settled()).toEqual([['failed', 'not_hydrated']])
    expect((await way.sourceEvents())[0].reason.message).toMatch(/401/)
    expect(stripe.asked).toHaveLength(1)

    await way.changeSource({ apiKey: API_KEY })
    await eventually(() => way.arrived('subscription.created').length === 1)
    expect((await way.source()).hydration).toEqual({ state: 'on', pausedUntil: null, reason: null })
  })
})

describe('at the deadline', () => {
  test('an event goes on without, and says so; a thin one fails, and is read when Stripe answers again', async () => {
    const { gateway, stripe } = await hydratingGateway({ FLO_HYDRATE_SECONDS: '1', LOG_LEVEL: 'error' })
    const way = await hydratedWay(gateway)
    stripe.behave(() => ({ status: 503 }))
    const [plan, thin] = [planOf('Never'), subscriptionObject({ metadata: USER })]
    const url = `/v1/subscriptions/${thin.id}`
    await way.send(plan.body)
    await way.send(thinEvent('v1.customer.subscription.created', { id: thin.id, type: 'subscription', url }))
    expect(await way.settled()).toEqual([
      ['normalized', 'without_hydration'],
      ['failed', 'not_hydrated'],
    ])
    stripe.objects.set(url, thin)
    stripe.behave()
    await gateway.db.query('update hydrations set next_attempt_at = now() where state = $1', ['pending'])
    await gateway.db.query('update hydration_circuits set open_until = now()')
    await way.send(planOf('Next').body)
    await eventually(() => way.arrived('subscription.created').length === 3)
    expect((await way.sourceEvents())[1].state).toBe('normalized')
  })

  test('a Stripe that never answers is not waited for any longer', async () => {
    const { gateway, stripe } = await hydratingGateway({ FLO_HYDRATE_SECONDS: '1', LOG_LEVEL: 'error' })
    const way = await hydratedWay(gateway)
    stripe.behave(() => ({ hang: true }))
    const session = sessionObject()
    await way.send(snapshotEvent('checkout.session.completed', session))
    await eventually(() => way.arrived('item.purchased').length === 1)
    expect(way.arrived('item.purchased')[0].item).toMatchObject({ id: null, quantity: 1, total: 50 })
    expect((await way.sourceEvents())[0].reason).toMatchObject({
      code: 'without_hydration',
      message: `Sent without line_items:${session.id}: Stripe has not answered in time.`,
    })
  })
})

describe('a source whose calls fail', () => {
  test('is left alone after some, goes on without at once, and is asked again when its time has come', async () => {
    const way = await hydratedWay(gateway)
    const plans = Array.from({ length: 8 }, (_, at) => planOf(`Plan ${at}`))
    const ours = ({ path }: Asked) => plans.some((plan) => plan.path === path)
    stripe.behave((asked) => (ours(asked) ? { status: 500 } : undefined))
    for (const { body } of plans) await way.send(body)
    // Long before the deadline of 600 seconds.
    await eventually(() => way.arrived().length === 8)
    expect(names(way)).toEqual(Array(8).fill(null))
    const { hydration } = await way.source()
    expect(hydration).toMatchObject({ state: 'paused', reason: { code: 'stripe_unavailable' } })

    const before = stripe.asked.filter(ours).length
    const [during, still, after, more] = [planOf('During'), planOf('Still'), planOf('After'), planOf('More')]
    await way.send(during.body)
    await eventually(() => way.arrived().length === 9)
    expect(stripe.asked.filter(ours).length).toBe(before)
    expect(asksFor(during.path)).toEqual([])

    // One call tries; it fails, and the source is left alone for longer.
    stripe.behave(({ path }) => (path === still.path ? { status: 500 } : undefined))
    await openAgain(way.sourceId)
    const triedAt = Date.now()
    await way.send(still.body)
    await eventually(() => way.arrived().length === 10)
    expect(asksFor(still.path)).toHaveLength(1)
    const longer = Date.parse((await way.source()).hydration.pausedUntil) - triedAt
    expect(longer).toBeGreaterThan(45_000)

    stripe.behave()
    await openAgain(way.sourceId)
    for (const { body } of [after, more]) await way.send(body)
    await eventually(() => way.arrived().length === 12)
    expect(names(way).slice(-2).sort()).toEqual(['After', 'More'])
    expect((await way.source()).hydration).toEqual({ state: 'on', pausedUntil: null, reason: null })
  })

  test('does not keep another source of the client from its answers', async () => {
    const way = await hydratedWay(gateway)
    const { body } = await gateway.api('POST', '/v1/sources', {
      clientId: way.clientId,
      signingSecrets: ['whsec_of_another'],
      apiKey: API_KEY,
    })
    const slow = Array.from({ length: 8 }, (_, at) => planOf(`Slow ${at}`))
    stripe.behave(({ path }) => (slow.some((plan) => plan.path === path) ? { hang: true } : undefined))
    for (const plan of slow) {
      const headers = { 'content-type': 'application/json', 'stripe-signature': signed(plan.body, 'whsec_of_another') }
      const url = `${gateway.url}/webhooks/stripe/${body.data.id}`
      expect((await fetch(url, { method: 'POST', headers, body: plan.body })).status).toBe(200)
    }
    await eventually(() => slow.some(({ path }) => asksFor(path).length > 0))
    await way.send(planOf('Quick').body)
    await eventually(() => way.arrived().length === 1)
    expect(names(way)).toEqual(['Quick'])
  })

  test('has few calls under way at once', async () => {
    const way = await hydratedWay(gateway)
    const plans = Array.from({ length: 20 }, (_, at) => planOf(`Plan ${at}`))
    let [under, most] = [0, 0]
    stripe.behave(({ path }) => {
      if (!plans.some((plan) => plan.path === path)) return undefined
      under += 1
      most = Math.max(most, under)
      // The first ones wait until others are under way, however slowly the events come in.
      return { delayMs: most > 1 ? 30 : 2000, done: () => (under -= 1) }
    })
    for (const { body } of plans) await way.send(body)
    await eventually(() => way.arrived().length === 20)
    expect(names(way).sort()).toEqual(plans.map((_, at) => `Plan ${at}`).sort())
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(4)
  })
})

test('what a process that is gone had asked for is fetched by the next', async () => {
  const { gateway: first, stripe } = await hydratingGateway({ FLO_ROLES: 'receive,api' })
  const way = await hydratedWay(first)
  const { body } = thinOf()
  const { related_object: ref } = JSON.parse(body)
  stripe.objects.set(ref.url, subscriptionObject({ id: ref.id, metadata: USER }))
  await way.send(body)
  // As a worker leaves it that has normalised and then ended.
  const { rows } = await first.db.query('select id, event_id from source_events')
  await first.db.query(
    `update source_events set state = 'held', reason_code = 'waiting_for', held_until = now() + interval '1 hour',
            due_at = now() + interval '1 hour', held_for = array['hydration:thin:' || event_id]`,
  )
  await first.db.query(
    `insert into hydrations (client_id, source_id, need, paths, list, essential, wait_until, give_up_at)
     values ($1, $2, $3, $4, false, true, now() + interval '1 hour', now() + interval '1 day')`,
    [way.clientId, way.sourceId, `thin:${rows[0].event_id}`, [ref.url]],
  )
  await startTestGateway({
    FLO_ROLES: 'work',
    FLO_HOLD_SECONDS: '0',
    FLO_STRIPE_API_BASE: stripe.url,
    DATABASE_URL: first.databaseUrl,
  })
  await eventually(() => way.arrived('subscription.created').length === 1)
})
