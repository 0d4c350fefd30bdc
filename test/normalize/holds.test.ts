import { beforeEach, describe, expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import type { Json } from '../../src/domain/json.ts'
import { runAtOnce } from '../../src/language/strides.ts'
import { collectLookups } from '../../src/normalize/collect-lookups.ts'
import { normalizeSourceEvent } from '../../src/normalize/normalize-event.ts'
import { noLookups } from '../../src/normalize/world/lookups.ts'
import { emptyWorld, type World } from '../../src/normalize/world/world.ts'
import { CLIENT, dueOf } from '../support/story.ts'

const HOLD_SECONDS = 10
let world: World
let serial = 0

beforeEach(() => {
  world = emptyWorld(CLIENT)
})

const raw = (type: string, object: Json): Json => {
  serial += 1
  return { id: `evt_${serial}`, type, created: 1_760_000_000 + serial, data: { object } }
}
const subscription = (metadata: Json = {}) =>
  raw('customer.subscription.created', {
    id: 'sub_1',
    object: 'subscription',
    customer: 'cus_1',
    status: 'active',
    metadata,
  })
const invoice = (id: string, fields: Json = {}) =>
  raw('invoice.created', {
    id,
    object: 'invoice',
    customer: 'cus_1',
    status: 'draft',
    parent: { subscription_details: { subscription: 'sub_1', metadata: { client_user_id: 'user_1' } } },
    ...fields,
  })

/** What becomes of an event at a second of our clock. */
function at(second: number, event: Json) {
  const due = dueOf(event)
  runAtOnce(collectLookups({ world, mappings }, due, noLookups()))
  const limits = { now: new Date(second * 1000), holdSeconds: HOLD_SECONDS }
  const { outcome } = runAtOnce(normalizeSourceEvent({ world, mappings, limits }, due))
  return outcome
}
const until = (second: number) => ({ state: 'held', heldUntil: new Date(second * 1000) })

describe('an event that misses a fact', () => {
  test('waits for the deadline of the fact, not for one of its own', () => {
    expect(at(0, invoice('in_1'))).toMatchObject({ ...until(10), heldFor: ['subscription:sub_1'] })
    expect(at(7, invoice('in_2'))).toMatchObject(until(10))
  })

  test('goes on without it at the deadline, and no other waits for it again', () => {
    const first = invoice('in_1')
    at(0, first)
    expect(at(10, first)).toMatchObject({ state: 'normalized' })
    expect(at(11, invoice('in_2'))).toMatchObject({ state: 'normalized' })
  })

  test('goes on at once when the fact has arrived', () => {
    const waiting = invoice('in_1')
    at(0, waiting)
    expect(at(1, subscription({ client_user_id: 'user_1' }))).toMatchObject({ state: 'normalized' })
    expect([...world.arrivedFacts].filter((key) => world.holds.has(key))).toHaveLength(1)
    expect(at(1, waiting)).toMatchObject({ state: 'normalized' })
  })

  test('waits for the last of several facts', () => {
    expect(at(0, subscription())).toMatchObject({ ...until(10), heldFor: ['client_user_id:cus_1'] })
    const both = invoice('in_1', { parent: { subscription_details: { subscription: 'sub_1', metadata: {} } } })
    expect(at(4, both)).toMatchObject({ ...until(14), heldFor: ['subscription:sub_1', 'client_user_id:cus_1'] })
    expect(at(10, both)).toMatchObject({ ...until(14), heldFor: ['subscription:sub_1'] })
  })

  test('leaves no trace while it waits: what it says is not known yet', () => {
    at(0, subscription())
    expect(world.objects.size).toBe(0)
    expect(at(1, invoice('in_1'))).toMatchObject({ state: 'held', heldFor: ['subscription:sub_1'] })
  })
})

describe('an event passes', () => {
  test('when all is at hand', () => {
    expect(at(0, subscription({ client_user_id: 'user_1' }))).toMatchObject({ state: 'normalized' })
    expect(at(0, invoice('in_1'))).toMatchObject({ state: 'normalized' })
  })

  test('when it makes no event, though its user is not known', () => {
    const incomplete = subscription()
    incomplete.data.object.status = 'incomplete'
    expect(at(0, incomplete)).toMatchObject({ state: 'ignored', code: 'awaiting_entitlement' })
  })

  test('when it brings what others wait for, and lets them go on', () => {
    at(0, subscription())
    const customer = { id: 'cus_1', object: 'customer', metadata: { client_user_id: 'user_1' } }
    expect(at(1, raw('customer.updated', customer))).toMatchObject({ state: 'ignored' })
    expect([...world.arrivedFacts].filter((key) => world.holds.has(key))).toHaveLength(1)
  })
})
