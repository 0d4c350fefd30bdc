import { once } from 'node:events'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isProcessAlive } from '../src/embedded-postgres/pid-file.ts'
import { afterwards } from './support/afterwards.ts'
import { emptyDatabase, freshDatabase, onServer } from './support/database.ts'
import { eventually } from './support/eventually.ts'
import { environment, temporaryFolder } from './support/gateway.ts'
import { present } from './support/present.ts'
import { call, runGateway } from './support/program.ts'
import { startReceiver } from './support/receiver.ts'
import { subscriptionCreated } from './support/subscription.ts'
import { layWay } from './support/way.ts'

// The folder of all tests that do not need a new one: only the first start in it makes a database.
const folder = await temporaryFolder()
const KEYED = { FLO_ADMIN_KEY: 'admin-key-of-the-tests' }
const key = KEYED.FLO_ADMIN_KEY

test('the first start tells where it listens, where the data is and the admin key; the second tells no key', async () => {
  const first = runGateway(folder)
  const url = await first.listening()
  const printed = present(first.adminKey())
  expect(first.said.stdout).toContain(join(folder, '.flo-gateway'))
  expect((await call({ url, key: printed }, 'GET', '/v1/clients')).status).toBe(200)
  expect((await stat(join(folder, '.flo-gateway', 'encryption-keys'))).mode & 0o777).toBe(0o600)
  first.child.kill('SIGTERM')
  expect(await first.ended).toMatchObject({ code: 0, stderr: '' })
  expect(await first.postmaster()).toBeNull()

  const second = runGateway(folder)
  expect((await call({ url: await second.listening(), key: printed }, 'GET', '/v1/clients')).status).toBe(200)
  expect(second.adminKey()).toBeUndefined()
})

test('a setting that is mistyped is told at the start', async () => {
  const { url } = await freshDatabase()
  const gateway = runGateway(await temporaryFolder(), environment(url, { FLO_DATA: './elsewhere' }))
  await gateway.listening()
  await eventually(() => /FLO_DATA.*config\.unknown_variables/.test(gateway.said.stderr))
})

test('a file that does not hold the keys is refused in one line', async () => {
  const keyless = await temporaryFolder()
  await mkdir(join(keyless, '.flo-gateway'))
  for (const text of ['', 'k1:c2hvcnQ=', '"k1"', '\uFEFFk1']) {
    await writeFile(join(keyless, '.flo-gateway', 'encryption-keys'), `${text}\r\n`, { mode: 0o600 })
    const { code, stderr } = await runGateway(keyless, { DATABASE_URL: '' }).ended
    expect([code, stderr], text).toEqual([
      1,
      expect.stringMatching(/^.*encryption-keys does not hold the keys .*: put .*\.\n$/),
    ])
  }
})

test('a database that does not fit is refused in one line, without a stack', async () => {
  const url = await emptyDatabase()
  const run = async (change: Partial<URL>) => {
    const to = Object.assign(new URL(url), change).href
    const { code, stdout, stderr } = await runGateway(await temporaryFolder(), environment(to)).ended
    expect([code, stdout, stderr]).toEqual([1, '', expect.stringMatching(/^[^\n{]+\.\n$/)])
    return stderr
  }
  expect(await run({ password: 'wrong' })).toContain('does not accept the password')
  expect(await run({ pathname: '/nowhere' })).toContain('no database "nowhere"')
  await onServer(url, `create table schema_compatibility (migration text, oldest_program text)`)
  await onServer(url, `insert into schema_compatibility values ('000099_later', '99.0.0')`)
  expect(await run({})).toContain('needs 99.0.0 or newer')
})

test('after kill -9 the next start adopts the orphaned database with everything in it', async () => {
  const killed = runGateway(folder, KEYED)
  const url = await killed.listening()
  const { body: made } = await call({ url, key }, 'POST', '/v1/clients', { name: 'Acme' })
  const { pid } = present(await killed.postmaster())
  killed.child.kill('SIGKILL')
  await killed.ended
  expect(isProcessAlive(pid)).toBe(true)

  const next = runGateway(folder, KEYED)
  const { body } = await call({ url: await next.listening(), key }, 'GET', `/v1/clients/${made.data.id}`)
  expect(body.data).toMatchObject({ name: 'Acme' })
  expect((await next.postmaster())?.pid).toBe(pid)
  next.child.kill('SIGTERM')
  expect((await next.ended).code).toBe(0)
  expect(await next.postmaster()).toBeNull()
})

test('a second gateway on one data folder is refused in one line, and the first goes on', async () => {
  const first = runGateway(folder)
  const url = await first.listening()
  const { code, stdout, stderr } = await runGateway(folder).ended
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toMatch(
    new RegExp(
      `^Another gateway \\(process ${first.child.pid} on .+\\) runs on the data folder .+: stop it, .+\\.\\n$`,
    ),
  )
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
})

test('of two gateways that start at once on a new folder one runs', async () => {
  const newFolder = await temporaryFolder()
  const both = [runGateway(newFolder), runGateway(newFolder)]
  const loser = await Promise.race(both.map(({ ended }) => ended))
  expect(loser.code).toBe(1)
  expect(loser.stderr).toMatch(/^Another gateway .+\n$/)
  await Promise.any(both.map((one) => one.listening()))
})

test('a busy port is told in one line, before any database is made', async () => {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  afterwards(async () => server.close())
  const { port } = server.address() as AddressInfo
  const newFolder = await temporaryFolder()
  const { code, stderr } = await runGateway(newFolder, { PORT: String(port) }).ended
  expect(code).toBe(1)
  expect(stderr).toBe(`Port ${port} on 127.0.0.1 is in use: stop what listens there, or set PORT to another one.\n`)
  await expect(stat(join(newFolder, '.flo-gateway'))).rejects.toThrow('ENOENT')
})

test('all problems of the environment are told at once', async () => {
  const { code, stderr } = await runGateway(await temporaryFolder(), {
    PORT: 'eighty',
    LOG_LEVEL: 'loud',
    FLO_ADMIN_KEY: 'short',
    FLO_ROLES: 'receive,everything',
    FLO_ALLOWED_SUBNETS: 'localhost',
    DATABASE_URL: 'postgres://127.0.0.1/nothing',
  }).ended
  expect(code).toBe(1)
  expect(stderr).toMatch(/^The environment has 6 problems:\n/)
  for (const name of ['PORT', 'LOG_LEVEL', 'FLO_ADMIN_KEY', 'FLO_ROLES', 'FLO_ALLOWED_SUBNETS', 'FLO_ENCRYPTION_KEYS'])
    expect(stderr).toMatch(new RegExp(`^  ${name}: .+$`, 'm'))
})

test('a database that cannot be reached is told in one line', async () => {
  const { code, stderr } = await runGateway(
    await temporaryFolder(),
    environment('postgres://nobody:secret@127.0.0.1:1/nothing'),
  ).ended
  expect(code).toBe(1)
  expect(stderr).toMatch(/^The database cannot be reached \(.+\): .+\n$/)
  expect(stderr).not.toContain('secret')
})

test('processes that start at once on an empty database wait for each other, and one makes the admin key', async () => {
  const env = environment(await emptyDatabase(), { FLO_ADMIN_KEY: '' })
  const both = [runGateway(await temporaryFolder(), env), runGateway(await temporaryFolder(), env)]
  const urls = await Promise.all(both.map((one) => one.listening()))
  await eventually(() => both.some((one) => one.adminKey()))
  const keys = both.flatMap((one) => one.adminKey() ?? [])
  expect(keys).toHaveLength(1)
  for (const url of urls) expect((await call({ url, key: present(keys[0]) }, 'GET', '/v1/clients')).status).toBe(200)
})

/** A gateway in a folder that has a delivery under way at `url`. */
async function deliveringTo(url: string, inFolder: string) {
  const gateway = runGateway(inFolder, KEYED)
  const at = await gateway.listening()
  const way = await layWay((method, path, body) => call({ url: at, key }, method, path, body), url)
  expect((await way.post(at, subscriptionCreated())).status).toBe(200)
  return { gateway, way }
}

test('a stop answers no new request, waits for the delivery under way and records it', async () => {
  const receiver = await startReceiver({ delayMs: 1000 })
  // A new one: it would tell of a gateway before it that was killed.
  const newFolder = await temporaryFolder()
  const { gateway, way } = await deliveringTo(receiver.url, newFolder)
  await eventually(() => receiver.requests.length === 1)
  gateway.child.kill('SIGINT')
  gateway.child.kill('SIGINT') // npm passes the terminal's Ctrl-C on: it is the same one.
  expect(await gateway.ended).toMatchObject({ code: 0, stderr: '' })

  const next = runGateway(newFolder, KEYED)
  const { body } = await call({ url: await next.listening(), key }, 'GET', `/v1/deliveries?clientId=${way.clientId}`)
  expect(body.data).toMatchObject([{ state: 'delivered', attempts: 1 }])
  expect(receiver.requests).toHaveLength(1)
})

test('a second signal, a second after the first, ends at once', async () => {
  const receiver = await startReceiver({ hang: 'headers' })
  const { gateway } = await deliveringTo(receiver.url, folder)
  await eventually(() => receiver.requests.length === 1)
  gateway.child.kill('SIGTERM')
  // More than a second after it has heard the first one, which a busy machine may tell it late.
  const again = setInterval(() => gateway.child.kill('SIGTERM'), 1100)
  expect((await gateway.ended).code).toBe(1)
  clearInterval(again)
  await eventually(async () => (await gateway.postmaster()) === null)
})

test('when the embedded database dies, the gateway says so and ends', async () => {
  const gateway = runGateway(folder, KEYED)
  await gateway.listening()
  process.kill(present(await gateway.postmaster()).pid, 'SIGKILL')
  const { code, stderr } = await gateway.ended
  expect(code).toBe(1)
  expect(stderr).toContain('postgres.ended_unasked')
})
