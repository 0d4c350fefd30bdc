import { describe, expect, test } from 'vitest'
import { simulate } from '../../simulator/simulate.ts'
import { VERSIONS } from '../../simulator/versions.ts'
import type { Json } from '../../src/domain/json.ts'
import { present } from '../support/present.ts'
import { heard, story } from '../support/story.ts'

const told = (events: readonly Json[], patient = false) => heard(story(events, { patient })).map(({ type }) => type)
const ofSubscription = (events: readonly Json[], patient = false) =>
  told(events, patient).filter((type) => type.startsWith('subscription.'))

const ofFlorentin = (events: readonly Json[]) =>
  heard(story(events), 'florentin.v1')
    .map(({ type }) => type)
    .filter((type) => type.startsWith('subscription.'))

/** A subscription as it was created and later events about it, each with the changed fields and what they were before. */
function lifeOf(apiVersion: string, ...changes: { type?: string; after?: number; to: Json; from?: Json }[]) {
  const created = present(
    simulate('renewal', { apiVersion }).find(({ type }) => type === 'customer.subscription.created'),
  ) as Json
  const events: Json[] = [created]
  for (const { type = 'updated', after = 3600, to, from } of changes) {
    const last = present(events.at(-1))
    events.push({
      ...last,
      id: `${created.id}_${events.length}`,
      type: `customer.subscription.${type}`,
      created: last.created + after,
      data: { object: { ...last.data.object, ...to }, ...(from && { previous_attributes: from }) },
    })
  }
  return events
}

const paused = { pause_collection: { behavior: 'void', resumes_at: null } }
const running = { pause_collection: null }
const marked = { cancel_at_period_end: true, canceled_at: 1_772_400_000 }
const unmarked = { cancel_at_period_end: false, canceled_at: null }
const usable = { status: 'active' }
const incomplete = { status: 'incomplete' }

describe('an update of several named facts tells each of them, in order', () => {
  test.each(VERSIONS)('in %s', (apiVersion) => {
    const change = (before: Json, after: Json) => {
      const events = lifeOf(apiVersion, { to: before }, { to: after, from: before })
      // The state before is known from the change itself.
      return ofSubscription([present(events[0]), present(events[2])]).filter((type) => type !== 'subscription.created')
    }
    expect(change({ ...running, ...unmarked }, { ...paused, ...marked })).toEqual([
      'subscription.paused',
      'subscription.cancelled',
    ])
    expect(change({ ...paused, ...marked }, { ...running, ...unmarked })).toEqual([
      'subscription.resumed',
      'subscription.reactivated',
    ])
    expect(change({ ...paused, ...unmarked }, { ...running, ...marked })).toEqual([
      'subscription.resumed',
      'subscription.cancelled',
    ])
    expect(change({ ...running, ...marked }, { ...paused, ...unmarked })).toEqual([
      'subscription.paused',
      'subscription.reactivated',
    ])
    expect(change({ ...running, metadata: {} }, { ...paused, metadata: { a: 'b' } })).toEqual(['subscription.paused'])
  })

  test('also where the first payment is one of them, and to every contract', () => {
    const [created, paid] = lifeOf('2025-09-30.clover', {
      to: { ...usable, ...marked },
      from: { ...incomplete, ...unmarked },
    })
    const first = { ...present(created), data: { object: { ...present(created).data.object, ...incomplete } } }
    const events = [first, present(paid)]
    expect(told(events)).toEqual(['subscription.created', 'subscription.cancelled'])
    expect(heard(story(events), 'florentin.v1').map(({ type }) => type)).toEqual([
      'subscription.purchased',
      'subscription.cancelled',
    ])
  })
})

describe('once a subscription has expired', () => {
  const ended = (at: number) => ({ status: 'canceled', ended_at: at, canceled_at: at })

  test.each(VERSIONS)('no second cancellation follows in %s', (apiVersion) => {
    const events = lifeOf(
      apiVersion,
      { type: 'deleted', to: ended(1_772_500_000) },
      { to: ended(1_772_500_009), from: { status: 'active', canceled_at: null } },
    )
    expect(ofSubscription(events)).toEqual(['subscription.created', 'subscription.cancelled', 'subscription.expired'])
    expect(ofFlorentin(events)).toEqual(['subscription.purchased', 'subscription.cancelled'])
  })

  test.each(VERSIONS)('a mark that arrives late is no second cancellation, to no contract, in %s', (apiVersion) => {
    const events = lifeOf(
      apiVersion,
      { to: { ...marked, canceled_at: 1_772_400_009 }, from: unmarked },
      { type: 'deleted', to: { ...unmarked, ...ended(1_772_500_000) } },
    )
    const late = [present(events[0]), present(events[2]), present(events[1])]
    expect(ofSubscription(late)).toEqual(['subscription.created', 'subscription.cancelled', 'subscription.expired'])
    expect(ofFlorentin(late)).toEqual(['subscription.purchased', 'subscription.cancelled'])
  })

  test.each(VERSIONS)('a late payment is told as paid and not as renewed in %s', (apiVersion) => {
    const events = simulate('renewal', { apiVersion })
    const last = present(events.findLast(({ type }) => type.startsWith('customer.subscription.')))
    const at = last.created + 60
    const deleted = {
      ...last,
      id: `${last.id}_end`,
      type: 'customer.subscription.deleted',
      created: at,
      data: { object: { ...last.data.object, ...ended(at) } },
    }
    const place = events.findLastIndex(({ type }) => type === 'invoice.paid')
    const run = story([...events.slice(0, place), deleted, ...events.slice(place)])
    const types = heard(run).map(({ type }) => type)
    expect(types.slice(-2)).toEqual(['subscription.expired', 'invoice.paid'])
    const judged = present(run.outcomes.findLast(({ type }) => type === 'invoice.paid')).judged
    expect(judged.find(({ mapping }) => mapping.name === 'flo/renewal')?.verdict).toMatchObject({
      code: 'subscription_ended',
    })
  })
})

describe('what arrives after the end of a subscription was told gives no access again', () => {
  const end = { status: 'canceled', ended_at: 1_772_500_000, canceled_at: 1_772_500_000, ...running }
  const unpaidEnd = { ...end, cancellation_details: { comment: null, feedback: null, reason: 'payment_failed' } }
  const plan = (events: readonly Json[]) => {
    const { items, quantity } = present(events[0]).data.object
    const data = items?.data.map((item: Json) => ({ ...item, quantity: 7 }))
    return items
      ? [
          { quantity: 7, items: { ...items, data } },
          { quantity, items },
        ]
      : [{ quantity: 7 }, { quantity }]
  }
  const granting: [what: string, to: Json, from: Json][] = [
    ['a first payment', usable, incomplete],
    ['a resumption', running, paused],
    ['a reactivation', unmarked, marked],
    ['a resumption with a mark for the end', { ...running, ...marked }, { ...paused, ...unmarked }],
    ['a pause with a reactivation', { ...paused, ...unmarked }, { ...running, ...marked }],
    ['a recovery', usable, { status: 'past_due' }],
  ]
  const isGranting = (type: string) => /created|resumed|reactivated|purchased|upgraded|downgraded/.test(type)

  test.each(VERSIONS)('its creation in %s', (apiVersion) => {
    for (const ended of [end, unpaidEnd]) {
      const events = lifeOf(apiVersion, { type: 'deleted', to: ended }).reverse()
      expect(ofSubscription(events).filter(isGranting)).toEqual([])
      expect(ofSubscription(events).at(-1)).toBe('subscription.expired')
      expect(ofFlorentin(events).filter(isGranting)).toEqual([])
      const codes = present(story(events).outcomes.at(-1)).judged.map(
        ({ verdict }) => verdict.kind === 'ignore' && verdict.code,
      )
      expect(codes).toEqual(['already_ended', 'already_ended'])
    }
  })

  test.each(VERSIONS)('any change in %s', (apiVersion) => {
    const [more, before] = plan(lifeOf(apiVersion))
    for (const [what, to, from] of [...granting, ['a larger plan', more, before]])
      for (const ended of [end, unpaidEnd]) {
        const life = lifeOf(apiVersion, { to, from }, { type: 'deleted', to: ended })
        const [created, changed, deleted] = life.map((event) => present(event) as Json)
        for (const events of [
          [created, deleted, changed],
          [deleted, changed, created],
          [deleted, created, changed],
        ]) {
          const place = events.indexOf(deleted)
          const run = story(events)
          const late = run.outcomes.slice(place + 1).flatMap(({ events }) => events.map(({ type }) => type))
          expect(late.filter(isGranting), `${what} after ${events.map(({ type }) => type)}`).toEqual([])
        }
      }
  })

  test('but where none was told, all is told, the end last', () => {
    const [created, paid, deleted] = lifeOf(
      '2025-09-30.clover',
      { to: usable, from: incomplete },
      { type: 'deleted', to: end },
    ).map((event) => present(event) as Json)
    const first = { ...created, data: { object: { ...created?.data.object, ...incomplete } } }
    expect(ofSubscription([first, deleted, paid] as Json[])).toEqual([
      'subscription.created',
      'subscription.cancelled',
      'subscription.expired',
    ])
    expect(ofFlorentin([first, deleted, paid] as Json[])).toEqual(['subscription.purchased', 'subscription.cancelled'])
  })
})

describe('one update that both marks a subscription for its end and ends it', () => {
  const end = { status: 'canceled', ended_at: 1_772_500_000, canceled_at: 1_772_500_000 }
  const start = { status: 'active', cancel_at_period_end: false, canceled_at: null, ended_at: null }

  test.each(VERSIONS)('is told as its cancellation, and its end where the contract has one, in %s', (apiVersion) => {
    const to = { ...end, cancel_at_period_end: true }
    const [created, updated, deleted] = lifeOf(apiVersion, { to, from: start }, { type: 'deleted', after: 0, to })
    const whole = [created, updated, deleted].map((event) => present(event) as Json)
    expect(ofSubscription(whole)).toEqual(['subscription.created', 'subscription.cancelled', 'subscription.expired'])
    expect(ofFlorentin(whole)).toEqual(['subscription.purchased', 'subscription.cancelled'])
    expect(ofFlorentin(whole.toSpliced(1, 2, ...whole.slice(1).reverse()))).toEqual([
      'subscription.purchased',
      'subscription.cancelled',
    ])
  })

  test('is no cancellation where nobody asked for it, or it was marked before', () => {
    const failed = { cancellation_details: { comment: null, feedback: null, reason: 'payment_failed' } }
    const unasked = lifeOf('2025-09-30.clover', { to: { ...end, ...failed, cancel_at_period_end: true }, from: start })
    expect(ofSubscription(unasked)).toEqual(['subscription.created', 'subscription.expired'])
    const due = lifeOf(
      '2025-09-30.clover',
      { to: marked, from: unmarked },
      { to: { ...end, ...marked }, from: { status: 'active', ended_at: null } },
    )
    expect(ofSubscription(due)).toEqual(['subscription.created', 'subscription.cancelled', 'subscription.expired'])
    expect(ofFlorentin(due)).toEqual(['subscription.purchased', 'subscription.cancelled'])
  })
})

test.each(VERSIONS)(
  'a trial that was ended early is renewed by its first paid period in %s, in either order',
  (apiVersion) => {
    const events = simulate('trial-ends-early', { apiVersion })
    expect(told(events)).toContain('subscription.renewed')
    const isRoll = ({ type }: Json) => type === 'customer.subscription.updated'
    const late = [...events.filter((event) => !isRoll(event)), ...events.filter(isRoll)]
    expect(told(late, true)).toContain('subscription.renewed')
    expect(told(simulate('interval-change', { apiVersion }), true)).not.toContain('subscription.renewed')
    expect(told(simulate('trial-pauses', { apiVersion }), true)).not.toContain('subscription.renewed')
  },
)

test.each(VERSIONS)('the invoice of a trial itself waits for no early end of it in %s', (apiVersion) => {
  for (const name of ['trial-converts', 'trial-offer', 'trial-cancels'] as const) {
    const events = simulate(name, { apiVersion })
    const inOrder = (patient: boolean) => story(events, { patient }).outcomes.map(({ eventId }) => eventId)
    expect(inOrder(true), name).toEqual(inOrder(false))
  }
})

describe('an end after a trial without a reason', () => {
  const trialEnd = 1_773_600_000
  const end = (later: number, reason: string | null = null) => {
    const to = { status: 'canceled', ended_at: trialEnd + later, canceled_at: trialEnd + later, trial_end: trialEnd }
    const events = lifeOf('2025-09-30.clover', {
      type: 'deleted',
      to: { ...to, cancellation_details: { comment: null, feedback: null, reason } },
    })
    return told(events).slice(1)
  }

  test('is natural within an hour', () => {
    for (const later of [0, 1, 59, 3600]) expect(end(later)).toEqual(['subscription.expired'])
  })

  test('is a cancellation after that, before it, or when it was asked for', () => {
    const cancelled = ['subscription.cancelled', 'subscription.expired']
    expect(end(3601)).toEqual(cancelled)
    expect(end(-1)).toEqual(cancelled)
    expect(end(60, 'cancellation_requested')).toEqual(cancelled)
  })
})

describe('an update that is rendered when the subscription has ended', () => {
  const end = { status: 'canceled', ended_at: 1_772_400_000, canceled_at: 1_772_400_000 }
  const last = (events: readonly Json[]) => present(events.at(-1))
  /** The update of a moment and the end that follows it, both as Stripe renders them then. */
  const rendered = (apiVersion: string, change: Json, from: Json) => {
    const [created] = lifeOf(apiVersion)
    const [, updated] = lifeOf(apiVersion, { after: 0, to: { ...end, ...change }, from })
    const [, deleted] = lifeOf(apiVersion, { type: 'deleted', after: 0, to: { ...end, ...change } })
    const at = (event: Json, id: string) => ({ ...present(event), id, created: end.ended_at })
    return [present(created), at(updated, 'evt_updated'), at(deleted, 'evt_deleted')]
  }

  test.each(VERSIONS)('tells no update: the end speaks, and shows what changed, in %s', (apiVersion) => {
    const events = rendered(apiVersion, { metadata: { seats: '3' } }, { metadata: { seats: null } })
    const whole = ['subscription.created', 'subscription.cancelled', 'subscription.expired']
    expect(ofSubscription(events)).toEqual(whole)
    expect(ofSubscription([...events.slice(0, 1), ...events.slice(1).reverse()])).toEqual(whole)
    const told = JSON.parse(last(heard(story(events))).body)
    expect(told.subscription.metadata).toMatchObject({ seats: '3' })
  })

  test.each(VERSIONS)('tells that it was marked for its end, to every contract, in %s', (apiVersion) => {
    const events = rendered(apiVersion, { cancel_at_period_end: true }, unmarked)
    expect(ofSubscription(events)).toEqual(['subscription.created', 'subscription.cancelled', 'subscription.expired'])
    expect(ofFlorentin(events)).toEqual(['subscription.purchased', 'subscription.cancelled'])
  })

  test.each(VERSIONS)('tells what changes after the end was told, in %s', (apiVersion) => {
    const events = lifeOf(
      apiVersion,
      { type: 'deleted', to: end },
      { to: { metadata: { a: 'b' } }, from: { metadata: { a: null } } },
    )
    expect(ofSubscription(events).at(-1)).toBe('subscription.updated')
  })
})

test.each(VERSIONS)('the deletion of a subscription never seen waits for its creation in %s', (apiVersion) => {
  const events = simulate('dunning-to-canceled', { apiVersion })
  const isEnd = ({ type }: Json) => type === 'customer.subscription.deleted'
  const ended = [...events.filter(isEnd), ...events.filter((event) => !isEnd(event))]
  const told = ofSubscription(ended, true)
  expect(told[0]).toBe('subscription.created')
  expect(told.filter((type) => type === 'subscription.expired')).toHaveLength(1)
  expect(ofSubscription(events.filter(isEnd), true).at(-1)).toBe('subscription.expired')
})

describe('an item of quantity 0 stands for a subscription', () => {
  const planOf = (...items: [price: string, amount: number, quantity: number, usage?: string][]) => {
    const [created] = lifeOf('2025-09-30.clover')
    const { object } = present(created).data
    const [item] = object.items.data
    const data = items.map(([id, amount, quantity, usage = 'licensed']) => ({
      ...item,
      id: `si_${id}`,
      quantity: usage === 'metered' ? undefined : quantity,
      price: { ...item.price, id, unit_amount: amount, recurring: { ...item.price.recurring, usage_type: usage } },
      plan: undefined,
    }))
    const event = { ...present(created), data: { object: { ...object, items: { ...object.items, data } } } }
    return JSON.parse(present(heard(story([event]))[0]).body).subscription.id
  }

  test('only where there is no other', () => {
    expect(planOf(['seats', 9900, 0], ['base', 2900, 1])).toBe('base')
    expect(planOf(['base', 2900, 1], ['seats', 9900, 0])).toBe('base')
    expect(planOf(['seats', 9900, 0], ['calls', 1, 0, 'metered'])).toBe('calls')
    expect(planOf(['seats', 9900, 0], ['rooms', 2900, 0])).toBe('seats')
    expect(planOf(['seats', 9900, 0])).toBe('seats')
  })
})
