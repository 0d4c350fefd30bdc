import { expect, test } from 'vitest'
import { createBatcher } from '../../src/workers/batcher.ts'

/** Batches as they were flushed, items as `group number`. */
function watchedBatcher(options: Parameters<typeof createBatcher<string, string>>[1]) {
  const batches: string[][] = []
  const add = createBatcher<string, string>(async (items) => {
    batches.push(items)
    return items
  }, options)
  return { batches, add }
}
const groupOf = (item: string) => item.slice(0, 1)

test('where more has gathered than a batch takes, groups take turns, each in its order', async () => {
  const { batches, add } = watchedBatcher({ max: 4, groupOf })
  const items = ['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'b1', 'b2', 'c1']
  expect(await Promise.all(items.map(add))).toEqual(items)
  expect(batches).toEqual([['a1', 'b1', 'c1', 'a2'], ['a3', 'b2', 'a4', 'a5'], ['a6']])
})

test('an item of another group is in the next batch, however much waits before it', async () => {
  const { batches, add } = watchedBatcher({ max: 10, groupOf })
  const flood = Array.from({ length: 1_000 }, (_, at) => add(`a${at}`))
  await add('b1')
  expect(batches[0]).toContain('b1')
  await Promise.all(flood)
  expect(batches.flat().filter((item) => item.startsWith('a'))).toEqual(
    Array.from({ length: 1_000 }, (_, at) => `a${at}`),
  )
})

test('an item that is larger than a batch goes by itself', async () => {
  const { batches, add } = watchedBatcher({ max: 4, groupOf, size: (item) => item.length })
  await Promise.all(['a-very-long', 'a1', 'b1'].map(add))
  expect(batches).toEqual([['a-very-long'], ['a1', 'b1']])
})

test('after a batch of several items the next one gathers for longer than after a lone one', async () => {
  const SPACING = { spacingMs: 5, crowdedSpacingMs: 400 }
  const flushedAt: number[] = []
  const add = createBatcher(async (items: number[]) => {
    flushedAt.push(performance.now())
    return items
  }, SPACING)
  await Promise.all([1, 2, 3, 4].map(add))
  await add(5)
  await add(6)
  const [crowd = 0, first = 0] = flushedAt
  expect(first - crowd).toBeGreaterThanOrEqual(SPACING.crowdedSpacingMs - 2)
  expect(flushedAt).toHaveLength(3)
})
