import { expect, test } from 'vitest'
import { combineReadiness } from '../../src/processes/readiness.ts'

const well = { isReady: true, details: { database: true, space: true, work: true } }
const lost = { isReady: false, details: { database: false, space: true, work: true } }

test('the whole is ready when each process that runs is', () => {
  expect(combineReadiness([well, well], 2)).toEqual({
    isReady: true,
    details: { database: true, space: true, work: true, processes: { wanted: 2, running: 2, silent: 0 } },
  })
  // One that is being replaced gets no request.
  expect(combineReadiness([well], 2)).toMatchObject({
    isReady: true,
    details: { processes: { wanted: 2, running: 1 } },
  })
})

test('one that lacks something, is silent, or none at all: the whole is not ready, whoever is asked', () => {
  for (const readings of [
    [well, lost],
    [lost, well],
  ])
    expect(combineReadiness(readings, 2)).toMatchObject({ isReady: false, details: { database: false, space: true } })
  expect(combineReadiness([well, null], 2)).toMatchObject({ isReady: false, details: { processes: { silent: 1 } } })
  expect(combineReadiness([], 2).isReady).toBe(false)
})

test('what a process lacks of its own is told with it, and takes no readiness', () => {
  const ownLack = { lacks: 'proxy' }
  const lacking = { isReady: true, details: { ...well.details, ownLack } }
  expect(combineReadiness([well, lacking], 2)).toMatchObject({ isReady: true, details: { ownLack } })
})
