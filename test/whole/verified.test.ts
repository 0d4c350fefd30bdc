import { expect, test } from 'vitest'
import { demoStory } from '../../demo/story.ts'
import { CUSTOMER } from '../../demo/stripe.ts'
import { verifyDelivery } from '../../demo/verify.ts'
import { ledgerText, readLedgerReport } from '../../src/cli/ledger-report.ts'
import { flo } from '../../src/contracts/flo.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { startReceiver } from '../support/receiver.ts'
import { layWay } from '../support/way.ts'

test('a subscription from trial to end: each endpoint gets what it wants, signed in both schemes, as the contract says', async () => {
  const gateway = await startTestGateway()
  const [all, invoices] = [await startReceiver(), await startReceiver()]
  const way = await layWay(gateway.api, all.url)
  const { clientId } = way
  const { body: made } = await gateway.api('POST', '/v1/endpoints', {
    clientId,
    url: invoices.url,
    eventTypes: ['invoice.*'],
  })
  await gateway.api('PUT', '/v1/users/user_ada', { clientId, stripeCustomerId: CUSTOMER })

  const expected: string[] = []
  const steps = demoStory().flatMap(({ steps }) => steps)
  for (const { event, expect: types } of steps.filter(({ twist }) => twist !== 'forged')) {
    expect((await way.post(gateway.url, JSON.stringify(event))).status).toBe(200)
    expected.push(...types)
    // The next is sent when this one has arrived, so that the order can be compared.
    await eventually(() => all.requests.length === expected.length)
  }

  const typesAt = ({ requests }: typeof all) => requests.map(({ body }) => JSON.parse(body).eventType)
  expect(typesAt(all)).toEqual(expected)
  const wanted = expected.filter((type) => type.startsWith('invoice.'))
  await eventually(() => invoices.requests.length === wanted.length)
  expect(typesAt(invoices)).toEqual(wanted)

  for (const [{ requests }, secret] of [
    [all, way.secret],
    [invoices, made.data.secret],
  ] as const)
    for (const { bytes, body, headers } of requests) {
      expect(verifyDelivery(bytes, headers, secret)).toEqual([{ by: 'stripe' }, { by: 'standardwebhooks' }])
      const event = JSON.parse(body)
      expect(present(flo.wireSchemas[event.eventType]).safeParse(event).error?.issues ?? []).toEqual([])
      expect([event.eventId, event.user.clientUserId]).toEqual([headers['webhook-id'], 'user_ada'])
    }

  await eventually(async () => (await way.deliveries()).every(({ state }) => state === 'delivered'))
  const report = await readLedgerReport(gateway.db, { lateSeconds: 0, unsureSeconds: 0 })
  expect(ledgerText(report)).toContain('The ledger adds up.')
  expect(report.counts.deliveries).toEqual({ delivered: expected.length + wanted.length })
})
