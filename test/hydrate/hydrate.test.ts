import Stripe from 'stripe'
import { describe, expect, test } from 'vitest'
import { firstRow } from '../../src/database/rows.ts'
import {
  fresh,
  invoiceObject,
  itemLine,
  sessionObject,
  snapshotEvent,
  subscriptionObject,
  thinEvent,
} from '../support/events.ts'
import { eventually } from '../support/eventually.ts'
import { hydratedWay, hydratingGateway } from '../support/hydrating.ts'

const { gateway, stripe } = await hydratingGateway()
const newWay = (options = {}) => hydratedWay(gateway, options)

const lineItem = (at: number) => ({
  id: `li_${at}`,
  object: 'item',
  amount_subtotal: 1000 + at,
  amount_total: 1000 + at,
  currency: 'usd',
  description: `Book ${at}`,
  quantity: 1,
  price: { id: `price_${at}`, object: 'price', product: null, unit_amount: 1000 + at },
})
const product = (id: string, name: string) => stripe.objects.set(`/v1/products/${id}`, { id, object: 'product', name })
const planOf = (productId: string) => {
  const subscription = subscriptionObject({ metadata: { client_user_id: 'user_1' } })
  firstRow(subscription.items.data).price.product = productId
  return subscription
}

describe('with an API key on the source', () => {
  test('a Checkout session becomes an event for each of its lines, page after page', async () => {
    const way = await newWay()
    const session = sessionObject()
    const path = `/v1/checkout/sessions/${session.id}/line_items`
    stripe.lists.set(
      path,
      Array.from({ length: 120 }, (_, at) => lineItem(at)),
    )
    await way.send(snapshotEvent('checkout.session.completed', session, { api_version: '2024-06-20' }))
    await eventually(() => way.arrived('item.purchased').length === 120)
    expect(way.arrived('item.purchased').map(({ item }) => [item.id, item.name, item.total])).toContainEqual([
      'price_119',
      'Book 119',
      11.19,
    ])
    const requests = stripe.asked.filter((one) => one.path === path)
    expect(requests.map(({ query }) => query.get('starting_after'))).toEqual([null, 'li_99'])
    // The shape of what is fetched is that of the event.
    expect(requests.every(({ headers }) => headers['stripe-version'] === '2024-06-20')).toBe(true)
    expect(await way.settled()).toEqual([['normalized', null]])
  })

  test('a session whose money is captured later becomes an event for each of its lines then', async () => {
    const way = await newWay()
    const intentId = fresh('pi')
    const open = sessionObject({ payment_status: 'unpaid', payment_intent: intentId })
    const path = `/v1/checkout/sessions/${open.id}/line_items`
    stripe.lists.set(path, [lineItem(1), lineItem(2)])
    await way.send(snapshotEvent('checkout.session.completed', open))
    expect(await way.settled()).toEqual([['ignored', 'awaiting_payment']])
    const captured = { id: intentId, object: 'payment_intent', capture_method: 'manual', status: 'succeeded' }
    await way.send(snapshotEvent('payment_intent.succeeded', { ...captured, amount: 2003, amount_received: 2003 }))
    await eventually(() => way.arrived('item.purchased').length === 2)
    expect(way.arrived('item.purchased').map(({ item }) => item.id)).toEqual(
      expect.arrayContaining(['price_1', 'price_2']),
    )
    expect(stripe.asked.filter((one) => one.path === path)).toHaveLength(1)
  })

  test('a session that has an invoice has nothing fetched', async () => {
    const way = await newWay()
    const { id, ...invoiced } = sessionObject({ invoice: fresh('in') })
    await way.send(snapshotEvent('checkout.session.completed', { id, ...invoiced }))
    await way.settled()
    expect(stripe.paths()).not.toContain(`/v1/checkout/sessions/${id}/line_items`)
  })

  test('a plan is named by its product, which is asked for once', async () => {
    const way = await newWay()
    const productId = fresh('prod')
    product(productId, 'Professional')
    for (const subscription of [planOf(productId), planOf(productId)])
      await way.send(snapshotEvent('customer.subscription.created', subscription))
    await eventually(() => way.arrived('subscription.created').length === 2)
    expect(way.arrived().map(({ subscription }) => subscription.name)).toEqual(['Professional', 'Professional'])
    expect(stripe.paths().filter((path) => path === `/v1/products/${productId}`)).toHaveLength(1)
  })

  test('what an event shows of a product later replaces what was fetched', async () => {
    const way = await newWay()
    const productId = fresh('prod')
    product(productId, 'Old')
    await way.send(snapshotEvent('customer.subscription.created', planOf(productId)))
    await eventually(() => way.arrived().length === 1)
    await way.send(snapshotEvent('product.updated', { id: productId, object: 'product', name: 'New' }))
    await way.settled()
    await way.send(snapshotEvent('customer.subscription.created', planOf(productId)))
    await eventually(() => way.arrived().length === 2)
    expect(way.arrived().map(({ subscription }) => subscription.name)).toEqual(['Old', 'New'])
  })

  test('an invoice has its lines beyond the first page', async () => {
    const way = await newWay()
    const lines = Array.from({ length: 130 }, (_, at) => itemLine({ id: `il_${at}`, amount: at }))
    const invoice = invoiceObject(lines.slice(0, 10), { metadata: { client_user_id: 'user_1' } })
    stripe.lists.set(`/v1/invoices/${invoice.id}/lines`, lines)
    product('prod_setup', 'Setup fee')
    await way.send(snapshotEvent('invoice.paid', { ...invoice, lines: { ...invoice.lines, has_more: true } }))
    await eventually(() => way.arrived('item.purchased').length === 130)
    const [paid] = way.arrived('invoice.paid')
    expect(paid.invoice.lines.map(({ amount }: { amount: number }) => amount)).toEqual(lines.map((_, at) => at / 100))
  })

  test('the connected account is named, and the version that the source is pinned to stands before the own one', async () => {
    const way = await newWay()
    await way.changeSource({ apiVersion: '2025-03-31.basil' })
    expect((await way.source()).apiVersion).toBe('2025-03-31.basil')
    const refused = await gateway.api('PATCH', `/v1/sources/${way.sourceId}`, { apiVersion: 'latest' })
    expect(refused.status).toBe(422)
    const productId = fresh('prod')
    product(productId, 'Professional')
    await way.send(snapshotEvent('customer.subscription.created', planOf(productId), { account: 'acct_1TKx2u' }))
    await eventually(() => way.arrived().length === 1)
    expect(stripe.asked.find(({ path }) => path.endsWith(productId))?.headers).toMatchObject({
      'stripe-account': 'acct_1TKx2u',
      'stripe-version': '2025-03-31.basil',
    })
  })
})

describe('a thin event', () => {
  const thin = (type: string, subscription: { id: string }, extra: object = {}) =>
    thinEvent(type, { id: subscription.id, type: 'subscription', url: `/v1/subscriptions/${subscription.id}` }, extra)
  const known = () => {
    const subscription = subscriptionObject({ metadata: { client_user_id: 'user_1' } })
    stripe.objects.set(`/v1/subscriptions/${subscription.id}`, subscription)
    product('prod_pro', 'Pro')
    return subscription
  }

  test('is read by its object, in the newest version that we know', async () => {
    const way = await newWay()
    const subscription = known()
    await way.send(thin('v1.customer.subscription.created', subscription, { context: 'acct_1TKx2v' }))
    await eventually(() => way.arrived('subscription.created').length === 1)
    expect(way.arrived()[0]).toMatchObject({
      user: { clientUserId: 'user_1' },
      subscription: { id: 'price_pro', state: 'active' },
    })
    const { id } = firstRow(await way.sourceEvents())
    expect((await gateway.api('GET', `/v1/source-events/${id}/explain`)).body.data).toMatchObject({
      summary: 'It became subscription.created and subscription.purchased. Deliveries: 1 delivered.',
      about: { kind: 'subscription', id: subscription.id },
      differs: null,
    })
    expect(stripe.asked.find(({ path }) => path.endsWith(subscription.id))?.headers).toMatchObject({
      'stripe-account': 'acct_1TKx2v',
      'stripe-version': Stripe.API_VERSION,
    })
  })

  test('of a type without a snapshot twin is read as a change of its object', async () => {
    const way = await newWay()
    const subscription = known()
    await way.send(snapshotEvent('customer.subscription.created', subscription))
    await way.settled()
    subscription.status = 'past_due'
    await way.send(thin('v1.customer.subscription.past_due', subscription))
    await eventually(() => way.arrived('subscription.updated').length === 1)
    expect(way.arrived('subscription.updated')[0].subscription.state).toBe('past_due')
  })

  test('of an object that is gone says that it is gone', async () => {
    const way = await newWay()
    const invoice = invoiceObject([itemLine()], { status: 'draft', metadata: { client_user_id: 'user_1' } })
    product('prod_setup', 'Setup')
    await way.send(snapshotEvent('invoice.created', invoice))
    await way.settled()
    await way.send(
      thinEvent('v1.invoice.deleted', { id: invoice.id, type: 'invoice', url: `/v1/invoices/${invoice.id}` }),
    )
    await eventually(() => way.arrived('invoice.deleted').length === 1)
    expect(way.arrived('invoice.deleted')[0].invoice).toMatchObject({
      id: invoice.id,
      state: 'deleted',
      number: 'ACME-1',
    })
  })

  test('that no mapping would read is ignored, and nothing is fetched', async () => {
    const way = await newWay()
    await way.send(thinEvent('v1.payout.paid', { id: 'po_1', type: 'payout', url: '/v1/payouts/po_1' }))
    expect(await way.settled()).toEqual([['ignored', 'not_mapped']])
    expect(stripe.paths()).not.toContain('/v1/payouts/po_1')
  })

  test('leads nowhere but to /v1', async () => {
    const way = await newWay()
    const before = stripe.asked.length
    for (const url of ['https://evil.example/v1/subscriptions/sub_1', '/v1/../admin', '//evil.example/v1/x'])
      await way.send(thinEvent('v1.customer.subscription.created', { id: 'sub_1', type: 'subscription', url }))
    await way.settled()
    expect(stripe.asked.length).toBe(before)
    expect(way.arrived()).toEqual([])
  })

  describe('with a snapshot twin', () => {
    const twins = () => {
      const subscription = { ...known(), status: 'past_due' }
      const snapshot = JSON.parse(
        snapshotEvent('customer.subscription.updated', subscription, {
          data: { object: subscription, previous_attributes: { status: 'active' } },
        }),
      )
      return { snapshot, thin: thin('v1.customer.subscription.updated', subscription, { snapshot_event: snapshot.id }) }
    }

    test('is read by the twin, which says what has changed, and the twin says nothing new when it arrives', async () => {
      const way = await newWay()
      const { snapshot, thin } = twins()
      stripe.events.push(snapshot)
      await way.send(thin)
      await eventually(() => way.arrived('subscription.updated').length === 1)
      await way.send(JSON.stringify(snapshot))
      expect(await way.settled()).toEqual([
        ['normalized', null],
        ['ignored', 'no_visible_change'],
      ])
    })

    test('says nothing when the twin has arrived before, with a key or without', async () => {
      for (const apiKey of [undefined, null]) {
        const way = await newWay({ apiKey })
        const { snapshot, thin } = twins()
        await way.send(JSON.stringify(snapshot))
        await eventually(() => way.arrived('subscription.updated').length === 1)
        await way.send(thin)
        expect((await way.settled())[1]).toEqual(['ignored', 'snapshot_speaks'])
      }
    })

    test('is read by the object where Stripe does not have the twin', async () => {
      const way = await newWay()
      const subscription = known()
      await way.send(snapshotEvent('customer.subscription.created', subscription))
      await way.settled()
      subscription.status = 'past_due'
      await way.send(thin('v1.customer.subscription.updated', subscription, { snapshot_event: 'evt_gone' }))
      await eventually(() => way.arrived('subscription.updated').length === 1)
    })
  })
})

describe('without an API key', () => {
  test('events are read as they come', async () => {
    const way = await newWay({ apiKey: null })
    const session = sessionObject()
    await way.send(snapshotEvent('checkout.session.completed', session))
    await way.send(snapshotEvent('customer.subscription.created', planOf('prod_unknown')))
    expect(await way.settled()).toEqual([
      ['normalized', null],
      ['normalized', null],
    ])
    expect(way.arrived('item.purchased')).toHaveLength(1)
    expect((await way.source()).hydration).toEqual({ state: 'off', pausedUntil: null, reason: null })
  })

  test('a thin event is ignored, until there is a key and it goes through once more', async () => {
    const way = await newWay({ apiKey: null })
    const subscription = subscriptionObject({ metadata: { client_user_id: 'user_1' } })
    const url = `/v1/subscriptions/${subscription.id}`
    stripe.objects.set(url, subscription)
    await way.send(thinEvent('v1.customer.subscription.created', { id: subscription.id, type: 'subscription', url }))
    expect(await way.settled()).toEqual([['ignored', 'needs_api_key']])
    expect((await way.changeSource({ apiKey: 'rk_test_of_the_source' })).hydration.state).toBe('on')
    const { id } = firstRow(await way.sourceEvents())
    expect((await gateway.api('POST', `/v1/source-events/${id}/renormalize`)).status).toBe(202)
    await eventually(() => way.arrived('subscription.created').length === 1)
  })
})
