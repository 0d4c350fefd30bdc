import { describe, expect, test } from 'vitest'
import { sharedSlots } from '../../src/deliver/queue/shared-slots.ts'

interface Holder {
  name: string
  clientId: string
  waiting: number
  inFlight: number
  slots: number
  isSlow: boolean
}

let holders = 0
/** Each of a client of its own, unless a client is named. */
const one = (name: string, waiting: number, clientId = `client ${++holders}`): Holder => ({
  ...{ name, clientId, waiting, inFlight: 0, slots: 0, isSlow: false },
})

/** Those who have something to start, with 10 in flight each at most. */
function shareSlots(max: number, slowSlots = 1000) {
  const started: Holder[] = []
  const line = sharedSlots<Holder>({
    max,
    slowSlots,
    canStart: (one) => one.waiting > 0 && one.inFlight < 10,
    startNext(one) {
      one.waiting -= 1
      one.inFlight += 1
      started.push(one)
    },
  })
  return {
    started,
    requestSlot: line.requestSlot,
    names: () => started.map(({ name }) => name).join(''),
    answered(one: Holder) {
      one.inFlight -= 1
      line.releaseSlot(one)
    },
    answeredLate(one: Holder) {
      one.inFlight -= 1
      line.releaseSlowSlot(one)
    },
    takesLong(one: Holder) {
      one.isSlow = true
      return line.moveToSlowSlot(one)
    },
  }
}

test('a long backlog and a short one start in turn', () => {
  const { requestSlot, answered, names } = shareSlots(7)
  const [long, short] = [one('l', 100), one('s', 3)]
  requestSlot(long)
  requestSlot(short)
  expect(names()).toBe('llllss')
  answered(long)
  expect(names()).toBe('llllss')
  answered(long)
  expect(names()).toBe('llllssl')
  answered(short)
  expect(names()).toBe('llllssls')
})

test('one alone gets half of the slots, and each that is given back is used at once', () => {
  const { requestSlot, answered, names } = shareSlots(6)
  const x = one('x', 9)
  requestSlot(x)
  expect(names()).toBe('xxx')
  answered(x)
  expect(names()).toBe('xxxx')
})

test('one with nothing to start leaves the line, and is met again when it is offered', () => {
  const { requestSlot, names } = shareSlots(10)
  const x = one('x', 0)
  requestSlot(x)
  x.waiting = 1
  expect(names()).toBe('')
  requestSlot(x)
  expect(names()).toBe('x')
})

describe('those that keep their slots for long', () => {
  test('leave some to whoever comes, though they are fifty', () => {
    const { requestSlot, names } = shareSlots(512)
    for (let at = 0; at < 50; at += 1) requestSlot(one('h', 1000))
    requestSlot(one('y', 3))
    expect(names()).toBe(`${'h'.repeat(500)}yyy`)
  })

  test('give them back when they step aside, and get no more than half of them from then on', () => {
    const { requestSlot, takesLong, answeredLate, answered, started } = shareSlots(64)
    const hanging = Array.from({ length: 20 }, () => one('h', 1000))
    for (const each of hanging) requestSlot(each)
    for (const each of hanging) while (each.slots > 0) takesLong(each)
    expect(hanging.map(({ inFlight }) => inFlight)).toEqual(Array(20).fill(10))
    // All end at once, and begin again.
    for (const each of hanging) while (each.inFlight > each.slots) answeredLate(each)
    expect(hanging.reduce((sum, { slots }) => sum + slots, 0)).toBeLessThanOrEqual(32)
    const healthy = one('y', 50)
    requestSlot(healthy)
    expect(healthy.inFlight).toBe(10)
    while (healthy.inFlight > 0) answered(healthy)
    expect(started.filter(({ name }) => name === 'y')).toHaveLength(50)
  })

  test('keep them when there is no room beside', () => {
    const { requestSlot, takesLong, answeredLate, names } = shareSlots(4, 1)
    const x = one('x', 9)
    requestSlot(x)
    expect(names()).toBe('xx')
    expect([takesLong(x), takesLong(x)]).toEqual([true, false])
    answeredLate(x)
    expect(takesLong(x)).toBe(true)
  })

  test('are met again when others have given slots back', () => {
    const { requestSlot, takesLong, answered, names } = shareSlots(4)
    const slow = one('s', 3)
    requestSlot(slow)
    takesLong(slow)
    takesLong(slow)
    expect(names()).toBe('sss')
    const brisk = [one('b', 1), one('b', 1)]
    for (const each of brisk) requestSlot(each)
    slow.waiting = 1
    takesLong(slow)
    expect(names()).toBe('sssbb')
    for (const each of brisk) answered(each)
    expect(names()).toBe('sssbbs')
  })

  test('are as the others again once they are answered in time', () => {
    const { requestSlot, takesLong, answered, answeredLate } = shareSlots(8)
    const x = one('x', 100)
    requestSlot(x)
    while (x.slots > 0) takesLong(x)
    while (x.inFlight > x.slots) answeredLate(x)
    expect(x.slots).toBe(2)
    x.isSlow = false
    answered(x)
    expect(x.slots).toBe(4)
  })
})

test('a client with a thousand endpoints has half of the slots, of either kind, and its endpoints take turns', () => {
  const { requestSlot, answered, takesLong, started, names } = shareSlots(16, 6)
  const many = Array.from({ length: 1_000 }, () => one('m', 1, 'many'))
  for (const endpoint of many) requestSlot(endpoint)
  expect(started.length).toBe(8)
  const other = one('o', 10)
  requestSlot(other)
  expect(names()).toBe('mmmmmmmmoooo')
  // What is slow moves to slots beside, of which the client gets half as well.
  expect(many.slice(0, 8).map(takesLong)).toEqual([true, true, true, false, false, false, false, false])
  // Whatever ends is followed by one that has waited.
  for (const endpoint of many.slice(3, 8)) answered(endpoint)
  expect(started.filter(({ name }) => name === 'm').length).toBeGreaterThanOrEqual(12)
  for (let more = 0; more < 4; more++) answered(other)
  expect(started.filter(({ name }) => name === 'o').length).toBeGreaterThanOrEqual(6)
})
