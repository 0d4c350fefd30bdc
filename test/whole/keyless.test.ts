import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { afterwards } from '../support/afterwards.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { environment, temporaryFolder } from '../support/gateway.ts'
import { call, runGateway } from '../support/program.ts'
import { startReceiver } from '../support/receiver.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { layWay } from '../support/way.ts'

// What somebody without a key can make a gateway hold: connections, files, bytes. A heap without room to hoard.
const { url: databaseUrl } = await freshDatabase()
const env = environment(databaseUrl, {
  NODE_OPTIONS: '--max-old-space-size=160',
  LOG_LEVEL: 'error',
  FLO_MAX_CONNECTIONS: '120',
  FLO_MAX_CONNECTIONS_PER_ADDRESS: '120',
})
const gateway = runGateway(await temporaryFolder(), env)
const url = await gateway.listening()
const api = (method: string, path: string, body?: unknown) => call({ url, key: env.FLO_ADMIN_KEY }, method, path, body)
const receiver = await startReceiver()
const way = await layWay(api, receiver.url)

const rssMb = () => Number(execFileSync('ps', ['-o', 'rss=', '-p', String(gateway.child.pid)])) / 1024
const openFiles = () => readdirSync(`/proc/${gateway.child.pid}/fd`).length
let sent = 0
const honest = async () =>
  (
    await way.post(
      url,
      subscriptionCreated()
        .replaceAll('sub_1', `sub_${++sent}`)
        .replace(/evt_\w+/, `evt_honest_${sent}`),
    )
  ).status

/** So many connections that are opened anew when they are cut; none of their answers is read unless `reads`. */
function besiege(count: number, begin: (socket: Socket) => void, { reads = false } = {}) {
  const { hostname, port } = new URL(url)
  const open = new Set<Socket>()
  let isOver = false
  const openOne = () => {
    const socket = connect({ host: hostname, port: Number(port) })
    open.add(socket)
    if (reads) socket.resume()
    else socket.pause()
    socket.on('connect', () => begin(socket))
    socket.on('error', () => {})
    socket.on('close', () => {
      open.delete(socket)
      if (!isOver) setTimeout(openOne, 20)
    })
  }
  for (let more = 0; more < count; more++) openOne()
  const end = () => {
    isOver = true
    for (const socket of open) socket.destroy()
  }
  afterwards(async () => end())
  return end
}

/** Honest webhooks during a siege; all of them have to be accepted, by which time the siege has had its effect. */
async function expectAccepted(count: number) {
  for (let more = 0; more < count; more++) expect(await honest()).toBe(200)
}

test('answers that nobody reads are one for each connection, of bytes that all of them share', async () => {
  await expectAccepted(5)
  const before = rssMb()
  const end = besiege(100, (socket) => socket.write('GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(200)))
  await expectAccepted(30)
  expect(rssMb() - before).toBeLessThan(250)
  end()
})

test.runIf(process.platform === 'linux')('files that are served stay open for nobody', async () => {
  await expectAccepted(1)
  const before = await eventually(async () => openFiles())
  for (let round = 0; round < 10; round++) {
    const end = besiege(10, (socket) => {
      socket.write('GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(20))
      setTimeout(() => socket.destroy(), 5)
    })
    await expectAccepted(1)
    end()
  }
  // Those of PostgreSQL may come and go.
  await eventually(() => expect(openFiles()).toBeLessThan(before + 20))
})

test('bodies that nobody has signed fill no memory', async () => {
  await expectAccepted(5)
  const before = rssMb()
  const head = `POST /webhooks/stripe/${way.sourceId} HTTP/1.1\r\nhost: x\r\ncontent-length: 1048576\r\n\r\n`
  const end = besiege(110, (socket) => {
    socket.write(head)
    socket.write(Buffer.alloc(1_048_000, 'x'))
  })
  await expectAccepted(30)
  expect(rssMb() - before).toBeLessThan(250)
  end()
})

test('more idle connections than there may be keep no webhook out', async () => {
  const end = besiege(400, () => {})
  await expectAccepted(30)
  // Those of the first moments may bring a webhook each; after them the besiegers are cut.
  if (process.platform === 'linux') await eventually(() => openFiles() < 400)
  end()
  await eventually(() => expect(receiver.requests.length).toBeGreaterThanOrEqual(sent))
})
