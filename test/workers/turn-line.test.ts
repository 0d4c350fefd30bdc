import { expect, test } from 'vitest'
import { createTurnLine } from '../../src/workers/turn-line.ts'
import { createTurnPlaces } from '../../src/workers/turn-places.ts'
import { eventually } from '../support/eventually.ts'

const everyGroup = () => true

test('where more wait than a turn holds, nobody has a second turn before all have had one', () => {
  const line = createTurnLine({ most: 250, isApart: () => false })
  const clients = Array.from({ length: 700 }, (_, at) => `client ${at}`)
  for (const clientId of clients) line.addClient('', clientId)
  const counts = new Map(clients.map((clientId) => [clientId, 0]))
  for (let turns = 0; turns < 50; turns += 1) {
    const clientIds = line.takeTurn(everyGroup)?.clientIds ?? []
    expect(clientIds).toHaveLength(250)
    for (const clientId of clientIds) {
      counts.set(clientId, (counts.get(clientId) ?? 0) + 1)
      line.addClient('', clientId)
    }
    expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(1)
  }
  expect(line.countWaiting()).toBe(700)
})

test('groups follow one another, and one that may not run is passed over', () => {
  const line = createTurnLine({ most: 2, isApart: () => false })
  for (const clientId of ['a1', 'a2', 'a3', 'a4', 'a5']) line.addClient('a', clientId)
  line.addClient('b', 'b1')
  line.addClient('c', 'c1')
  const taken = Array.from({ length: 5 }, () => line.takeTurn((group) => group !== 'b')?.clientIds)
  expect(taken).toEqual([['a1', 'a2'], ['c1'], ['a3', 'a4'], ['a5'], undefined])
  expect(line.takeTurn(everyGroup)?.clientIds).toEqual(['b1'])
})

test('one that has to be by itself is in no turn of others', () => {
  const line = createTurnLine({ most: 10, isApart: (clientId) => clientId.startsWith('bad') })
  for (const clientId of ['a', 'bad 1', 'b', 'bad 2', 'c']) line.addClient('', clientId)
  const taken = Array.from({ length: 4 }, () => line.takeTurn(everyGroup)?.clientIds)
  expect(taken).toEqual([['a', 'b', 'c'], ['bad 1'], ['bad 2'], undefined])
})

test('turns that were put together come first and stay together', () => {
  const line = createTurnLine({ most: 10, isApart: () => false })
  line.addClient('', 'a')
  line.addTurn({ group: '', clientIds: ['b', 'c'] })
  line.addTurn({ group: '', clientIds: ['d'], isRelease: true })
  expect(line.countWaiting()).toBe(3)
  expect(Array.from({ length: 3 }, () => line.takeTurn(everyGroup)?.clientIds)).toEqual([['b', 'c'], ['d'], ['a']])
})

test('a slow turn gives its place to another, as long as few are slow', async () => {
  let freed = 0
  const places = createTurnPlaces({ all: 2, ofGroup: 1, slow: 1, slowAfterMs: 20, onFree: () => freed++ })
  const leaveFirst = places.takePlace('a')
  const leaveSecond = places.takePlace('b')
  expect([places.isFree(), places.isFreeFor('a'), places.isFreeFor('c')]).toEqual([false, false, true])
  await eventually(() => freed === 1)
  expect([places.isFree(), places.isFreeFor('a'), places.isFreeFor('b')]).toEqual([true, true, false])
  leaveSecond()
  leaveFirst()
  expect([freed, places.isFreeFor('b')]).toEqual([2, true])
})
