import { describe, expect, test } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import { emptyMemory, lastOccasionTime, recordOccasion } from '../../src/language/memory.ts'
import { previousOf } from '../support/life.ts'
import { heard, story } from '../support/story.ts'

const eventOf = (id: string, type: string, created: number) => ({ id, type, created })

describe('an occasion', () => {
  test('is one when two event types show it in the same second or the next, whichever comes first', () => {
    for (const order of [
      [eventOf('evt_1', 'paused', 100), eventOf('evt_2', 'updated', 101)],
      [eventOf('evt_2', 'updated', 101), eventOf('evt_1', 'paused', 100)],
    ]) {
      const memory = emptyMemory()
      const [first, second] = order.map((event) => recordOccasion(memory, 'paused', event))
      expect(second).toBe(first)
    }
  })

  test('is another one when the same type shows it again, even in the same second', () => {
    const memory = emptyMemory()
    const names = ['evt_1', 'evt_2', 'evt_3'].map((id) => recordOccasion(memory, 'paused', eventOf(id, 'updated', 100)))
    expect(new Set(names).size).toBe(3)
  })

  test('keeps its name when the same event comes again', () => {
    const memory = emptyMemory()
    const names = ['evt_1', 'evt_2'].map((id) => recordOccasion(memory, 'paused', eventOf(id, 'updated', 100)))
    const again = ['evt_1', 'evt_2'].map((id) => recordOccasion(memory, 'paused', eventOf(id, 'updated', 100)))
    expect(again).toEqual(names)
  })

  test('is another one when something else was shown, or a minute lies between', () => {
    const memory = emptyMemory()
    const names = [
      recordOccasion(memory, 'paused', eventOf('evt_1', 'updated', 100), 'two seats'),
      recordOccasion(memory, 'paused', eventOf('evt_2', 'paused', 100), 'three seats'),
      recordOccasion(memory, 'paused', eventOf('evt_3', 'paused', 160), 'two seats'),
    ]
    expect(new Set(names).size).toBe(3)
  })

  test('is remembered by its second, for what happens later', () => {
    const memory = emptyMemory()
    for (const created of [300, 100]) recordOccasion(memory, 'paused', eventOf(`evt_${created}`, 'updated', created))
    expect([99, 100, 299, 300].map((second) => lastOccasionTime(memory, 'paused', second))).toEqual([
      null,
      100,
      100,
      300,
    ])
  })
})

describe('a pause that Stripe sends twice', () => {
  const active = { id: 'sub_1', object: 'subscription', customer: 'cus_1', status: 'active', currency: 'usd' }
  const paused = { ...active, status: 'paused' }
  const raw = (id: string, [action, created]: [string, number], object: Json, before: Json = null): Json => ({
    id,
    type: `customer.subscription.${action}`,
    created,
    data: { object, ...(before ? { previous_attributes: previousOf(before, object) } : {}) },
  })
  const events = [
    raw('evt_c', ['created', 10], active),
    raw('evt_p', ['paused', 100], paused),
    raw('evt_u', ['updated', 101], paused, active),
    raw('evt_r', ['resumed', 200], active),
    raw('evt_v', ['updated', 200], active, paused),
  ]
  const typesOf = (order: number[]) => heard(story(order.map((at) => events[at]))).map(({ type }) => type)

  test.each([[[0, 1, 2, 3, 4]], [[0, 2, 1, 4, 3]]])('is one pause and one resumption, in the order %j', (order) => {
    expect(typesOf(order)).toEqual(['subscription.created', 'subscription.paused', 'subscription.resumed'])
  })

  test('is one pause and one resumption when all comes backwards', () => {
    expect(typesOf([4, 3, 2, 1, 0]).sort()).toEqual([
      'subscription.created',
      'subscription.paused',
      'subscription.resumed',
    ])
  })

  test('says since when, as long as it lasts', () => {
    const note = { ...paused, metadata: { note: 'x' } }
    const during = raw('evt_m', ['updated', 150], note, paused)
    const sent = heard(story([events[0], events[1], during, events[3]]))
    expect(sent.map(({ body }) => JSON.parse(body).subscription.pausedAt)).toEqual([
      null,
      '1970-01-01T00:01:40.000Z',
      '1970-01-01T00:01:40.000Z',
      null,
    ])
  })
})
