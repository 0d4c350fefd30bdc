import { describe, expect, test } from 'vitest'
import { fresh, sessionObject, snapshotEvent, subscriptionObject } from '../support/events.ts'
import { eventually } from '../support/eventually.ts'
import { hydratedWay, hydratingGateway } from '../support/hydrating.ts'

// What is fetched, registered and shown is of one account and mode, as what events bring is (test/normalize/accounts-and-modes.test.ts).

const { gateway, stripe } = await hydratingGateway()
const newWay = () => hydratedWay(gateway)
type Way = Awaited<ReturnType<typeof newWay>>

/** Sends a creation of the subscription in an account and mode, and answers what was told of it. */
async function tellOf(
  way: Way,
  { account, livemode = false }: { account?: string; livemode?: boolean },
  customer: string,
) {
  const before = way.arrived('subscription.created').length
  const subscription = subscriptionObject({ customer })
  await way.send(
    snapshotEvent('customer.subscription.created', subscription, { livemode, ...(account && { account }) }),
  )
  await eventually(() => way.arrived('subscription.created').length === before + 1)
  return way.arrived('subscription.created')[before]
}
const product = (name: string, livemode: boolean) => ({ id: 'prod_pro', object: 'product', name, livemode })

describe('a fetched object', () => {
  test('is asked for in the name of the account, and is no other account’s', async () => {
    const way = await newWay()
    stripe.objects.set('/v1/products/prod_pro', product('Own Pro', false))
    stripe.objects.set('acct_1 /v1/products/prod_pro', product('Alpha Pro', false))
    stripe.objects.set('acct_2 /v1/products/prod_pro', product('Beta Pro', false))
    const names: unknown[] = []
    for (const account of ['acct_1', undefined, 'acct_2', 'acct_1'])
      names.push((await tellOf(way, account ? { account } : {}, fresh('cus'))).subscription.name)
    expect(names).toEqual(['Alpha Pro', 'Own Pro', 'Beta Pro', 'Alpha Pro'])
    const asked = stripe.asked.filter(({ path }) => path === '/v1/products/prod_pro')
    expect(asked.map(({ headers }) => headers['stripe-account'])).toEqual(['acct_1', undefined, 'acct_2'])
  })

  test('of the other mode than the event is not used', async () => {
    const way = await newWay()
    stripe.objects.set('/v1/products/prod_pro', product('Test Pro', false))
    expect((await tellOf(way, { livemode: true }, fresh('cus'))).subscription.name).toBeNull()
    expect((await tellOf(way, { livemode: false }, fresh('cus'))).subscription.name).toBe('Test Pro')
  })
})

describe('a user that is registered', () => {
  const register = async (way: Way, clientUserId: string, body: object) =>
    (await gateway.api('PUT', `/v1/users/${clientUserId}`, { clientId: way.clientId, ...body })).body.data
  const list = async (way: Way, query: string) =>
    (await gateway.api('GET', `/v1/users?clientId=${way.clientId}&${query}`)).body.data.map(
      ({ clientUserId }: { clientUserId: string }) => clientUserId,
    )

  test('without an account is whom the source’s own account says, in both modes', async () => {
    const way = await newWay()
    const customer = fresh('cus')
    await register(way, 'ada', { stripeCustomerId: customer })
    const users = []
    for (const realm of [{ livemode: true }, { livemode: false }, { account: 'acct_1' }])
      users.push((await tellOf(way, realm, customer)).user.clientUserId)
    expect(users).toEqual(['ada', 'ada', null])
  })

  test('with an account, and with a mode, is whom that says; lists and replies name the account', async () => {
    const way = await newWay()
    const customer = fresh('cus')
    await register(way, 'ada', { stripeCustomerId: customer })
    expect(await register(way, 'bob', { stripeCustomerId: customer, account: 'acct_1' })).toMatchObject({
      stripeCustomerIds: [customer],
      stripeCustomers: [{ id: customer, account: 'acct_1' }],
    })
    await register(way, 'eve', { stripeCustomerId: customer, livemode: false })
    const users = []
    for (const realm of [{ livemode: true }, {}, { account: 'acct_1' }, { account: 'acct_1', livemode: true }])
      users.push((await tellOf(way, realm, customer)).user.clientUserId)
    expect(users).toEqual(['ada', 'eve', 'bob', 'bob'])
    expect((await list(way, `stripeCustomerId=${customer}`)).toSorted()).toEqual(['ada', 'eve'])
    expect(await list(way, `stripeCustomerId=${customer}&account=acct_1`)).toEqual(['bob'])
  })

  test('keeps the Flo id that events of the same account’s customer have shown', async () => {
    const way = await newWay()
    const customer = fresh('cus')
    const nameless = (await tellOf(way, { account: 'acct_1' }, customer)).user
    expect(nameless.clientUserId).toBeNull()
    expect((await register(way, 'ada', { stripeCustomerId: customer })).id).not.toBe(nameless.id)
    expect((await register(way, 'bob', { stripeCustomerId: customer, account: 'acct_1' })).id).toBe(nameless.id)
  })
})

test('a checkout is that of its account’s session', async () => {
  const way = await newWay()
  const session = sessionObject()
  const register = async (body: object) =>
    (await gateway.api('POST', '/v1/checkouts/sessions', { clientId: way.clientId, ...body })).body.data
  const checkout = await register({
    stripeSessionId: session.id,
    account: 'acct_1',
    clientUserId: 'ada',
    items: [{ id: 'price_course', name: 'Course' }],
  })
  expect(checkout.account).toBe('acct_1')
  await way.send(snapshotEvent('checkout.session.completed', session, { account: 'acct_2' }))
  await way.send(snapshotEvent('checkout.session.completed', session, { account: 'acct_1' }))
  await eventually(() => way.arrived('item.purchased').length === 2)
  const told = way.arrived('item.purchased').map(({ user, item }) => [user.clientUserId, item.uuid])
  expect(told).toContainEqual(['ada', checkout.items[0].uuid])
  expect(told.filter(([user]) => user === 'ada')).toHaveLength(1)
})
