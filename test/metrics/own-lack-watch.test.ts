import { expect, test, vi } from 'vitest'
import { newLog } from '../../src/log.ts'
import { watchOwnLack } from '../../src/metrics/own-lack-watch.ts'
import type { EndedAttempt } from '../../src/watch.ts'
import { afterwards } from '../support/afterwards.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { startTestGateway } from '../support/gateway.ts'
import { tryingClient } from '../support/trying.ts'

/** A watch by a clock of the test's own, and what it has logged. */
function startWatch() {
  let at = 0
  const said: string[] = []
  const log = newLog('silent')
  for (const level of ['info', 'error'] as const)
    log[level] = (_: object, text?: string) => void said.push(String(text))
  const { watch, readOwnLack } = watchOwnLack({ log, now: () => at })
  return {
    said,
    readOwnLack,
    endAfter(seconds: number, outcome: string) {
      at += 1000 * seconds
      watch.onAttemptEnded?.({ outcome } as EndedAttempt)
    },
    wait(seconds: number) {
      at += 1000 * seconds
    },
  }
}

test('what lacks for a minute is told, once, until there has been none for two', () => {
  const { endAfter, wait, readOwnLack, said } = startWatch()
  endAfter(0, 'gateway')
  endAfter(59, 'gateway')
  expect([readOwnLack(), said]).toEqual([null, []])
  endAfter(1, 'proxy')
  endAfter(10, 'gateway')
  const lack = { lacks: 'gateway', since: new Date(0), lastAt: new Date(70_000) }
  expect(readOwnLack()).toEqual(lack)
  wait(119)
  expect(readOwnLack()).toEqual(lack)
  wait(1)
  expect(readOwnLack()).toBeNull()
  expect(said).toEqual(['delivery.own_lack_lasts', 'delivery.own_lack_over'])
})

test('what succeeds meanwhile does not end it, what fails of itself is none, and what passes soon is never told', () => {
  const { endAfter, readOwnLack, said } = startWatch()
  for (const outcome of ['timeout', 'dns', 'connection', 'refused', 'delivered']) endAfter(61, outcome)
  endAfter(0, 'gateway')
  endAfter(121, 'gateway')
  expect([readOwnLack(), said]).toEqual([null, []])
  endAfter(30, 'delivered')
  endAfter(30, 'gateway')
  expect(readOwnLack()).toMatchObject({ lacks: 'gateway' })
})

test('/readyz says it, and stays ready: webhooks are taken in', async () => {
  const gateway = await startTestGateway({ FLO_EGRESS_PROXY: `http://127.0.0.1:${await freePort()}` })
  const { newEndpoint, send, attempts } = await tryingClient(gateway.api)
  const { id } = await newEndpoint({ url: 'https://hooks.example/' })
  const endAttempt = async () => {
    const deliveryId = await send(id)
    await eventually(async () => expect(await attempts(deliveryId)).not.toHaveLength(0))
  }
  await endAttempt()
  const later = Date.now() + 61_000
  const clock = vi.spyOn(Date, 'now').mockReturnValue(later)
  afterwards(async () => clock.mockRestore())
  await endAttempt()
  clock.mockRestore()
  const { status, body } = await gateway.api('GET', '/readyz')
  expect(status).toBe(200)
  expect(body.details).toMatchObject({ database: true, ownLack: { lacks: 'proxy' } })
})
