import { expect, test } from 'vitest'
import { BAD, type Manner, startReceiver } from '../../torture/receiver.ts'
import { addsUpAfter, underLoad } from '../support/faults.ts'

const MANNERS: readonly Manner[] = [...BAD, 'half a body']

test('receivers that drip, reset, hang up half-way and answer late get everything in the end, and hold up nobody', async () => {
  // Half of the deliveries are treated badly at their first attempt: more would have the endpoint taken for down.
  const bad = await Promise.all(
    MANNERS.map((manner) => {
      let count = 0
      return startReceiver(({ attempt }) => (attempt === 1 && ++count % 2 === 0 ? manner : 'well'))
    }),
  )
  const setting = await underLoad({ processes: 1, perSecond: 30, bad, timeoutSeconds: 1 }, 150)
  await addsUpAfter(setting, [])

  const { steady, receivers, clientId, api } = setting
  for (const { arrivals } of steady) expect(arrivals.filter(({ attempt }) => attempt > 1)).toEqual([])
  const attempts = async (deliveryId: string) =>
    (await api('GET', `/v1/deliveries/${deliveryId}/attempts?clientId=${clientId}&order=asc`)).map(
      ({ status, error }: { status: number | null; error: string | null }) => error ?? status,
    )
  for (const [at, manner] of MANNERS.entries()) {
    const { arrivals } = receivers[steady.length + at]!
    const again = arrivals.find(({ attempt }) => attempt === 2)
    if (manner === 'half a body') expect(again).toBeUndefined()
    else expect([manner, ...(await attempts(again!.deliveryId))]).toEqual([manner, EXPECTED[manner], 200])
  }
}, 180_000)

const EXPECTED: Partial<Record<Manner, string | number>> = {
  refuse: 500,
  reset: 'connection',
  'half a head': 'connection',
  drip: 'timeout',
  late: 'timeout',
}
