import Stripe from 'stripe'
import { describe, expect, test } from 'vitest'
import { signedRequest } from '../../simulator/signed-request.ts'
import { simulate } from '../../simulator/simulate.ts'
import { NEWEST } from '../../simulator/versions.ts'
import { present } from '../support/present.ts'

const only = (events: ReturnType<typeof simulate>, type: string) => events.filter((event) => event.type === type)

describe('an event', () => {
  test('carries mode, account and version as asked', () => {
    const [event] = simulate('renewal', { apiVersion: '2022-11-15', livemode: true, account: 'acct_1' })
    expect(event).toMatchObject({ object: 'event', api_version: '2022-11-15', livemode: true, account: 'acct_1' })
    expect(present(event).data.object.livemode).toBe(true)
    expect(simulate('renewal')[0]).not.toHaveProperty('account')
  })

  test('says which request it came from, and of nobody when Stripe acted by itself', () => {
    const [created] = only(simulate('renewal'), 'customer.subscription.created')
    expect(present(created).request).toEqual({
      id: expect.stringMatching(/^req_\w{14}$/),
      idempotency_key: expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
    const [rolled] = only(simulate('renewal'), 'customer.subscription.updated')
    expect(present(rolled).request).toEqual({ id: null, idempotency_key: null })
  })

  test('had a string or null for its request until 2017', () => {
    const events = simulate('renewal', { apiVersion: '2014-09-08' })
    expect(present(only(events, 'customer.subscription.created')[0]).request).toMatch(/^req_/)
    expect(present(only(events, 'customer.subscription.updated')[0]).request).toBeNull()
  })

  test('is the same happening under another version, in another shape', () => {
    const [old] = only(simulate('renewal', { apiVersion: '2020-08-27' }), 'customer.subscription.created')
    const [acacia] = only(simulate('renewal', { apiVersion: '2024-10-28.acacia' }), 'customer.subscription.created')
    expect(present(old).id).toBe(present(acacia).id)
    expect(present(old).data.object).not.toEqual(present(acacia).data.object)
  })

  test('is about the same objects under every version', () => {
    const ids = (apiVersion: string) => simulate('plan-change', { apiVersion }).map(({ data }) => data.object.id)
    expect(ids('2020-08-27')).toEqual(ids('2014-09-08'))
    expect(ids('2026-10-28.endive')).toEqual(ids('2025-09-30.clover'))
    // Besides, basil has invoice_payment.paid.
    expect(ids('2025-03-31.basil')).toEqual(expect.arrayContaining(ids('2024-10-28.acacia')))
    expect(ids('2025-03-31.basil')).toEqual(ids('2025-09-30.clover'))
  })

  test('begins when the caller says', () => {
    const [first] = simulate('renewal', { start: new Date('2031-05-05T00:00:00Z') })
    expect(present(first).created).toBe(Date.parse('2031-05-05T00:00:00Z') / 1000)
  })
})

test('the client’s own user id stands on the customer and on the Checkout page', () => {
  const [customer] = only(simulate('renewal', { clientUserId: 'user_7' }), 'customer.created')
  expect(present(customer).data.object.metadata).toEqual({ client_user_id: 'user_7' })
  const [session] = only(simulate('checkout-payment', { clientUserId: 'user_7' }), 'checkout.session.completed')
  expect(present(session).data.object.client_reference_id).toBe('user_7')
})

test('ids have Stripe’s prefixes and lengths', () => {
  const ids = simulate('checkout-subscription')
    .concat(simulate('subscription-refund'), simulate('credit-note-refund'), simulate('schedule-cancels'))
    .map(({ data }) => data.object.id)
  const forms = [/^(cus|prod)_\w{14}$/, /^(pi|ch|re)_3\w{23}$/, /^cs_test_a1\w{56}$/]
  const modern = /^(sub|in|ii|price|inpay|cn|sub_sched)_1\w{23}$/
  for (const id of ids)
    expect(
      [...forms, modern].some((form) => form.test(id)),
      id,
    ).toBe(true)
})

test('under a test clock a year of billing is created within seconds, much of it in the same one', () => {
  const events = simulate('test-clock-year')
  const seconds = new Set(events.map(({ created }) => created))
  expect(seconds.size).toBeLessThan(10)
  const invoices = only(events, 'invoice.paid').map(({ data }) => data.object)
  expect(invoices).toHaveLength(12)
  expect(invoices.at(-1).created - invoices[0].created).toBeGreaterThan(300 * 86_400)
  expect(invoices.every(({ test_clock }) => /^clock_/.test(test_clock))).toBe(true)
})

test('without a test clock the events of one request share its second', () => {
  const events = simulate('renewal')
  const seconds = new Set(events.map(({ created }) => created))
  expect(seconds.size).toBeLessThan(events.length / 2)
})

test('a portal cancellation sets the boolean of a classic subscription, the date alone of a flexible one', () => {
  const cancelled = (apiVersion: string) =>
    present(only(simulate('portal-cancel', { apiVersion }), 'customer.subscription.updated')[0]).data.object
  expect(cancelled('2025-03-31.basil').cancel_at_period_end).toBe(true)
  expect(cancelled('2025-09-30.clover')).toMatchObject({ cancel_at_period_end: false, cancel_at: expect.any(Number) })
})

test('a Checkout subscription is incomplete first, until basil creates it after its payment', () => {
  const statuses = (apiVersion: string) =>
    simulate('checkout-subscription', { apiVersion })
      .filter(({ type }) => type.startsWith('customer.subscription.'))
      .map(({ data }) => data.object.status)
  expect(statuses('2024-10-28.acacia')).toEqual(['incomplete', 'active'])
  expect(statuses('2025-03-31.basil')).toEqual(['active'])
})

test('a signed request is one that Stripe’s own verifier accepts', () => {
  const [event] = simulate('renewal')
  const at = new Date()
  const { body, headers } = signedRequest(present(event), 'whsec_test', at)
  const signature = present(headers['stripe-signature'])
  expect(new Stripe('sk_test_unused').webhooks.constructEvent(body, signature, 'whsec_test').id).toBe(present(event).id)
})

test('an unknown scenario is refused with the names of the known ones', () => {
  expect(() => simulate('no-such-thing')).toThrow(/choose one of .*trial-converts/)
})

describe('what the platform writes onto its objects', () => {
  const told = (scenario: string, apiVersion = NEWEST) =>
    simulate(scenario, { apiVersion, metadata: { flo_client: 'acme' } }).map(({ type, data }) => ({
      type,
      client: data.object.metadata?.flo_client as string | undefined,
    }))

  test('stands on customer and subscription from the first event to the last, and on no payment', () => {
    const events = told('metadata-change')
    const marked = events.filter(({ type }) => /^customer\.(created|updated|subscription)/.test(type))
    expect(new Set(marked.map(({ client }) => client))).toEqual(new Set(['acme']))
    expect(marked.at(-1)?.type).toBe('customer.subscription.updated')
    const others = events.filter((event) => !marked.includes(event))
    expect(others.map(({ client }) => client).filter(Boolean)).toEqual([])
  })

  test('stands on a Checkout page and the subscription that it makes, and not on the customer that it makes', () => {
    const events = told('checkout-subscription')
    const clientOf = (type: string) => events.find((event) => event.type === type)?.client
    expect(clientOf('checkout.session.completed')).toBe('acme')
    expect(clientOf('customer.subscription.created')).toBe('acme')
    expect(clientOf('customer.created')).toBeUndefined()
  })

  test('stands where an invoice shows what its subscription says, in the place of each shape', () => {
    const invoiceOf = (apiVersion: string) =>
      present(
        simulate('renewal', { apiVersion, metadata: { flo_client: 'acme' } }).find(
          ({ type }) => type === 'invoice.created',
        ),
      ).data.object
    expect(invoiceOf(NEWEST).parent.subscription_details.metadata).toEqual({ flo_client: 'acme' })
    expect(invoiceOf('2024-10-28.acacia').subscription_details.metadata).toEqual({ flo_client: 'acme' })
  })

  test('changes nothing else of a story', () => {
    const bare = (metadata: Record<string, string>) => JSON.stringify(simulate('checkout-subscription', { metadata }))
    const without = JSON.stringify(simulate('checkout-subscription'))
    expect(bare({ flo_client: 'acme' }).replaceAll('{"flo_client":"acme"}', '{}')).toBe(without)
  })
})
