import { expect, test } from 'vitest'
import { createFairSlots } from '../../src/workers/fair-slots.ts'
import { eventually } from '../support/eventually.ts'

/** Slots whose work ends when the test says so. */
function watchedSlots(options: Parameters<typeof createFairSlots>[0]) {
  const slots = createFairSlots(options)
  const started: string[] = []
  const ends: (() => void)[] = []
  const ask = (group: string) =>
    slots.run(group, () => {
      started.push(group)
      return new Promise<void>((resolve) => ends.push(resolve))
    })
  const endOne = async () => {
    ends.shift()?.()
    await new Promise(setImmediate)
  }
  return { slots, started, ask, endOne }
}

test('groups take turns, whoever asked for how much', async () => {
  const { started, ask, endOne } = watchedSlots({ max: 2, perGroup: 2 })
  for (let more = 0; more < 10; more++) void ask('a')
  for (const group of ['b', 'c']) for (let more = 0; more < 2; more++) void ask(group)
  await new Promise(setImmediate)
  for (let more = 0; more < 6; more++) await endOne()
  expect(started.toSorted()).toEqual(['a', 'a', 'a', 'a', 'b', 'b', 'c', 'c'])
})

test('one group never has more than its share, also when nobody else asks', async () => {
  const { slots, started, ask, endOne } = watchedSlots({ max: 4, perGroup: 2 })
  for (let more = 0; more < 10; more++) void ask('a')
  await new Promise(setImmediate)
  expect(started).toEqual(['a', 'a'])
  void ask('b')
  await endOne()
  expect([started, slots.counts()]).toEqual([['a', 'a', 'b', 'a'], { running: 3, waiting: 7 }])
})

test('who waits for too much, or too long, is refused, and others are not', async () => {
  const { started, ask, endOne } = watchedSlots({ max: 1, perGroup: 1, waitingPerGroup: 2, waitingMs: 50 })
  void ask('a')
  const waiting = [ask('a'), ask('a')].map((asked) => asked.catch((error) => String(error)))
  await expect(ask('a')).rejects.toThrow('Too much waits')
  expect(await Promise.all(waiting)).toEqual([expect.any(String), expect.any(String)])
  void ask('b')
  await endOne()
  expect(started).toEqual(['a', 'b'])
})

test('who has kept the process busy waits before its next turn, and nobody else does', async () => {
  const { slots, started, ask } = watchedSlots({ max: 4, perGroup: 4 })
  slots.charge('a', 5_000)
  void ask('a')
  void ask('b')
  await new Promise(setImmediate)
  expect([started, slots.counts()]).toEqual([['b'], { running: 1, waiting: 1 }])
  await eventually(() => expect(started).toEqual(['b', 'a']))
})

test('work that fails gives its slot back', async () => {
  const slots = createFairSlots({ max: 1, perGroup: 1 })
  await expect(slots.run('a', () => Promise.reject(new Error('broke')))).rejects.toThrow('broke')
  expect(await slots.run('a', async () => 'next')).toBe('next')
  expect(slots.counts()).toEqual({ running: 0, waiting: 0 })
})
