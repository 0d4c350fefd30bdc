import { expect, test } from 'vitest'
import { clientOfName } from '../../torture/names.ts'
import { type AnswerManner, type Arrival, BAD, startReceiver } from '../../torture/receiver.ts'
import { addsUpAfter, underLoad } from '../support/faults.ts'
import { present } from '../support/present.ts'

const MANNERS: readonly AnswerManner[] = [...BAD, 'half a body']

test('receivers that drip, reset, hang up half-way and answer late get everything in the end, and hold up nobody', async () => {
  // Half of the deliveries are treated badly at their first attempt: more would have the endpoint taken for down.
  const bad = await Promise.all(
    MANNERS.map((manner) => {
      // By delivery: what a kept connection loses is sent once more at once, and is treated alike.
      const seen = new Map<string, boolean>()
      return startReceiver(({ attempt, deliveryId }) => {
        if (!seen.has(deliveryId)) seen.set(deliveryId, seen.size % 2 === 1)
        return attempt === 1 && seen.get(deliveryId) ? manner : 'well'
      })
    }),
  )
  const setting = await underLoad({ processes: 1, perSecond: 30, bad, badTimeoutSeconds: 1 }, 150)
  await addsUpAfter(setting, [])

  const { steady, receivers, clients, api } = setting
  for (const { arrivals } of steady) expect(arrivals.filter(({ attempt }) => attempt > 1)).toEqual([])
  const attempts = async ({ deliveryId, user }: Arrival) => {
    const client = clients.find(({ number }) => number === clientOfName(user))
    const list = await api('GET', `/v1/deliveries/${deliveryId}/attempts?clientId=${client?.id}&order=asc`)
    return list.map(({ status, error }: { status: number | null; error: string | null }) => error ?? status)
  }
  for (const [at, manner] of MANNERS.entries()) {
    const { arrivals } = present(receivers[steady.length + at])
    const again = arrivals.filter(({ attempt }) => attempt === 2)
    const lists = []
    for (const arrival of again) lists.push(await attempts(arrival))
    // On a busy machine any attempt may end with a time-out, and is made again.
    if (manner === 'half a body') expect(lists.filter(([first]) => first !== 'timeout')).toEqual([])
    else expect(lists, manner).toContainEqual([EXPECTED[manner], 200])
  }
})

const EXPECTED: Partial<Record<AnswerManner, string | number>> = {
  refuse: 500,
  reset: 'connection',
  'half a head': 'connection',
  drip: 'timeout',
  late: 'timeout',
}
