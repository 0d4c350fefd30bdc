import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { floWebhook } from '../../sdk/src/express.ts'
import type { Delivery, FloEvent } from '../../sdk/src/index.ts'
import { afterwards } from '../support/afterwards.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { layWay } from '../support/way.ts'

test('a real gateway and the SDK: a handler that throws gets the delivery again, a wrong secret shows on the attempt', async () => {
  const gateway = await startTestGateway()
  const webhooks: RequestListener[] = []
  const server = createServer((request, response) =>
    present(webhooks[Number(request.headers['flo-delivery-attempt']) - 1])(request, response),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterwards(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const way = await layWay(gateway.api, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const { body: rotated } = await gateway.api('POST', `/v1/endpoints/${way.endpointId}/secret/rotate`, {})
  await gateway.api('PATCH', `/v1/endpoints/${way.endpointId}`, { retrySchedule: [1, 1] })

  const seen: Delivery<FloEvent>[] = []
  const startReceiving = (secret: string) =>
    floWebhook({
      secret,
      handler(_, delivery) {
        seen.push(delivery)
        if (delivery.attempt === 2) throw new Error('not today')
      },
      onError: () => {},
    })
  // The sender rotates and signs with two secrets; the receiver first knows neither, then the older one, then the newer one.
  const foreign = `flo_whsec_${Buffer.alloc(32).toString('base64')}`
  webhooks.push(startReceiving(foreign), startReceiving(way.secret), startReceiving(rotated.data.secret))
  expect((await way.post(gateway.url, subscriptionCreated())).status).toBe(200)

  const [delivery] = await eventually(async () => {
    const deliveries = await way.deliveries()
    return deliveries[0]?.state === 'delivered' && deliveries
  })
  expect(seen.map(({ deliveryId, attempt }) => [deliveryId, attempt])).toEqual([
    [delivery.id, 2],
    [delivery.id, 3],
  ])
  expect(present(seen[0]).event).toEqual(present(seen[1]).event)
  expect(present(seen[0]).event.eventType).toBe('subscription.created')
  const { body: attempts } = await gateway.api('GET', `/v1/deliveries/${delivery.id}/attempts`)
  const reasons = attempts.data.map(
    (attempt: object) => /signature_invalid|handler_failed/.exec(JSON.stringify(attempt))?.[0],
  )
  expect(reasons).toEqual([undefined, 'handler_failed', 'signature_invalid'])
})
