import { expect, test } from 'vitest'
import { startTestGateway } from '../support/gateway.ts'
import { startNameServer } from '../support/name-server.ts'
import { startReceiver } from '../support/receiver.ts'
import { tryingClient } from '../support/trying.ts'

const server = await startNameServer({
  'well.test': { addresses: ['127.0.0.1'] },
  'inner.test': { addresses: ['10.0.0.1'] },
  ...Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`dead-${at}.test`, { silent: true }])),
})
const gateway = await startTestGateway({ FLO_NAME_SERVERS: server.address })
const { newEndpoint, send, sent } = await tryingClient(gateway.api)
const other = await tryingClient(gateway.api)

test('names whose servers never answer fail as dns, and hold up neither other clients nor other endpoints', async () => {
  const receiver = await startReceiver()
  const url = receiver.url.replace('127.0.0.1', 'well.test')
  const dead = await Promise.all(
    Array.from({ length: 30 }, async (_, at) => {
      const { id } = await newEndpoint({ url: `https://dead-${at}.test/hook`, retrySchedule: [], timeoutSeconds: 15 })
      await send(id)
      return id
    }),
  )
  const [theirs, ours] = await Promise.all([other.newEndpoint({ url }), newEndpoint({ url })])
  for (const [client, { id }] of [
    [other, theirs],
    [{ sent }, ours],
    [other, theirs],
  ] as const)
    expect(await client.sent(id)).toMatchObject({ state: 'delivered', made: [{ status: 200, error: null }] })
  const [first = ''] = dead
  expect(await sent(first)).toMatchObject({ state: 'failed', made: [{ status: null, error: 'dns' }] })
})

test('an endpoint whose time-out is shorter than the look-up fails as dns all the same', async () => {
  const { id } = await newEndpoint({ url: 'https://dead-1.test:8443/hook', retrySchedule: [], timeoutSeconds: 1 })
  expect((await sent(id)).made[0]).toMatchObject({ status: null, error: 'dns' })
})

test('an address is judged at each connect, remembered or not', async () => {
  const { id } = await newEndpoint({ url: 'https://inner.test/hook', retrySchedule: [0] })
  const { made } = await sent(id)
  expect(made.map(({ error }: { error: string }) => error)).toEqual(['blocked', 'blocked'])
})
