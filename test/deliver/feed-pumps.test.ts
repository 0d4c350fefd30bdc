import { expect, test } from 'vitest'
import { chooseQueues } from '../../src/deliver/feed-pumps.ts'
import { newPump } from '../../src/deliver/queue/pump.ts'
import { createQueueLimits } from '../../src/deliver/queue/queue-limits.ts'
import { createRetryClock } from '../../src/deliver/queue/retry-clock.ts'
import { createTimeHeap } from '../../src/deliver/queue/time-heap.ts'
import { eventually } from '../support/eventually.ts'

const pumpsOf = (clientId: string, count: number) =>
  Array.from({ length: count }, (_, at) => newPump({ groupId: '', clientId, endpointId: `${clientId} ${at}` }))

test('a client with thousands of endpoints takes turns with the others, and no reading asks for more than its bounds', () => {
  const limits = createQueueLimits()
  const pumps = [...pumpsOf('big', 3_000), ...['a', 'b', 'c', 'd', 'e'].flatMap((small) => pumpsOf(small, 2))]
  for (const { clientId } of pumps) limits.countPump(clientId)
  const { wanted, isMore } = chooseQueues(pumps, limits.limitOf)
  expect(isMore).toBe(true)
  expect(wanted.length).toBeLessThanOrEqual(1_000)
  expect(wanted.reduce((sum, { query }) => sum + query.limit, 0)).toBeLessThanOrEqual(5_000 + 1_000)
  // First attempts and retries of the first endpoint of each, at the least.
  for (const clientId of ['a', 'b', 'c', 'd', 'e', 'big'])
    expect(wanted.filter(({ pump }) => pump.clientId === clientId).length).toBeGreaterThan(0)
})

test('what one reading passes over is in those that follow', () => {
  const pumps = pumpsOf('big', 1_200)
  const seen = new Set<string>()
  for (let reading = 0, isMore = true; isMore; reading += 1) {
    const chosen = chooseQueues(pumps, () => 10)
    isMore = chosen.isMore
    for (const { pump, queue } of chosen.wanted) seen.add(`${pump.endpointId} ${queue.holdsRetries}`)
    expect(reading).toBeLessThan(10)
  }
  expect(seen.size).toBe(2 * 1_200)
})

test('the heap of times gives the earliest first', () => {
  const heap = createTimeHeap<{ at: number }>()
  const times = Array.from({ length: 200 }, (_, at) => (at * 7_919) % 211)
  for (const at of times) heap.addItem({ at })
  const taken = times.map(() => heap.takeFirst()?.at)
  expect(taken).toEqual(times.toSorted((a, b) => a - b))
  expect(heap.takeFirst()).toBeUndefined()
})

test('the retry clock knows the next time of each client, and rings once for each endpoint, at its earliest', async () => {
  const rung: string[] = []
  const clock = createRetryClock({ onDue: (due) => rung.push(...due.map(({ endpointId }) => endpointId)) })
  clock.setDue({ clientId: 'a', endpointId: 'a 1' }, 3_600)
  clock.setDue({ clientId: 'a', endpointId: 'a 1' }, 0.01)
  clock.setDue({ clientId: 'a', endpointId: 'a 2' }, 7_200)
  clock.setDue({ clientId: 'b', endpointId: 'b 1' }, 0.02)
  await eventually(() => rung.length === 2)
  expect(rung.toSorted()).toEqual(['a 1', 'b 1'])
  expect(clock.secondsUntilNextOf('a')).toBeGreaterThan(3_600)
  expect(clock.secondsUntilNextOf('b')).toBeNull()
  clock.stop()
  expect(clock.isUnset()).toBe(true)
})
