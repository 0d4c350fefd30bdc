import { expect, test } from 'vitest'
import { verifyDelivery } from '../../demo/verify.ts'
import { runCommand } from '../support/command.ts'
import { emptyDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { environment, temporaryFolder } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { call, runGateway } from '../support/program.ts'
import { startReceiver } from '../support/receiver.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { layWay } from '../support/way.ts'

test('a restart keeps everything: what waited is delivered, with the same id, the same bytes and the same secret', async () => {
  const folder = await temporaryFolder()
  const receiver = await startReceiver({ status: 503 })
  const first = runGateway(folder)
  const url = await first.listening()
  const key = present(first.adminKey())
  const way = await layWay((method, path, body) => call({ url, key }, method, path, body), receiver.url)
  const event = subscriptionCreated()
  await way.post(url, event)
  const before = await eventually(() => receiver.requests[0])
  first.child.kill('SIGTERM')
  expect((await first.ended).code).toBe(0)

  receiver.behave({ status: 200 })
  const second = runGateway(folder)
  const nextUrl = await second.listening()
  expect((await way.post(nextUrl, event)).body).toEqual({ received: true, duplicate: true })
  const after = await eventually(() => receiver.requests[1])
  expect(after.body).toBe(before.body)
  expect(after.headers['flo-delivery-attempt']).toBe('2')
  expect(verifyDelivery(after.bytes, after.headers, way.secret)).toEqual([{ by: 'stripe' }, { by: 'standardwebhooks' }])

  const { id } = (await eventually(async () => {
    const { body } = await call({ url: nextUrl, key }, 'GET', `/v1/deliveries?clientId=${way.clientId}&state=delivered`)
    return body.data[0]
  })) as { id: string }
  const { body } = await call({ url: nextUrl, key }, 'GET', `/v1/deliveries/${id}/attempts?order=asc`)
  expect(body.data.map(({ status }: { status: number }) => status)).toEqual([503, 200])
})

test('two processes on one database deliver everything once, also when one of them is stopped meanwhile', async () => {
  const env = environment(await emptyDatabase())
  const folder = await temporaryFolder()
  const both = [runGateway(folder, env), runGateway(folder, env)]
  const urls = await Promise.all(both.map((one) => one.listening()))
  const api = (method: string, path: string, body?: unknown) =>
    call({ url: present(urls[0]), key: env.FLO_ADMIN_KEY }, method, path, body)
  const receivers = [await startReceiver({ delayMs: 5 }), await startReceiver({ delayMs: 5 })]
  const way = await layWay(api, present(receivers[0]).url)
  await api('POST', '/v1/endpoints', { clientId: way.clientId, url: present(receivers[1]).url })
  const arrived = () => receivers.flatMap(({ requests }) => requests)

  const bodies = Array.from({ length: 400 }, () => subscriptionCreated())
  // So many at once: of an address with 200 connections a gateway cuts those whose request it has not read yet.
  const post = async (from: number, to: number, turn: (at: number) => string) => {
    const answered = []
    for (let first = from; first < to; first += 40)
      answered.push(
        ...(await Promise.all(
          bodies.slice(first, Math.min(to, first + 40)).map((body, at) => way.post(turn(at), body)),
        )),
      )
    return answered
  }
  const answers = await post(0, 200, (at) => present(urls[at % 2]))
  present(both[1]).child.kill('SIGTERM')
  answers.push(...(await post(200, 400, () => present(urls[0]))))
  expect(answers.filter(({ status }) => status !== 200)).toEqual([])
  expect(await present(both[1]).ended).toMatchObject({ code: 0, stderr: '' })

  await eventually(() => arrived().length >= 800, { timeoutMs: 60_000 })
  await eventually(
    async () => (await api('GET', `/v1/deliveries?clientId=${way.clientId}&state=pending`)).body.data.length === 0,
  )
  expect(arrived()).toHaveLength(800)
  expect(new Set(arrived().map(({ headers }) => headers['webhook-id'])).size).toBe(800)
  const { code, stdout } = await runCommand('ledger', folder, env)
  expect(stdout).toMatch(/deliveries +800 +delivered 800\n/)
  expect(code).toBe(0)
})
