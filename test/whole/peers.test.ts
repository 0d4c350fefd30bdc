import { describe, expect, test } from 'vitest'
import { simulate } from '../../simulator/simulate.ts'
import { VERSIONS } from '../../simulator/versions.ts'
import type { Json } from '../../src/domain/json.ts'
import { freshDatabase } from '../support/database.ts'
import { present } from '../support/present.ts'
import { newSource, receiving, SECRET, stripeEvent, stripeSignature } from '../support/receiving.ts'
import { heard, type Story, story } from '../support/story.ts'

// What users of other integrations complain about most, each by a test of its own.

const play = (name: string, apiVersion = '2025-09-30.clover'): Json[] => simulate(name, { apiVersion })
const typesOf = (told: Story) => heard(told).map(({ type }) => type)
const bodies = (told: Story, ...types: string[]): Json[] =>
  heard(told)
    .filter(({ type }) => types.includes(type))
    .map(({ body }) => JSON.parse(body))
const statesOf = ({ outcomes }: Story) => [...new Set(outcomes.map(({ outcome }) => outcome.state))].sort()
const snapshot = ({ world }: Story, kind: string): Json =>
  present([...world.objects.values()].find((one) => one.snapshot.object.object === kind)).snapshot.object
/** The events with those of a type behind all others. */
const late = (raws: Json[], ...types: string[]) => [
  ...raws.filter(({ type }) => !types.includes(type)),
  ...raws.filter(({ type }) => types.includes(type)),
]
const of = (raws: Json[], ...types: string[]) => raws.filter(({ type }) => types.includes(type))

describe('order', () => {
  test('a created event that arrives late does not overwrite the update: the status is not stuck at incomplete', () => {
    const raws = late(play('checkout-subscription', '2024-10-28.acacia'), 'customer.subscription.created')
    const told = story(raws)
    expect(snapshot(told, 'subscription').status).toBe('active')
    expect(bodies(told, 'subscription.created', 'subscription.updated')).toMatchObject([
      { eventType: 'subscription.created', subscription: { state: 'active' } },
    ])
  })

  test('an older update that is handled late does not overwrite the newer state', () => {
    const [created] = of(play('renewal'), 'customer.subscription.created')
    const withQuantity = (quantity: number, was: number) => {
      const raw = structuredClone(created)
      const [item] = raw.data.object.items.data
      Object.assign(raw, {
        id: `evt_quantity_${quantity}`,
        type: 'customer.subscription.updated',
        created: created.created + quantity,
      })
      Object.assign(raw.data.object, { quantity })
      raw.data.previous_attributes = { items: { data: [{ ...item, quantity: was }] }, quantity: was }
      Object.assign(item, { quantity })
      return raw
    }
    const told = story([created, withQuantity(3, 2), withQuantity(2, 1)])
    expect(snapshot(told, 'subscription').items.data[0].quantity).toBe(3)
    expect(bodies(told, 'subscription.updated').map(({ subscription }) => subscription.quantity)).toEqual([3])
  })

  test('a tie within the same second does not drop the paid state', () => {
    const raws = of(play('one-off-invoice'), 'invoice.created', 'invoice.finalized', 'invoice.updated', 'invoice.paid')
    const tied = raws.map((raw) => ({ ...raw, created: raws[0].created }))
    for (const arriving of [tied, tied.toReversed()]) {
      const told = story(arriving)
      expect(snapshot(told, 'invoice').status).toBe('paid')
      expect(bodies(told, 'invoice.paid')).toMatchObject([{ invoice: { state: 'paid', amountRemaining: 0 } }])
    }
  })

  test('a parent that has not arrived does not fail the child', () => {
    const told = story(of(play('renewal'), 'invoice.paid'))
    expect(statesOf(told)).toEqual(['normalized'])
    expect(typesOf(told)).toEqual(['invoice.paid', 'invoice.paid', 'subscription.renewed'])
  })
})

describe('shapes', () => {
  test.each(VERSIONS)('current_period_end is not silently undefined in %s', (version) => {
    const [created] = bodies(story(play('renewal', version)), 'subscription.created')
    expect(created.subscription).toMatchObject({
      startDate: '2026-03-01T09:30:00.000Z',
      endDate: '2026-04-01T09:30:00.000Z',
    })
  })

  test.each(VERSIONS)(
    'an endpoint without a pinned version, receiving the shape of %s, fills every field',
    (version) => {
      const unpinned = play('renewal', version).map((raw) => ({ ...raw, api_version: null }))
      const [created] = bodies(story(unpinned), 'subscription.created')
      expect(created.subscription).toMatchObject({
        name: 'Pro',
        state: 'active',
        quantity: 1,
        currency: 'USD',
        amount: 29,
        total: 29,
      })
    },
  )

  test.each(VERSIONS)(
    'the subscription of an invoice is found in %s, where invoice.subscription may be gone',
    (version) => {
      const told = story(play('renewal', version))
      const [created] = bodies(told, 'subscription.created')
      const [renewed] = bodies(told, 'subscription.renewed')
      expect(renewed.subscription.uuid).toBe(created.subscription.uuid)
      for (const paid of bodies(told, 'invoice.paid')) expect(paid.subscription.uuid).toBe(created.subscription.uuid)
    },
  )

  test('invoice.upcoming without an id is no error', () => {
    const told = story(of(play('renewal'), 'invoice.upcoming'))
    expect(told.outcomes).toMatchObject([{ type: 'invoice.upcoming', outcome: { state: 'ignored' }, events: [] }])
  })

  test('a line that refers to a removed subscription item needs no look-up that could fail', () => {
    const raws = JSON.parse(JSON.stringify(play('renewal')).replaceAll(/"si_\w+"/g, '"si_removed"'))
    const told = story(of(raws, 'invoice.created', 'invoice.paid'))
    expect(statesOf(told)).toEqual(['normalized'])
    expect(bodies(told, 'invoice.paid').map(({ invoice }) => invoice.lines.map((line: Json) => line.amount))).toEqual([
      [29],
      [29],
    ])
  })

  test('an invoice without a subscription does not crash anything', () => {
    const told = story(play('one-off-invoice'))
    expect(statesOf(told)).toEqual(['ignored', 'normalized'])
    expect(bodies(told, 'invoice.paid')).toMatchObject([{ invoice: { state: 'paid' } }])
    expect(bodies(told, 'invoice.paid')[0]).not.toHaveProperty('subscription')
    expect(bodies(told, 'item.purchased')).toHaveLength(2)
  })

  test('a key that Stripe adds to previous_attributes changes no verdict', () => {
    const raws = play('cancel-at-period-end')
    const [updated] = of(raws, 'customer.subscription.updated')
    const more = structuredClone(raws)
    present(more.find(({ id }) => id === updated.id)).data.previous_attributes.brand_new_key = null
    expect(typesOf(story(more))).toContain('subscription.cancelled')
    expect(typesOf(story(more))).toEqual(typesOf(story(raws)))
  })

  test('a version that nobody knows yet does not throw: what it tells is told', () => {
    const future = play('renewal').map((raw) => ({ ...raw, api_version: '2031-01-01.unheard' }))
    expect(story(future).events.map(({ body }) => body)).toEqual(story(play('renewal')).events.map(({ body }) => body))
  })
})

describe('meaning', () => {
  test('a cancellation in the portal is seen although cancel_at_period_end stays false', () => {
    const raws = play('portal-cancel')
    expect(of(raws, 'customer.subscription.updated')[0].data.object.cancel_at_period_end).toBe(false)
    expect(bodies(story(raws), 'subscription.cancelled')).toMatchObject([
      { subscription: { state: 'active', cancelAt: '2026-04-01T09:30:00.000Z' } },
    ])
  })

  test('with no default configured subscription webhooks still go through', () => {
    const alone = play('reactivated').filter(({ type }) => type.startsWith('customer.subscription.'))
    const told = story(alone)
    expect(statesOf(told)).not.toContain('failed')
    expect(typesOf(told).filter((type) => type !== 'subscription.updated')).toEqual([
      'subscription.created',
      'subscription.cancelled',
      'subscription.reactivated',
    ])
  })

  test('customer.deleted is reflected', () => {
    const told = story(play('customer-deleted'))
    expect(typesOf(told).at(-1)).toBe('subscription.expired')
    expect(bodies(told, 'subscription.expired')).toMatchObject([{ subscription: { state: 'expired' } }])
  })

  test('a $0 trial invoice that is paid is neither revenue nor a renewal', () => {
    const raws = play('trial-converts')
    const told = story(raws)
    const [trial, first] = bodies(told, 'invoice.paid')
    expect([trial.invoice.amountPaid, first.invoice.amountPaid]).toEqual([0, 29])
    expect(
      bodies(told, 'subscription.renewed').map(({ subscription }) => subscription.invoiceDetails.invoiceId),
    ).toEqual([first.invoice.id])
  })

  test('pause_collection gives no free access although the status stays active, and its end is told', () => {
    const raws = play('pause-collection')
    expect(snapshot(story(raws), 'subscription').status).toBe('active')
    expect(bodies(story(raws), 'subscription.paused', 'subscription.resumed')).toMatchObject([
      { eventType: 'subscription.paused', subscription: { state: 'paused' } },
      { eventType: 'subscription.resumed', subscription: { state: 'active', pausedAt: null } },
    ])
  })
})

describe('money', () => {
  test('yen are not a hundred times too much or too little', () => {
    const raws = play('zero-decimal')
    expect(of(raws, 'invoice.paid')[0].data.object.amount_paid).toBe(8700)
    const [paid] = bodies(story(raws), 'invoice.paid')
    expect(paid.invoice).toMatchObject({ currency: 'JPY', total: 8700, amountPaid: 8700 })
  })

  test('a charge that no longer carries its refunds tells them all the same', () => {
    const raws = play('refund-partial-then-full', '2022-11-15').filter(({ type }) => !type.startsWith('refund.'))
    expect(of(raws, 'charge.refunded').every(({ data }) => data.object.refunds === undefined)).toBe(true)
    expect(bodies(story(raws), 'item.refunded').map(({ item }) => [item.state, item.refundedAmount])).toEqual([
      ['partially_refunded', 50],
      ['refunded', 150],
    ])
  })

  test('the cumulative amount of a second refund is not counted twice', () => {
    const told = story(play('refund-partial-then-full'))
    expect(bodies(told, 'item.refunded').map(({ item }) => [item.state, item.refundedAmount, item.total])).toEqual([
      ['partially_refunded', 50, 150],
      ['refunded', 150, 150],
    ])
  })

  test('duplicates grant nothing twice, even under ids of their own', () => {
    for (const name of ['setup-fee', 'checkout-payment', 'renewal']) {
      const raws = play(name)
      const granted = (some: Json[]) => typesOf(story(some)).filter((type) => !type.endsWith('.updated'))
      expect(typesOf(story(raws.flatMap((raw) => [raw, raw])))).toEqual(typesOf(story(raws)))
      expect(granted(raws.flatMap((raw) => [raw, { ...raw, id: `${raw.id}_again` }]))).toEqual(granted(raws))
    }
  })
})

describe('receiving', async () => {
  const { db } = await freshDatabase()
  const { post } = await receiving(db)

  test('an unknown type is answered with 200, so that Stripe disables no endpoint', async () => {
    const { sourceId } = await newSource(db)
    const body = stripeEvent({ type: 'brand_new.thing.happened' })
    expect(await post(sourceId, body)).toMatchObject({ status: 200, body: { received: true, duplicate: false } })
    expect(story([JSON.parse(body)]).outcomes).toMatchObject([{ outcome: { state: 'ignored', code: 'unknown_type' } }])
  })

  test('a version other than the installed one is answered with 200', async () => {
    const { sourceId } = await newSource(db)
    for (const api_version of ['2014-09-08', '2031-01-01.unheard', null])
      expect(await post(sourceId, stripeEvent({ api_version }))).toMatchObject({ status: 200 })
  })

  test('with several endpoints and secrets none is refused, and a foreign signature fails loudly', async () => {
    const { sourceId } = await newSource(db, [SECRET, 'whsec_of_the_other_endpoint'])
    for (const secret of [SECRET, 'whsec_of_the_other_endpoint']) {
      const body = stripeEvent()
      const reply = await post(sourceId, body, { 'stripe-signature': stripeSignature(body, secret) })
      expect(reply.status).toBe(200)
    }
    const body = stripeEvent()
    const foreign = await post(sourceId, body, { 'stripe-signature': stripeSignature(body, 'whsec_foreign') })
    expect(foreign).toMatchObject({ status: 400, body: { error: { code: 'signature_invalid' } } })
  })
})
