import { describe, expect, test } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import { type Observation, packSnapshot, placeObservation, type Snapshot } from '../../src/normalize/world/snapshots.ts'
import { story } from '../support/story.ts'

/** An object that counts how often all of its keys are walked through. */
function countWalks<T extends object>(plain: T) {
  let walks = 0
  const counted = new Proxy(plain, {
    ownKeys(target) {
      walks += 1
      return Reflect.ownKeys(target)
    },
  })
  return { counted, walks: () => walks }
}

const subscription = (metadata: Json, fields: Json = {}) => ({
  ...{ id: 'sub_1', object: 'subscription', customer: 'cus_1', status: 'active', currency: 'usd', metadata },
  items: {
    object: 'list',
    data: [
      {
        ...{ id: 'si_1', object: 'subscription_item', quantity: 1 },
        price: { id: 'price_1', object: 'price', unit_amount: 2900, currency: 'usd', type: 'recurring' },
      },
    ],
  },
  ...fields,
})

test('metadata is walked through a few times, however many contracts, news and bodies read it', () => {
  const texts = { client_user_id: 'user_1', note: 'x' }
  const states = [texts, texts, { ...texts, added: 'y' }].map((metadata) => countWalks(metadata))
  const [created, changed, added] = states.map(({ counted }, at) =>
    subscription(counted, at === 0 ? {} : { status: 'past_due' }),
  )
  const event = (at: number, kind: string, object: Json, previous: Json = undefined) => ({
    ...{ id: `evt_${at}`, object: 'event', type: `customer.subscription.${kind}`, created: 1_760_000_000 + at },
    data: { object, ...(previous && { previous_attributes: previous }) },
  })
  const { events } = story([
    event(1, 'created', created),
    event(2, 'updated', changed, { status: 'active' }),
    event(3, 'updated', added, { metadata: { added: null } }),
  ])
  expect(events.length).toBeGreaterThan(3)
  for (const { walks } of states) expect(walks()).toBeLessThan(8)
})

describe('states of one second', () => {
  const SECOND = 1_760_000_000
  const tie = (at: number, metadata: Json, previous: Json = { metadata: { step: String(at - 1) } }): Observation => ({
    ...{ eventId: `evt_${String(at).padStart(3, '0')}`, type: 'customer.subscription.updated', created: SECOND },
    object: subscription(metadata),
    previous,
  })
  const placeAll = (observations: readonly Observation[]) =>
    observations.reduce<Snapshot | null>((known, one) => placeObservation(known, one).snapshot, null)

  test('are each walked through a few times, though every one is compared with every other', () => {
    const states = Array.from({ length: 24 }, (_, at) => countWalks({ note: 'the same', step: String(at) }))
    const snapshot = placeAll(states.map(({ counted }, at) => tie(at, counted)))
    expect(snapshot?.tied).toHaveLength(24)
    expect(snapshot?.object.metadata.step).toBe('23')
    for (const { walks } of states) expect(walks()).toBeLessThan(8)
  })

  test('are the same whatever the order of their keys', () => {
    const [one, other] = [
      { a: '1', b: { c: [1, { d: 2, e: null }] } },
      { b: { c: [1, { e: null, d: 2 }] }, a: '1' },
    ]
    const start = { a: '0' }
    const snapshot = placeAll([
      { ...tie(3, start, null), type: 'customer.subscription.created' },
      tie(2, one, { metadata: start }),
      // It goes on from the state before, as that is written.
      tie(1, { a: '2' }, { metadata: other }),
    ])
    expect(snapshot?.object.metadata).toEqual({ a: '2' })
  })

  test('are kept as many as are not too long together, the last two at least', () => {
    const large = (at: number, chars: number) => tie(at, { step: String(at), note: 'x'.repeat(chars) })
    const many = placeAll(Array.from({ length: 12 }, (_, at) => large(at, 200_000)))
    expect(many?.tied.map(({ eventId }) => eventId)).toEqual(['evt_007', 'evt_008', 'evt_009', 'evt_010', 'evt_011'])
    expect(many?.object.metadata.step).toBe('11')
    const huge = placeAll(Array.from({ length: 4 }, (_, at) => large(at, 900_000)))
    expect(huge?.tied).toHaveLength(2)
    expect(huge?.object.metadata.step).toBe('3')
    expect(JSON.stringify(many && packSnapshot(many)).length).toBeLessThan(2.5 * 1024 * 1024)
  })
})
