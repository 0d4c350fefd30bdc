import { expect, test } from 'vitest'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { environment, startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { call, runGateway } from '../support/program.ts'
import { startReceiver } from '../support/receiver.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { layWay } from '../support/way.ts'

const { url } = await freshDatabase()

test('what a killed process had under way goes on in another within 10 seconds', async () => {
  const receiver = await startReceiver((_request, count) => (count <= 3 ? { hang: 'headers' } : {}))
  const env = environment(url)
  const doomed = runGateway(await temporaryFolder(), env)
  const doomedUrl = await doomed.listening()
  const api = (method: string, path: string, body?: unknown) =>
    call({ url: doomedUrl, key: env.FLO_ADMIN_KEY }, method, path, body)
  const way = await layWay(api, receiver.url)
  for (let sent = 0; sent < 3; sent += 1) await way.post(doomedUrl, subscriptionCreated())
  await eventually(() => receiver.requests.length === 3)
  // Started when the doomed one holds the endpoint already.
  const survivor = await startTestGateway({ DATABASE_URL: url })
  const { rows: holders } = await survivor.db.query(
    `select distinct pid from leases join workers on workers.id = worker_id where unit like 'endpoint:%'`,
  )
  expect(holders).toEqual([{ pid: doomed.child.pid }])

  doomed.child.kill('SIGKILL')

  const isDelivered = async () => {
    const { body } = await survivor.api('GET', `/v1/deliveries?clientId=${way.clientId}`)
    return body.data.every(({ state }: { state: string }) => state === 'delivered')
  }
  await eventually(isDelivered, { timeoutMs: 10_000 })
  const ids = receiver.requests.map(({ body }) => JSON.parse(body).eventId)
  expect(ids.slice(3).toSorted()).toEqual(ids.slice(0, 3).toSorted())
})

test('a gateway that starts later finishes what was left behind', async () => {
  const receiver = await startReceiver((_request, count) => (count === 1 ? { hang: 'headers' } : {}))
  const doomed = runGateway(await temporaryFolder(), environment(url))
  const doomedUrl = await doomed.listening()
  const api = await startTestGateway({ DATABASE_URL: url, FLO_ROLES: 'api' })
  const way = await layWay(api.api, receiver.url)
  await way.post(doomedUrl, subscriptionCreated())
  await eventually(() => receiver.requests.length === 1)
  doomed.child.kill('SIGKILL')
  await doomed.ended

  await startTestGateway({ DATABASE_URL: url, FLO_ROLES: 'work' })
  await eventually(async () => (await way.deliveries()).every(({ state }) => state === 'delivered'))
  expect(receiver.requests).toHaveLength(2)
})
