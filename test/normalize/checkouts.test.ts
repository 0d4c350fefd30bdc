import { expect, test } from 'vitest'
import { newId } from '../../src/domain/ids.ts'
import { fresh, invoiceObject, itemLine, sessionObject, snapshotEvent, subscriptionObject } from '../support/events.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startReceiver } from '../support/receiver.ts'
import { layWay } from '../support/way.ts'

const PATH = '/v1/checkouts/sessions'
// So long that only a release, never the deadline, explains what arrives.
const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '600' })

async function newWay() {
  const receiver = await startReceiver()
  const way = await layWay(gateway.api, receiver.url)
  return {
    send: async (type: string, object: object) => {
      expect((await way.post(gateway.url, snapshotEvent(type, object))).status).toBe(200)
    },
    register: async (body: object) => (await gateway.api('POST', PATH, { clientId: way.clientId, ...body })).body.data,
    read: async (id: string) => (await gateway.api('GET', `${PATH}/${id}`)).body.data,
    arrived: (eventType: string) =>
      receiver.requests.map(({ body }) => JSON.parse(body)).filter((event) => event.eventType === eventType),
    settled: () =>
      eventually(async () => {
        const { body } = await gateway.api('GET', `/v1/source-events?clientId=${way.clientId}`)
        return body.data.every(({ state }: { state: string }) => state === 'normalized' || state === 'ignored')
      }),
  }
}
const USER = { client_user_id: 'user_1' }

test('items of a registered checkout are bought under their registered uuids, by their registered user', async () => {
  const { register, send, arrived } = await newWay()
  const session = sessionObject()
  const checkout = await register({
    stripeSessionId: session.id,
    clientUserId: 'user_7',
    items: [
      { id: 'price_course', name: 'Course' },
      { id: 'price_book', name: 'Book', quantity: 2 },
    ],
  })
  await send('checkout.session.completed', session)
  await eventually(() => arrived('item.purchased').length === 2)
  expect(arrived('item.purchased').map(({ item, user }) => [item.uuid, item.id, item.name, user.clientUserId])).toEqual(
    checkout.items.map(({ uuid, id, name }: { uuid: string; id: string; name: string }) => [uuid, id, name, 'user_7']),
  )
})

test('a purchase that waits for its user goes on as soon as its checkout is registered', async () => {
  const { register, send, arrived } = await newWay()
  const session = sessionObject({ customer: fresh('cus') })
  await send('checkout.session.completed', session)
  const checkout = await register({ clientUserId: 'user_8', items: [{ id: 'price_course' }] })
  expect(arrived('item.purchased')).toEqual([])
  await gateway.api('PATCH', `${PATH}/${checkout.id}`, { stripeSessionId: session.id })
  const [event] = await eventually(() => arrived('item.purchased').length > 0 && arrived('item.purchased'))
  expect(event).toMatchObject({ user: { clientUserId: 'user_8' }, item: { uuid: checkout.items[0].uuid } })
})

test('a registered checkout names the user of a subscription that waits, when its session comes', async () => {
  const { register, send, arrived } = await newWay()
  const subscription = subscriptionObject()
  const session = sessionObject({
    mode: 'subscription',
    customer: subscription.customer,
    subscription: subscription.id,
  })
  const checkout = await register({
    stripeSessionId: session.id,
    clientUserId: 'user_9',
    subscriptions: [{ id: 'price_pro' }],
  })
  await send('customer.subscription.created', subscription)
  await send('checkout.session.completed', session)
  const [event] = await eventually(() => arrived('subscription.created').length > 0 && arrived('subscription.created'))
  expect(event).toMatchObject({
    user: { clientUserId: 'user_9' },
    subscription: { uuid: checkout.subscriptions[0].uuid },
  })
  expect((await gateway.api('GET', `${PATH}/${checkout.id}`)).body.data.subscriptions).toEqual(checkout.subscriptions)
})

test('invoices of a checkout carry its subscription and its item, and sell the item under its uuid', async () => {
  const { register, send, arrived } = await newWay()
  const customer = fresh('cus')
  const checkout = await register({
    items: [{ id: 'price_setup', name: 'Setup', currency: 'usd', amount: 50, total: 50 }],
    subscriptions: [{ id: 'price_pro' }],
  })
  const metadata = { ...USER, flo_checkout_session: checkout.id }
  const subscription = subscriptionObject({ customer, metadata })
  await send('customer.subscription.created', subscription)
  await eventually(() => arrived('subscription.created').length === 1)
  await send(
    'invoice.paid',
    invoiceObject([itemLine()], {
      customer,
      metadata: USER,
      billing_reason: 'subscription_create',
      parent: { type: 'subscription_details', subscription_details: { subscription: subscription.id } },
    }),
  )
  await eventually(() => arrived('invoice.paid').length === 1 && arrived('item.purchased').length === 1)
  expect(arrived('subscription.created')[0].subscription.uuid).toBe(checkout.subscriptions[0].uuid)
  expect(arrived('invoice.paid')[0]).toMatchObject({
    subscription: { uuid: checkout.subscriptions[0].uuid, id: 'price_pro' },
    item: { uuid: checkout.items[0].uuid, id: 'price_setup', name: 'Setup', currency: 'USD', amount: 50, total: 50 },
  })
  expect(arrived('item.purchased')[0].item).toMatchObject({ uuid: checkout.items[0].uuid, id: 'price_setup' })
})

test('an item is given back under the uuid that it was bought with', async () => {
  const { register, send, arrived } = await newWay()
  const [customer, paymentIntent] = [fresh('cus'), fresh('pi')]
  const checkout = await register({ items: [{ id: 'price_setup' }] })
  const metadata = { ...USER, flo_checkout_session: checkout.id }
  const invoice = invoiceObject([itemLine(), itemLine({ amount: 0 })], { customer, metadata })
  await send('invoice_payment.paid', {
    id: fresh('inpay'),
    object: 'invoice_payment',
    invoice: invoice.id,
    payment: { type: 'payment_intent', payment_intent: paymentIntent },
  })
  await send('invoice.paid', invoice)
  await eventually(() => arrived('item.purchased').length > 0)
  await send('refund.created', {
    id: fresh('re'),
    object: 'refund',
    amount: 5000,
    currency: 'usd',
    status: 'succeeded',
    payment_intent: paymentIntent,
    created: Math.floor(Date.now() / 1000),
    metadata: {},
  })
  await eventually(() => arrived('item.refunded').length === 1)
  expect(arrived('item.refunded')[0].item.uuid).toBe(checkout.items[0].uuid)
})

test('a subscription that was sent before its checkout was registered keeps its uuid, and the checkout adopts it', async () => {
  const { register, read, send, arrived, settled } = await newWay()
  const subscription = subscriptionObject({ metadata: USER })
  const session = sessionObject({
    mode: 'subscription',
    customer: subscription.customer,
    subscription: subscription.id,
  })
  await send('customer.subscription.created', subscription)
  const [created] = await eventually(
    () => arrived('subscription.created').length > 0 && arrived('subscription.created'),
  )
  const uuid = newId()
  const checkout = await register({ stripeSessionId: session.id, subscriptions: [{ uuid, id: 'price_pro' }] })
  expect(checkout.subscriptions).toMatchObject([{ uuid, adopted: false }])

  await send('checkout.session.completed', session)
  await settled()
  await send('customer.subscription.deleted', { ...subscription, status: 'canceled', ended_at: 1_900_000_000 })
  await eventually(() => arrived('subscription.expired').length === 1)
  expect(arrived('subscription.expired')[0].subscription.uuid).toBe(created.subscription.uuid)
  expect((await read(checkout.id)).subscriptions).toEqual([
    { uuid: created.subscription.uuid, adopted: true, id: 'price_pro', metadata: null },
  ])
})
