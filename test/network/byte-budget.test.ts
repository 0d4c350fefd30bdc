import { expect, test } from 'vitest'
import { createByteBudget } from '../../src/network/byte-budget.ts'

test('above the budget the group that holds most loses its oldest, others nothing', () => {
  const budget = createByteBudget(100)
  const cut: string[] = []
  const hold = (group: string, name: string) => budget.hold(group, () => cut.push(name))
  const small = hold('b', 'small')
  small.add(20)
  for (const name of ['first', 'second', 'third']) hold('a', name).add(40)
  expect([cut, budget.heldBytes()]).toEqual([['first'], 100])
  small.add(1)
  expect([cut, budget.heldBytes()]).toEqual([['first', 'second'], 61])
})

test('what is kept is never cut, and counts until it is released', () => {
  const budget = createByteBudget(100)
  const cut: string[] = []
  const kept = budget.hold('a', () => cut.push('kept'))
  kept.add(90)
  kept.keep()
  const open = budget.hold('a', () => cut.push('open'))
  open.add(20)
  expect([cut, budget.heldBytes(), budget.keptBytes('a'), budget.keptBytes('b')]).toEqual([['open'], 90, 90, 0])
  open.add(5)
  kept.release()
  kept.release()
  expect([budget.heldBytes(), budget.keptBytes('a')]).toEqual([0, 0])
})
