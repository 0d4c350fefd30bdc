import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isProcessAlive } from '../../src/embedded-postgres/pid-file.ts'
import { killChild } from '../../torture/faults.ts'
import { afterwards } from '../support/afterwards.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { addsUpAfter, struckBy, underLoad } from '../support/faults.ts'
import { environment, temporaryFolder } from '../support/gateway.ts'
import { scrape } from '../support/metrics.ts'
import { stretch } from '../support/patience.ts'
import { present } from '../support/present.ts'
import { call, runGateway } from '../support/program.ts'
import { startReceiver } from '../support/receiver.ts'
import { keptConnections, postOver, requestOver, runSeveral, untilGone } from '../support/several.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { layWay } from '../support/way.ts'

const NAMES = ['1', '2', '3']

/** A gateway of some processes on a database of its own, and the way of an event through it. */
async function startProcesses(count: number, receiver: { url: string }) {
  const { url: databaseUrl, db } = await freshDatabase()
  const gateway = await runSeveral({ url: databaseUrl }, count)
  const url = await gateway.listening()
  const way = await layWay(gateway.api, receiver.url)
  return { gateway, url, way, db }
}

type Several = Awaited<ReturnType<typeof startProcesses>> & { receiver: Awaited<ReturnType<typeof startReceiver>> }

/** Webhooks over thirty connections: each process has some of them, and what they did is shown as one sum. */
async function expectOneSum({ gateway, url, way, receiver }: Several) {
  const agents = keptConnections(30)
  const post = (agent: (typeof agents)[number]) =>
    postOver(agent, { url, sourceId: way.sourceId, body: subscriptionCreated() })
  const before = await scrape(url)
  expect(await Promise.all(agents.map(post))).toEqual(agents.map(() => 200))
  const during = await scrape(url)
  // Each has some of the thirty connections, and so of the webhooks.
  const sockets = { type: 'Socket' }
  for (const name of NAMES) {
    const of = { ...sockets, process: name }
    const opened = (during.value('nodejs_active_handles', of) ?? 0) - (before.value('nodejs_active_handles', of) ?? 0)
    expect(opened, name).toBeGreaterThan(3)
  }
  await eventually(() => receiver.requests.length === 30)
  await eventually(async () => (await scrape(url)).value('flo_attempts_total', { outcome: 'delivered' }) === 30)

  const shown = await scrape(url)
  expect(shown.value('flo_webhooks_total', { result: 'accepted' })).toBe(30)
  expect(shown.value('flo_webhook_duration_seconds_count')).toBe(30)
  expect(shown.value('flo_source_events_total', { result: 'stored' })).toBe(30)
  expect(shown.value('flo_events_total', { contract: 'flo.v1' })).toBe(30)
  // What describes the database is not added; what describes a process says which.
  expect(shown.value('flo_endpoints', { status: 'enabled' })).toBe(1)
  expect(shown.value('flo_workers', { role: 'receive' })).toBe(3)
  expect(shown.value('flo_processes', { state: 'wanted' })).toBe(3)
  expect(shown.value('flo_processes', { state: 'running' })).toBe(3)
  for (const name of [...NAMES, 'parent'])
    expect(shown.value('process_resident_memory_bytes', { process: name }), name).toBeGreaterThan(0)
  expect(new Set(shown.samples.map(({ name, labels }) => name + JSON.stringify(labels))).size).toBe(
    shown.samples.length,
  )
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
  expect(await (await fetch(`${url}/readyz`)).json()).toEqual({
    status: 'ready',
    details: { database: true, space: true, work: true, processes: { wanted: 3, running: 3, silent: 0 } },
  })
  expect(gateway.said.stdout).toMatch(/listens on \S+ \(receive, work, api; 3 processes\)\n/)
  expect(gateway.said.stdout.match(/listens on/g)).toHaveLength(1)
}

/** The requests of a key are counted for all processes together. */
async function expectOneRate({ gateway, url, way }: Several) {
  await gateway.api('PATCH', `/v1/clients/${way.clientId}`, { quotas: { requestsPerSecond: 1 } })
  const made = await gateway.api('POST', '/v1/api-keys', { clientId: way.clientId, scopes: ['read'] })
  const key: string = made.body.data.key
  const startedAt = performance.now()
  const headers = { authorization: `Bearer ${key}` }
  const answers = await Promise.all(
    keptConnections(60).map((agent) => requestOver(agent, `${url}/v1/endpoints`, { headers })),
  )
  const seconds = Math.ceil((performance.now() - startedAt) / 1000)
  const answered = answers.filter((status) => status === 200).length
  expect(answers.filter((status) => status !== 200 && status !== 429)).toEqual([])
  // A burst of ten, and one for each second.
  expect(answered).toBeGreaterThanOrEqual(10)
  expect(answered).toBeLessThanOrEqual(11 + seconds)
}

/** One that stands still is told of, left out of a scrape, and none of its counts is lost. */
async function expectStandstillTold({ gateway, url }: Several) {
  const counted = present((await scrape(url)).value('flo_webhooks_total'))
  expect(counted).toBe(30)
  const { '2': stopped } = await gateway.pids()
  process.kill(present(stopped), 'SIGSTOP')
  // A stopped process does not even notice that its parent is gone.
  afterwards(async () => void (isProcessAlive(present(stopped)) && process.kill(present(stopped), 'SIGCONT')))
  // A connection may still be given to it: another one is asked then.
  const ask = (path: string) =>
    fetch(`${url}${path}`, { headers: { connection: 'close' }, signal: AbortSignal.timeout(4_000) })
  await eventually(async () => {
    const answer = await ask('/readyz')
    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ details: { processes: { wanted: 3, running: 2, silent: 1 } } })
    return true
  })
  const shown = await eventually(async () => {
    const text = await (await ask('/metrics')).text()
    return text.includes('flo_process_unheard_total 0') ? null : text
  })
  process.kill(present(stopped), 'SIGCONT')
  expect(shown).toMatch(/^flo_webhooks_total\{result="accepted"\} 30$/m)
  expect(shown).not.toMatch(/process_resident_memory_bytes\{process="2"\}/)
  await eventually(async () => (await ask('/readyz')).status === 200)
}

test('several processes share one port evenly and speak as one: sums, rates of keys, readiness', async () => {
  const receiver = await startReceiver()
  const several = { ...(await startProcesses(3, receiver)), receiver }
  await expectOneSum(several)
  await expectOneRate(several)
  await expectStandstillTold(several)
})

describe('a child that ends', () => {
  test('by kill -9 under load is replaced: its work goes on, nothing is lost, and the counts do not fall', async () => {
    const setting = await underLoad({ processes: 1, env: () => ({ FLO_PROCESSES: '2' }) })
    const [gateway] = setting.gateways
    const counted = async () => {
      const shown = await scrape(present(gateway?.url()))
      return {
        webhooks: present(shown.value('flo_webhooks_total')),
        ends: present(shown.value('flo_process_ends_total')),
        running: shown.value('flo_processes', { state: 'running' }),
      }
    }
    const before = await counted()
    expect(before).toMatchObject({ ends: 0, running: 2 })
    const struck = await struckBy(setting, [killChild])
    expect(struck[0]?.recoveredMs).toBeLessThan(stretch(10_000))
    const after = await eventually(async () => {
      const now = await counted()
      return now.running === 2 && now
    })
    expect(after.ends).toBe(1)
    expect(after.webhooks).toBeGreaterThan(before.webhooks)
    await addsUpAfter(setting, struck)
    expect(gateway?.crashes).toEqual([])
  })

  test('is told with its reason, and one that ends again and again is replaced more and more slowly', async () => {
    const { url } = await freshDatabase()
    const gateway = await runSeveral({ url }, 2)
    await gateway.listening()
    for (let kills = 1; kills <= 3; kills += 1) {
      const { '1': pid } = await gateway.pids()
      process.kill(present(pid), 'SIGKILL')
      await eventually(() => gateway.logged('process.ended').length === kills)
      await eventually(async () => (await gateway.pids())['1'] !== pid)
    }
    const ends = gateway.logged('process.ended')
    expect(ends.map(({ child, process: who }) => [child, who])).toEqual(ends.map(() => ['1', 'parent']))
    expect(ends[0]).toMatchObject({ code: null, signal: 'SIGKILL', reason: expect.stringContaining('killed') })
    expect(ends.map(({ replacedInMs }) => replacedInMs)).toEqual([100, 200, 400])
    expect((await gateway.api('GET', '/v1/clients')).status).toBe(200)
  })
})

describe('the end of the parent', () => {
  test('by a signal has all of them drain: what is under way is recorded, and leases are given back', async () => {
    const receiver = await startReceiver({ delayMs: 1_000 })
    const { gateway, url, way, db } = await startProcesses(2, receiver)
    const agents = keptConnections(9)
    for (const agent of agents)
      expect(await postOver(agent, { url, sourceId: way.sourceId, body: subscriptionCreated() })).toBe(200)
    await eventually(() => receiver.requests.length > 0)
    const pids = Object.values(await gateway.pids())
    // As a terminal does it: to the whole group.
    for (const pid of [present(gateway.child.pid), ...pids]) process.kill(pid, 'SIGINT')
    expect((await gateway.ended).code).toBe(0)
    await untilGone(pids)
    expect(gateway.logged('process.ended')).toEqual([])
    const { rows } = await db.query(
      `select (select count(*) from leases)::int as leases, (select count(*) from workers)::int as workers,
              (select count(*) from attempts)::int as attempts`,
    )
    expect(rows).toEqual([{ leases: 0, workers: 0, attempts: receiver.requests.length }])
  })

  test('by a second signal ends all of them at once', async () => {
    const receiver = await startReceiver({ hang: 'headers' })
    const { gateway, url, way } = await startProcesses(2, receiver)
    await postOver(false, { url, sourceId: way.sourceId, body: subscriptionCreated() })
    await eventually(() => receiver.requests.length === 1)
    const pids = Object.values(await gateway.pids())
    gateway.child.kill('SIGTERM')
    const again = setInterval(() => gateway.child.kill('SIGTERM'), 1_100)
    expect((await gateway.ended).code).toBe(1)
    clearInterval(again)
    await untilGone(pids)
  })

  test('by kill -9 ends its children, and the next start takes over with the database as it is', async () => {
    const killed = await runSeveral({}, 2, { FLO_ADMIN_KEY: '' })
    await killed.listening()
    const key = present(killed.adminKey())
    expect(killed.said.stdout.match(/Admin key/g)).toHaveLength(1)
    await killed.api('POST', '/v1/clients', { name: 'Acme' }, key)
    const { pid } = present(await killed.postmaster())
    const pids = Object.values(await killed.pids())
    killed.child.kill('SIGKILL')
    await killed.ended
    await untilGone(pids)

    const next = await runSeveral({ folder: killed.folder }, 2, { FLO_ADMIN_KEY: '' })
    await next.listening()
    expect(next.adminKey()).toBeUndefined()
    expect((await next.api('GET', '/v1/clients', undefined, key)).body.data).toMatchObject([{ name: 'Acme' }])
    expect((await next.postmaster())?.pid).toBe(pid)
    next.child.kill('SIGKILL')
    await next.ended

    // More connections than the server that was left behind lets in: it is started anew.
    const large = await runSeveral({ folder: killed.folder }, 2, { FLO_ADMIN_KEY: '', FLO_WORK_CONNECTIONS: '60' })
    await large.listening()
    expect((await large.api('GET', '/v1/clients', undefined, key)).body.data).toMatchObject([{ name: 'Acme' }])
    expect((await large.postmaster())?.pid).not.toBe(pid)
    large.child.kill('SIGTERM')
    expect((await large.ended).code).toBe(0)
    expect(await large.postmaster()).toBeNull()
  })
})

describe('a start that fails', () => {
  const refused = async (env: Record<string, string>, folder?: string) => {
    const several = await runSeveral({ folder: folder ?? (await temporaryFolder()) }, 3, { LOG_LEVEL: 'warn', ...env })
    const { code, stdout, stderr } = await several.ended
    expect([code, stdout]).toEqual([1, ''])
    return stderr
  }

  test('says once, in one line, what a child has met', async () => {
    expect(await refused({ FLO_CONTRACTS: './nowhere.ts' })).toMatch(/^FLO_CONTRACTS: \.\/nowhere\.ts [^\n]+\n$/)
  })

  test('for a port that is taken makes no database', async () => {
    const server = createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    afterwards(async () => server.close())
    const { port } = server.address() as AddressInfo
    const folder = await temporaryFolder()
    expect(await refused({ PORT: String(port) }, folder)).toBe(
      `Port ${port} on 127.0.0.1 is in use: stop what listens there, or set PORT to another one.\n`,
    )
    expect(existsSync(join(folder, '.flo-gateway'))).toBe(false)
  })

  test('for connections counts those of all processes', async () => {
    const { url } = await freshDatabase()
    const stderr = await refused(environment(url, { FLO_PROCESSES: '3', FLO_WORK_CONNECTIONS: '100' }))
    expect(stderr).toMatch(
      /^The 3 processes of this gateway need 330 connections [^\n]+ lower FLO_PROCESSES, [^\n]+\n$/,
    )
  })
})

// On a machine of many cores it would start as many.
test.runIf(availableParallelism() <= 8)(
  'auto is a process for each core, and each has the roles that are set',
  async () => {
    const { url } = await freshDatabase()
    const env = environment(url, { FLO_PROCESSES: 'auto', FLO_ROLES: 'receive,api', FLO_ADMIN_KEY: '' })
    const gateway = runGateway(await temporaryFolder(), env)
    const at = await gateway.listening()
    const key = await eventually(gateway.adminKey)
    expect((await call({ url: at, key }, 'GET', '/v1/clients')).status).toBe(200)
    const shown = await scrape(at)
    expect(shown.value('flo_processes', { state: 'running' })).toBe(availableParallelism())
    for (const role of ['receive', 'api']) expect(shown.value('flo_workers', { role })).toBe(availableParallelism())
    expect(shown.value('flo_workers', { role: 'work' })).toBeUndefined()
  },
)
