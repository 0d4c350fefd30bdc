import { expect, test } from 'vitest'
import { endpointsOf, gatewayOnClock } from '../support/endpoint-life.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'

const SUCCESSES = 3000
/** Fifty in a row open it, and as many may be under way as are missing to that; many times more was sent without. */
const MOST_ATTEMPTS = 200

test('an endpoint that dies after thousands of successes gets few attempts before its breaker opens', async () => {
  const { newEndpoint, become } = await endpointsOf(await gatewayOnClock())
  const receiver = await startReceiver({})
  const endpoint = await newEndpoint(receiver.url, { retrySchedule: [86_400], maxInFlight: 50 })
  await become('delivered', await endpoint.send(SUCCESSES))
  receiver.behave({ status: 500 })
  const before = receiver.requests.length
  await endpoint.send(SUCCESSES)
  await eventually(async () => (await endpoint.shown()).breaker.state === 'open', { timeoutMs: 60_000 })
  const attempts = receiver.requests.length - before
  expect(attempts).toBeGreaterThanOrEqual(50)
  expect(attempts).toBeLessThan(MOST_ATTEMPTS)
})
