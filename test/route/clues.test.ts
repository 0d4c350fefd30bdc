import { describe, expect, test } from 'vitest'
import { storedKinds } from '../../mappings/stored-objects.ts'
import type { Routing } from '../../src/domain/routing.ts'
import { readRoutingClues } from '../../src/domain/routing-clues.ts'

const own = { account: '', livemode: true }
const byMetadata: Routing = { by: ['metadata'] }
const both: Routing = { by: ['account', 'metadata'] }
const eventOf = (object: object, type = 'some.event') => ({ id: 'evt_1', type, data: { object } })
const clues = (object: object, routing = byMetadata, realm = own) => readRoutingClues(eventOf(object), routing, realm)
const namesOf = (object: object, routing?: Routing) =>
  clues(object, routing).names.map(({ name, of }) => `${name} in ${of}`)
const idsOf = (object: object) => clues(object).objects.map(({ kind, id }) => `${kind} ${id}`)

describe('metadata names the client', () => {
  const flo = { flo_client: 'a' }
  test.each([
    ['of the object', { object: 'customer', id: 'cus_1', metadata: flo }, 'a in customer cus_1'],
    [
      'of the subscription, under its parent',
      { object: 'invoice', id: 'in_1', parent: { subscription_details: { subscription: 'sub_1', metadata: flo } } },
      'a in subscription sub_1',
    ],
    [
      'of the subscription, in its details',
      { object: 'invoice', id: 'in_1', subscription: 'sub_1', subscription_details: { metadata: flo } },
      'a in subscription sub_1',
    ],
    [
      'of the subscription, expanded',
      { object: 'invoice', id: 'in_1', subscription: { id: 'sub_1', object: 'subscription', metadata: flo } },
      'a in subscription sub_1',
    ],
    [
      'of the subscription, on its lines',
      {
        ...{ object: 'invoice', id: 'in_1', customer: 'cus_1' },
        lines: { data: [{ type: 'subscription', subscription: 'sub_1', metadata: flo }] },
      },
      'a in subscription sub_1',
    ],
    [
      'of the subscription, on lines that name it under their parent',
      {
        ...{ object: 'invoice', id: 'in_1', customer: 'cus_1' },
        lines: {
          data: [
            {
              parent: { type: 'subscription_item_details', subscription_item_details: { subscription: 'sub_1' } },
              metadata: flo,
            },
          ],
        },
      },
      'a in subscription sub_1',
    ],
    [
      'of the customer, expanded',
      { object: 'charge', id: 'ch_1', customer: { id: 'cus_1', object: 'customer', metadata: flo } },
      'a in customer cus_1',
    ],
    [
      'of the customer, expanded in the expanded subscription',
      {
        ...{ object: 'invoice', id: 'in_1' },
        subscription: {
          id: 'sub_1',
          object: 'subscription',
          customer: { id: 'cus_1', object: 'customer', metadata: flo },
        },
      },
      'a in customer cus_1',
    ],
  ])('%s', (_, object, name) => {
    expect(namesOf(object)).toEqual([name])
  })

  test('under the key that the source names, and no other', () => {
    const object = { object: 'customer', id: 'cus_1', metadata: { flo_client: 'a', tenant: 'b' } }
    expect(namesOf(object, { by: ['metadata'], key: 'tenant' })).toEqual(['b in customer cus_1'])
    expect(namesOf(object, { by: ['metadata'], key: 'toString' })).toEqual([])
  })

  test('several answers are all told', () => {
    const object = {
      ...{ object: 'invoice', id: 'in_1', metadata: { flo_client: 'a' } },
      subscription_details: { metadata: { flo_client: 'b' } },
      customer: { id: 'cus_1', metadata: { flo_client: 'c' } },
    }
    expect(clues(object).names.map(({ name }) => name)).toEqual(['a', 'b', 'c'])
  })

  test.each([[''], [null], [7], [{}], [['a']]])('a value that is no text names nobody: %j', (value) => {
    expect(namesOf({ object: 'customer', id: 'cus_1', metadata: { flo_client: value } })).toEqual([])
  })

  test.each([['a\0b'], ['\ud800'], ['x'.repeat(10_000)]])(
    'a name that no client can have fits the database, and is longer than any that a client can have',
    (value) => {
      const [one] = clues({ object: 'customer', id: 'cus_1', metadata: { flo_client: value } }).names
      expect(one?.name).toHaveLength(501)
      expect(one?.name.includes('\0')).toBe(false)
      expect(one?.name.isWellFormed()).toBe(true)
    },
  )
})

describe('a connected account', () => {
  const realm = { account: 'acct_1', livemode: true }
  const object = { object: 'customer', id: 'cus_1', metadata: { flo_client: 'victim' } }

  test('is routed by the account alone: what it writes into metadata is not believed', () => {
    expect(clues(object, both, realm)).toEqual({
      ...{ isShared: false, objects: [] },
      names: [{ by: 'account', name: 'acct_1', of: 'account' }],
    })
  })

  test('is not routed at all where the source routes by metadata alone', () => {
    const { dead, ...told } = clues(object, byMetadata, realm)
    expect(told).toEqual({ isShared: false, names: [], objects: [] })
    expect(dead).toContain('metadata is not believed')
  })

  test('has products of its own, which are not shared', () => {
    expect(clues({ object: 'product', id: 'prod_1' }, both, realm).isShared).toBe(false)
  })
})

describe('objects that an event names', () => {
  test.each([
    [
      'a refund',
      { object: 'refund', id: 're_1', charge: 'ch_1', payment_intent: 'pi_1' },
      ['refund re_1', 'charge ch_1', 'payment_intent pi_1'],
    ],
    [
      'a payment of an invoice',
      {
        object: 'invoice_payment',
        id: 'inpay_1',
        invoice: 'in_1',
        payment: { type: 'payment_intent', payment_intent: 'pi_1' },
      },
      ['invoice in_1', 'payment_intent pi_1'],
    ],
    [
      'a credit note',
      { object: 'credit_note', id: 'cn_1', invoice: 'in_1', refunds: [{ refund: 're_1' }] },
      ['credit_note cn_1', 'invoice in_1', 'refund re_1'],
    ],
    [
      'a session',
      { object: 'checkout.session', id: 'cs_1', customer: null, subscription: 'sub_1' },
      ['checkout.session cs_1', 'subscription sub_1'],
    ],
    [
      'an old payment intent',
      { object: 'payment_intent', id: 'pi_1', charges: { data: [{ object: 'charge', id: 'ch_1' }] } },
      ['payment_intent pi_1', 'charge ch_1'],
    ],
    ['a dispute', { object: 'dispute', id: 'dp_1', charge: 'ch_1' }, ['charge ch_1']],
    ['a payment method', { object: 'payment_method', id: 'pm_1', customer: 'cus_1' }, ['customer cus_1']],
  ])('%s', (_, object, ids) => {
    expect(idsOf(object)).toEqual(ids)
  })

  test('not those that stand in metadata, which a buyer may have written', () => {
    expect(
      idsOf({ object: 'charge', id: 'ch_1', metadata: { customer: 'cus_victim', invoice: { id: 'in_victim' } } }),
    ).toEqual(['charge ch_1'])
  })

  test('have keys in their mode', () => {
    expect(
      clues({ object: 'customer', id: 'cus_1' }, byMetadata, { account: '', livemode: false }).objects[0]?.key,
    ).toBe('@+test/cus_1')
  })

  test('the related object of a thin event', () => {
    const thin = { object: 'v2.core.event', type: 'v1.invoice.paid', related_object: { id: 'in_1', type: 'invoice' } }
    expect(readRoutingClues(thin, byMetadata, own).objects).toEqual([{ kind: 'invoice', id: 'in_1', key: 'in_1' }])
  })

  test.each([[null], [7], ['x'], [[]], [{ customer: { id: 7 } }], [{ customer: 'a\0b' }], [{ lines: { data: 'x' } }]])(
    'what is no event of Stripe is read without harm: %j',
    (object) => {
      expect(() => readRoutingClues({ type: 7, data: { object } }, byMetadata, own)).not.toThrow()
    },
  )

  test('one that is nested by the ten thousand is read in time', () => {
    let object: object = { customer: 'cus_deep' }
    for (let depth = 0; depth < 10_000; depth += 1) object = { inner: object }
    expect(() => clues(object)).not.toThrow()
  })
})

describe('what belongs to nobody', () => {
  test.each(['product', 'price', 'plan', 'coupon', 'tax_rate', 'balance', 'payout', 'file'])(
    'a %s is shared',
    (kind) => {
      expect(clues({ object: kind, id: 'x_1' })).toEqual({ isShared: true, names: [], objects: [] })
    },
  )

  test('a promotion code is, unless it is made for one customer', () => {
    expect(clues({ object: 'promotion_code', id: 'promo_1', customer: null }).isShared).toBe(true)
    expect(clues({ object: 'promotion_code', id: 'promo_1', customer: 'cus_1' }).isShared).toBe(false)
  })

  test('every kind that mappings keep is either shared or an object of a client', () => {
    const decided = storedKinds.map((kind) => {
      const { isShared, objects } = clues({ object: kind, id: 'x_1' })
      return isShared !== objects.length > 0
    })
    expect(decided).toEqual(storedKinds.map(() => true))
  })
})
