import { expect, test } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import { addLinks } from '../../src/normalize/world/links.ts'
import { keyIn } from '../../src/normalize/world/world.ts'
import { SOURCE, storyWorld } from '../support/story.ts'

const at = { sourceId: SOURCE }

/** What is known of the lines after these sights of them, one after another. */
function linesAfter(...sights: Json[][]): Json[] {
  const world = storyWorld()
  for (const lines of sights) addLinks(world, at, [{ from: 'in_1', to: { lines } }])
  return world.objects.get(keyIn(at, 'link:in_1'))?.snapshot.object.lines
}

test('a list that grows holds each element once, whatever the order of its keys, and tells numbers from texts', () => {
  expect(
    linesAfter([{ id: 'a', amount: 1 }, 'b', 1], [{ amount: 1, id: 'a' }, '1', 1, { id: 'a', amount: 2 }]),
  ).toEqual([{ id: 'a', amount: 1 }, 'b', 1, '1', { id: 'a', amount: 2 }])
})

test('twice as many elements are twice the work', () => {
  const readsOf = (length: number) => {
    let reads = 0
    const lines = () =>
      Array.from({ length }, (_, line) => ({
        get id() {
          reads += 1
          return `il_${line}`
        },
      }))
    linesAfter(lines(), lines())
    return reads
  }
  expect(readsOf(400)).toBeLessThan(2.1 * readsOf(200))
})
