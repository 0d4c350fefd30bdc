import { expect, test } from 'vitest'
import { priorStateOf } from '../../src/normalize/world/previous-attributes.ts'

test('keys that are named get their prior value back, all others stay', () => {
  expect(priorStateOf({ status: 'active', quantity: 2 }, { status: 'incomplete' })).toEqual({
    status: 'incomplete',
    quantity: 2,
  })
})

test('nested objects name only what changed in them', () => {
  const now = { cancellation_details: { comment: null, feedback: 'unused', reason: 'cancellation_requested' } }
  expect(priorStateOf(now, { cancellation_details: { feedback: null, reason: null } })).toEqual({
    cancellation_details: { comment: null, feedback: null, reason: null },
  })
})

test('an object that came or went stands whole', () => {
  const pause = { behavior: 'void', resumes_at: 5 }
  expect(priorStateOf({ pause_collection: null }, { pause_collection: pause })).toEqual({ pause_collection: pause })
  expect(priorStateOf({ pause_collection: pause }, { pause_collection: null })).toEqual({ pause_collection: null })
})

test('a swapped object is named by what differs, its id included', () => {
  const now = { plan: { id: 'gold', name: 'Gold', trial_period_days: 7 } }
  expect(priorStateOf(now, { plan: { id: 'silver', name: 'Silver' } })).toEqual({
    plan: { id: 'silver', name: 'Silver', trial_period_days: 7 },
  })
})

test('arrays stand whole, also when they were empty', () => {
  const now = { discounts: ['di_2'], lines: { data: [{ id: 'il_1', object: 'line_item' }], has_more: false } }
  expect(priorStateOf(now, { discounts: [], lines: { data: [] } })).toEqual({
    discounts: [],
    lines: { data: [], has_more: false },
  })
  expect(priorStateOf(now, { lines: [] }).lines).toEqual([])
})

test('until 2017 an array named only the elements that changed, found by their id', () => {
  const now = {
    data: [
      { id: 'il_1', object: 'line_item', amount: 10 },
      { id: 'il_2', object: 'line_item', amount: 20 },
    ],
  }
  expect(priorStateOf(now, { data: [{ id: 'il_2', amount: 15 }] }).data).toEqual([
    now.data[0],
    { ...now.data[1], amount: 15 },
  ])
})

test('a key of the metadata that was added was not there before', () => {
  expect(priorStateOf({ metadata: { a: '1', b: '2' } }, { metadata: { b: null } })).toEqual({ metadata: { a: '1' } })
})

test('metadata to which keys were added may stand whole instead', () => {
  expect(priorStateOf({ metadata: { a: '1', b: '2' } }, { metadata: { a: '1' } })).toEqual({ metadata: { a: '1' } })
  expect(priorStateOf({ metadata: { a: '1' } }, { metadata: {} })).toEqual({ metadata: {} })
})

test('a plan or quantity that changed at the top alone is that of the only item', () => {
  const plain = { id: 'si_1', object: 'subscription_item', quantity: 6 }
  const item = { ...plain, plan: { id: 'gold' }, price: { id: 'gold' } }
  const now = { object: 'subscription', quantity: 6, plan: { id: 'gold' }, items: { data: [item] } }
  expect(priorStateOf(now, { quantity: 1 }).items.data).toEqual([{ ...item, quantity: 1 }])
  expect(priorStateOf(now, { plan: { id: 'silver' } }).items.data).toEqual([{ ...plain, plan: { id: 'silver' } }])
  const two = { ...now, items: { data: [item, { id: 'si_2', quantity: 1 }] } }
  expect(priorStateOf(two, { quantity: 1 }).items).toEqual(two.items)
})

test('what is no object is no prior state', () => {
  for (const odd of [null, undefined, 'text', []]) expect(priorStateOf({ a: 1 }, odd)).toEqual({ a: 1 })
})
