import { expect, test } from 'vitest'
import { turns } from '../src/deliver/turns.ts'

interface One {
  name: string
  waiting: number
}

function shared(max: number) {
  const started: One[] = []
  const line = turns<One>({
    max,
    startable: (one) => one.waiting > 0,
    start(one) {
      one.waiting -= 1
      started.push(one)
    },
  })
  return { ...line, names: () => started.map(({ name }) => name).join('') }
}

test('a long backlog and a short one start in turn', () => {
  const { offer, freed, names } = shared(2)
  const [long, short] = [
    { name: 'l', waiting: 100 },
    { name: 's', waiting: 2 },
  ]
  offer(long)
  offer(short)
  for (let at = 0; at < 4; at += 1) freed(long)
  expect(names()).toBe('lllsls')
})

test('no more than the places there are start, and each place that is given back is used at once', () => {
  const { offer, freed, names } = shared(3)
  const one = { name: 'x', waiting: 5 }
  offer(one)
  expect(names()).toBe('xxx')
  freed(one)
  expect(names()).toBe('xxxx')
})

test('one with nothing to start leaves the line, and is met again when it is offered', () => {
  const { offer, names } = shared(10)
  const one = { name: 'x', waiting: 0 }
  offer(one)
  one.waiting = 1
  expect(names()).toBe('')
  offer(one)
  expect(names()).toBe('x')
})
