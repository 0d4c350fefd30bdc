import { describe, expect, test } from 'vitest'
import { sharedSlots } from '../../src/deliver/queue/shared-slots.ts'

interface One {
  name: string
  waiting: number
  inFlight: number
  places: number
  slow: boolean
}

const one = (name: string, waiting: number): One => ({ name, waiting, inFlight: 0, places: 0, slow: false })

/** Those who have something to start, with 10 in flight each at most. */
function shared(max: number, aside = 1000) {
  const started: One[] = []
  const line = sharedSlots<One>({
    max,
    slowSlots: aside,
    canStart: (one) => one.waiting > 0 && one.inFlight < 10,
    startNext(one) {
      one.waiting -= 1
      one.inFlight += 1
      started.push(one)
    },
  })
  return {
    started,
    offer: line.offer,
    names: () => started.map(({ name }) => name).join(''),
    answered(one: One) {
      one.inFlight -= 1
      line.freed(one)
    },
    answeredLate(one: One) {
      one.inFlight -= 1
      line.releaseSlowSlot(one)
    },
    takesLong(one: One) {
      one.slow = true
      return line.moveToSlowSlot(one)
    },
  }
}

test('a long backlog and a short one start in turn', () => {
  const { offer, answered, names } = shared(7)
  const [long, short] = [one('l', 100), one('s', 3)]
  offer(long)
  offer(short)
  expect(names()).toBe('llllss')
  answered(long)
  expect(names()).toBe('llllss')
  answered(long)
  expect(names()).toBe('llllssl')
  answered(short)
  expect(names()).toBe('llllssls')
})

test('one alone gets half of the places, and each that is given back is used at once', () => {
  const { offer, answered, names } = shared(6)
  const x = one('x', 9)
  offer(x)
  expect(names()).toBe('xxx')
  answered(x)
  expect(names()).toBe('xxxx')
})

test('one with nothing to start leaves the line, and is met again when it is offered', () => {
  const { offer, names } = shared(10)
  const x = one('x', 0)
  offer(x)
  x.waiting = 1
  expect(names()).toBe('')
  offer(x)
  expect(names()).toBe('x')
})

describe('those that keep their places for long', () => {
  test('leave some to whoever comes, though they are fifty', () => {
    const { offer, names } = shared(512)
    for (let at = 0; at < 50; at += 1) offer(one('h', 1000))
    offer(one('y', 3))
    expect(names()).toBe(`${'h'.repeat(500)}yyy`)
  })

  test('give them back when they step aside, and get no more than half of them from then on', () => {
    const { offer, takesLong, answeredLate, answered, started } = shared(64)
    const hanging = Array.from({ length: 20 }, () => one('h', 1000))
    for (const each of hanging) offer(each)
    for (const each of hanging) while (each.places > 0) takesLong(each)
    expect(hanging.map(({ inFlight }) => inFlight)).toEqual(Array(20).fill(10))
    // All end at once, and begin again.
    for (const each of hanging) while (each.inFlight > each.places) answeredLate(each)
    expect(hanging.reduce((sum, { places }) => sum + places, 0)).toBeLessThanOrEqual(32)
    const healthy = one('y', 50)
    offer(healthy)
    expect(healthy.inFlight).toBe(10)
    while (healthy.inFlight > 0) answered(healthy)
    expect(started.filter(({ name }) => name === 'y')).toHaveLength(50)
  })

  test('keep them when there is no room beside', () => {
    const { offer, takesLong, answeredLate, names } = shared(4, 1)
    const x = one('x', 9)
    offer(x)
    expect(names()).toBe('xx')
    expect([takesLong(x), takesLong(x)]).toEqual([true, false])
    answeredLate(x)
    expect(takesLong(x)).toBe(true)
  })

  test('are met again when others have given places back', () => {
    const { offer, takesLong, answered, names } = shared(4)
    const slow = one('s', 3)
    offer(slow)
    takesLong(slow)
    takesLong(slow)
    expect(names()).toBe('sss')
    const brisk = [one('b', 1), one('b', 1)]
    for (const each of brisk) offer(each)
    slow.waiting = 1
    takesLong(slow)
    expect(names()).toBe('sssbb')
    for (const each of brisk) answered(each)
    expect(names()).toBe('sssbbs')
  })

  test('are as the others again once they are answered in time', () => {
    const { offer, takesLong, answered, answeredLate } = shared(8)
    const x = one('x', 100)
    offer(x)
    while (x.places > 0) takesLong(x)
    while (x.inFlight > x.places) answeredLate(x)
    expect(x.places).toBe(2)
    x.slow = false
    answered(x)
    expect(x.places).toBe(4)
  })
})
