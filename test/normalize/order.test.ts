import { describe, expect, test } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import { type Observation, placeObservation, type Snapshot } from '../../src/normalize/world/snapshots.ts'
import { previousOf } from '../support/life.ts'

let serial = 0
const subscription = (fields: Json = {}) => ({ id: 'sub_1', object: 'subscription', status: 'active', ...fields })
const invoice = (status: string, fields: Json = {}) => ({ id: 'in_1', object: 'invoice', status, ...fields })

/** An observation whose id sorts after those made before it, unless it is given. */
const observed = (
  type: string,
  created: number,
  object: Json,
  { before = null, eventId }: { before?: Json; eventId?: string | undefined } = {},
): Observation => {
  serial += 1
  const previous = before && previousOf(before, object)
  return { eventId: eventId ?? `evt_${String(serial).padStart(4, '0')}`, type, created, object, previous }
}
const updated = (created: number, before: Json, object: Json, eventId?: string) =>
  observed('customer.subscription.updated', created, object, { before, eventId })

const NOTHING_SEEN: Snapshot = { object: null, tied: [], base: [] }
const snapshotOf = (observations: readonly Observation[]) =>
  observations.reduce<Snapshot>((snapshot, one) => placeObservation(snapshot, one).snapshot, NOTHING_SEEN)
const newestOf = (observations: readonly Observation[]) => snapshotOf(observations).object

/** Every order of a few observations. */
const orders = <T>(list: T[]): T[][] =>
  list.length < 2
    ? [list]
    : list.flatMap((one, at) => orders(list.filter((_, other) => other !== at)).map((rest) => [one, ...rest]))
const inEveryOrder = (observations: Observation[], expected: Json) => {
  for (const order of orders(observations)) expect(newestOf(order)).toEqual(expected)
}

describe('the newest state of an object', () => {
  test('is that of the later second', () => {
    const [one, two, three] = [1, 2, 3].map((quantity) => subscription({ quantity }))
    inEveryOrder([updated(10, one, two), updated(20, two, three), observed('x.created', 5, one)], three)
  })

  test('is kept when an event arrives again', () => {
    const [one, two] = [1, 2].map((quantity) => subscription({ quantity }))
    const first = updated(10, subscription(), one)
    const second = updated(10, one, two)
    expect(newestOf([first, second, first, second, first])).toEqual(two)
  })

  test('is never left once it is an end, whatever the seconds say', () => {
    const gone = subscription({ status: 'canceled' })
    inEveryOrder(
      [
        observed('customer.subscription.deleted', 10, gone),
        updated(11, subscription(), subscription({ metadata: { late: 'yes' } })),
        observed('customer.subscription.created', 9, subscription()),
      ],
      gone,
    )
    inEveryOrder(
      [observed('invoice.paid', 10, invoice('paid')), observed('invoice.finalized', 11, invoice('open'))],
      invoice('paid'),
    )
  })

  test('goes from an end to a later end', () => {
    const booked = invoice('paid', { metadata: { booked: 'yes' } })
    inEveryOrder(
      [
        observed('invoice.paid', 10, invoice('paid')),
        observed('invoice.updated', 20, booked, { before: invoice('paid') }),
      ],
      booked,
    )
  })

  test('does not fall back to a draft or to a first payment that is open', () => {
    inEveryOrder(
      [observed('invoice.finalized', 10, invoice('open')), observed('invoice.created', 10, invoice('draft'))],
      invoice('open'),
    )
    const incomplete = subscription({ status: 'incomplete' })
    inEveryOrder(
      [updated(10, incomplete, subscription()), observed('customer.subscription.created', 10, incomplete)],
      subscription(),
    )
  })

  test('is that of the whole object when its deletion comes as a stub, before or after', () => {
    const known = { id: 'cus_1', object: 'customer', email: 'a@example.com' }
    const stub = { id: 'cus_1', object: 'customer', deleted: true }
    inEveryOrder([observed('customer.created', 10, known), observed('customer.deleted', 20, stub)], {
      ...known,
      deleted: true,
    })
  })
})

describe('of events within one second', () => {
  const at = (quantity: number, fields: Json = {}) => subscription({ quantity, ...fields })

  test('the one that started from the other is the later, however they arrive and are called', () => {
    for (const [a, b] of [
      ['evt_a', 'evt_b'],
      ['evt_b', 'evt_a'],
    ] as const)
      inEveryOrder([updated(10, at(1), at(2), a), updated(10, at(2), at(3), b)], at(3))
  })

  test('a chain of three ends at its end', () => {
    inEveryOrder(
      [updated(10, at(1), at(2), 'evt_c'), updated(10, at(2), at(3), 'evt_a'), updated(10, at(3), at(4), 'evt_b')],
      at(4),
    )
  })

  test('there and back ends where it began, with a state from before', () => {
    inEveryOrder(
      [
        observed('customer.subscription.created', 5, at(1)),
        updated(10, at(1), at(2), 'evt_z'),
        updated(10, at(2), at(1), 'evt_a'),
      ],
      at(1),
    )
  })

  test('there and back and there again ends there', () => {
    inEveryOrder(
      [
        observed('customer.subscription.created', 5, at(1)),
        updated(10, at(1), at(2), 'evt_c'),
        updated(10, at(2), at(1), 'evt_d'),
        updated(10, at(1), at(3), 'evt_b'),
      ],
      at(3),
    )
  })

  test('there and back ends where it began, also when another change of that state is still on its way', () => {
    const noted = { metadata: { note: 'x' } }
    inEveryOrder(
      [
        observed('customer.subscription.created', 5, at(1)),
        updated(10, at(1, noted), at(2, noted), 'evt_z'),
        updated(10, at(2, noted), at(1, noted), 'evt_a'),
      ],
      at(1, noted),
    )
  })

  test('there and back in the second of the creation ends as created', () => {
    inEveryOrder(
      [
        observed('customer.subscription.created', 10, at(1)),
        updated(10, at(1), at(2), 'evt_z'),
        updated(10, at(2), at(1), 'evt_a'),
      ],
      at(1),
    )
  })

  test('the keys that a change names decide, when something else changed in between', () => {
    const [one, two] = [at(1), at(2)]
    const last = at(2, { metadata: { note: 'x' }, latest_invoice: 'in_2' })
    inEveryOrder([updated(10, one, two, 'evt_z'), updated(10, at(2, { latest_invoice: 'in_2' }), last, 'evt_a')], last)
  })

  test('without any trace the type decides', () => {
    const paused = subscription({ status: 'paused' })
    inEveryOrder(
      [
        observed('customer.subscription.paused', 10, paused),
        observed('customer.subscription.created', 10, subscription()),
      ],
      paused,
    )
  })

  test('no more are kept than anybody sends', () => {
    const many = Array.from({ length: 200 }, (_, n) => updated(10, at(n), at(n + 1)))
    const snapshot = snapshotOf(many)
    expect(snapshot.tied.length).toBeLessThan(50)
    expect(snapshot.object).toEqual(at(200))
  })
})

describe('where an observation stands', () => {
  const known = placeObservation(
    null,
    observed('customer.subscription.deleted', 30, subscription({ status: 'canceled' })),
  ).snapshot

  test('the newest shows the newest state', () => {
    expect(placeObservation(null, observed('customer.subscription.created', 10, subscription()))).toMatchObject({
      isNewest: true,
      overturnsNewest: false,
    })
  })

  test('a late one that the newest started from has the newest judged again, an older one does not', () => {
    const before = placeObservation(known, updated(20, subscription({ quantity: 1 }), subscription({ quantity: 2 })))
    expect(before).toMatchObject({ isNewest: false, overturnsNewest: true })
    const older = placeObservation(
      before.snapshot,
      observed('customer.subscription.created', 10, subscription({ quantity: 1 })),
    )
    expect(older).toMatchObject({ isNewest: false, overturnsNewest: false })
  })

  test('a twin of the newest, of another type, is as new', () => {
    const paused = subscription({ status: 'paused' })
    const first = placeObservation(null, updated(10, subscription(), paused, 'evt_z'))
    expect(
      placeObservation(first.snapshot, observed('customer.subscription.paused', 10, paused, { eventId: 'evt_a' })),
    ).toMatchObject({
      isNewest: true,
    })
  })
})
