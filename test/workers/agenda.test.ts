import { afterEach, expect, test, vi } from 'vitest'
import { createAgenda } from '../../src/workers/agenda.ts'

afterEach(() => void vi.useRealTimers())

function newAgenda() {
  vi.useFakeTimers()
  const due: string[][] = []
  return { due, agenda: createAgenda(Date.now, (keys) => void due.push(keys.toSorted())) }
}

test('ten thousand keys whose moments lie close together take one timer, and come due together', () => {
  const { due, agenda } = newAgenda()
  const start = Math.ceil(Date.now() / 1000) * 1000
  for (let key = 0; key < 10_000; key += 1) agenda.setMoment(`${key}`, start + 1000 + (key % 10) / 10, 250)
  expect(vi.getTimerCount()).toBeLessThanOrEqual(2)
  vi.advanceTimersByTime(5000)
  expect(due.flat()).toHaveLength(10_000)
  expect(due.length).toBeLessThanOrEqual(2)
  expect(vi.getTimerCount()).toBe(0)
})

test('no key comes due before its moment, and one that is moved or cancelled not at the old one', () => {
  const { due, agenda } = newAgenda()
  const at = Date.now() + 500
  agenda.setMoment('a', at)
  agenda.setMoment('b', at)
  agenda.setMoment('c', at)
  agenda.setMoment('b', at + 500)
  agenda.cancelMoment('c')
  vi.advanceTimersByTime(499)
  expect(due).toEqual([])
  vi.advanceTimersByTime(100)
  expect(due).toEqual([['a']])
  vi.advanceTimersByTime(500)
  expect(due).toEqual([['a'], ['b']])
  expect(vi.getTimerCount()).toBe(0)
})

test('a moment that has passed comes due soon, and one that lies years ahead does not', () => {
  const { due, agenda } = newAgenda()
  agenda.setMoment('past', Date.now() - 60_000)
  agenda.setMoment('far', Date.now() + 400 * 86_400_000)
  vi.advanceTimersByTime(60_000)
  expect(due).toEqual([['past']])
  agenda.cancelAll()
  expect(vi.getTimerCount()).toBe(0)
})
