import { expect, test } from 'vitest'
import type { DueDelivery } from '../../src/deliver/queue/due-deliveries.ts'
import { hasWaiting, newPump, takeNextWaiting } from '../../src/deliver/queue/pump.ts'
import { LEAST_ID } from '../../src/domain/ids.ts'

const waiting = (id: string, attempts: number): DueDelivery => ({
  clientId: LEAST_ID,
  id,
  attempts,
  eventId: LEAST_ID,
  eventType: 'subscription.created',
  origin: LEAST_ID,
  excused: 0,
  isFirstOfUser: true,
  readAt: 0,
  readOrder: 0,
})

test.each([
  ['a few first attempts beside many retries', 'abc', 'stuvwxyz', 'asbtcuvwxyz'],
  ['a few retries beside many first attempts', 'abcdefgh', 'st', 'asbtcdefgh'],
  ['first attempts alone', 'abc', '', 'abc'],
  ['retries alone', '', 'stu', 'stu'],
])('a pump takes turns between first attempts and retries: %s', (...[, firstAttempts, retries, started]) => {
  const pump = newPump({ groupId: '', clientId: LEAST_ID, endpointId: LEAST_ID })
  pump.firstAttempts.waiting = [...firstAttempts].map((id) => waiting(id, 0))
  pump.retries.waiting = [...retries].map((id) => waiting(id, 1))
  let order = ''
  while (hasWaiting(pump)) order += takeNextWaiting(pump).id
  expect(order).toBe(started)
})
