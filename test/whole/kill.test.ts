import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openPool } from '../../src/database/db.ts'
import { runningPostgres } from '../../src/embedded-postgres/start.ts'
import { runCommand } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { temporaryFolder } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { call, runGateway } from '../support/program.ts'
import { startReceiver } from '../support/receiver.ts'
import { sendUntilAnswered } from '../support/send-until-answered.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { layWay } from '../support/way.ts'

const EVENTS = 2000

test('after kill -9 in the middle of 2,000 events everything that was accepted is delivered', async () => {
  const folder = await temporaryFolder()
  const [one, other] = [await startReceiver(), await startReceiver()]
  const killed = runGateway(folder)
  const url = await killed.listening()
  const key = present(killed.adminKey())
  const way = await layWay((method, path, body) => call({ url, key }, method, path, body), one.url)
  await call({ url, key }, 'POST', '/v1/endpoints', {
    clientId: way.clientId,
    url: other.url,
    eventTypes: ['subscription.*'],
  })
  const arrived = () => [...one.requests, ...other.requests]

  const unanswered = Array.from({ length: EVENTS }, () => subscriptionCreated())
  const sendTo = (gatewayUrl: string) => async (body: (typeof unanswered)[number]) =>
    (await way.post(gatewayUrl, body)).status === 200
  let dead = false
  const sending = sendUntilAnswered(unanswered, sendTo(url), () => dead)
  await eventually(() => unanswered.length < EVENTS / 2 && arrived().length > EVENTS / 5, { timeoutMs: 120_000 })
  killed.child.kill('SIGKILL')
  await killed.ended
  dead = true
  await sending

  // The database lives on: what it says now is what the gateway had recorded.
  const orphan = openPool(present(await runningPostgres(join(folder, '.flo-gateway'))))
  const { rows } = await orphan.query('select delivery_id as id from attempts')
  await orphan.end()
  const recorded = new Set(rows.map(({ id }) => id))
  const inFlight = arrived().filter(({ headers }) => !recorded.has(headers['webhook-id'])).length

  const next = runGateway(folder)
  const nextUrl = await next.listening()
  await sendUntilAnswered(unanswered, sendTo(nextUrl))
  expect(unanswered).toEqual([])
  const ids = () => new Set(arrived().map(({ headers }) => headers['webhook-id'] as string))
  await eventually(() => ids().size === 2 * EVENTS, { timeoutMs: 120_000 })
  await eventually(async () => {
    const { body } = await call(
      { url: nextUrl, key },
      'GET',
      `/v1/deliveries?clientId=${way.clientId}&state=pending&limit=1`,
    )
    return body.data.length === 0
  })

  const twice = arrived().length - ids().size
  console.log(`at the kill ${inFlight} deliveries were sent and not yet recorded: ${twice} of ${2 * EVENTS} came twice`)
  expect(twice).toBeLessThanOrEqual(inFlight)
  const counts = new Map<string, number>()
  for (const { headers } of arrived()) {
    const id = headers['webhook-id'] as string
    counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  expect([...counts].filter(([id, count]) => count > 1 && recorded.has(id))).toEqual([])

  const ledger = await runCommand('ledger', folder)
  console.log(ledger.stdout)
  expect(ledger).toMatchObject({ code: 0, stderr: '' })
  expect(ledger.stdout).toMatch(/source events +2000 +normalized 2000\n/)
  expect(ledger.stdout).toMatch(/deliveries +4000 +delivered 4000\n/)
})
