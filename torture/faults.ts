import { setTimeout as delay } from 'node:timers/promises'
import { isProcessAlive } from '../src/embedded-postgres/pid-file.ts'
import { freePort } from '../test/support/free-port.ts'
import { present } from '../test/support/present.ts'
import { type PostgresServer, promoteStandby, setSynchronous, startStandby } from './server.ts'
import type { Setting } from './setting.ts'
import type { Fault } from './strike.ts'
import type { Wire } from './wire.ts'

const randomBetween = (random: () => number, least: number, most: number) =>
  least + Math.floor(random() * (most - least))
const pickOne = <T>(list: readonly T[], random: () => number): T => present(list[randomBetween(random, 0, list.length)])

/** `kill -9` of one process, which a supervisor starts again. */
export const killOne: Fault = {
  name: 'kill -9 of one process',
  strike: ({ gateways }, random) => pickOne(gateways, random).kill(),
}

/** `kill -9` of one child of a gateway of several processes (FLO_PROCESSES), which its parent replaces. */
export const killChild: Fault = {
  name: 'kill -9 of a child process',
  async strike({ server, gateways }, random) {
    const parents = gateways.map((gateway) => gateway.pid())
    const rows = await server.run('select pid from workers')
    const children = rows.map(({ pid }) => pid as number).filter((pid) => !parents.includes(pid) && isProcessAlive(pid))
    process.kill(pickOne(children, random), 'SIGKILL')
  },
}

/** `kill -9` of all processes at once. The fault lasts until one is there again: how long a start takes is the machine's. */
export const killAll: Fault = {
  name: 'kill -9 of every process',
  async strike({ gateways }) {
    await Promise.all(gateways.map((gateway) => gateway.kill()))
    while (gateways.every((gateway) => gateway.url() === null)) await delay(20)
  },
}

/** PostgreSQL is stopped, and started a while later. */
export const restartDatabase = (how: 'fast' | 'immediate'): Fault => ({
  name: `PostgreSQL stopped (${how}) and started`,
  async strike({ server }, random) {
    await server.stop(how)
    await delay(randomBetween(random, 200, 3000))
    await server.start()
  },
})

/** One of PostgreSQL's own processes is killed: the server throws every session out and recovers by itself. */
export const killBackend: Fault = {
  name: 'kill -9 of a PostgreSQL back end',
  async strike({ server }, random) {
    process.kill(pickOne(await server.backendPids(), random), 'SIGKILL')
    while (!(await server.run('select 1').catch(() => null))) await delay(50)
  },
}

/** No table grows any more for a while, as on a full disk, and until an event was refused for it; half a minute at most. */
export const diskFull: Fault = {
  name: 'the disk is full',
  async strike({ server, stripe }, random) {
    const refusals = () => stripe.refusals.get('503') ?? 0
    const before = refusals()
    await server.setDiskFull(true)
    await delay(randomBetween(random, 2000, 5000))
    for (let waitedMs = 0; refusals() === before && waitedMs < 30_000; waitedMs += 50) await delay(50)
    await server.setDiskFull(false)
  },
}

const wiresOf = ({ wires }: Setting, who: 'one' | 'all', random: () => number): Wire[] =>
  who === 'all' ? wires.flat() : pickOne(wires, random)

/** The way from one process, or from all, to the database is cut for a while. */
export const cutOff = (how: 'drop' | 'stall', who: 'one' | 'all', least = 500, most = 4000): Fault => ({
  name: `connections ${how === 'drop' ? 'reset' : 'stalled'}, of ${who === 'all' ? 'every process' : 'one process'}`,
  async strike(setting, random) {
    const cut = wiresOf(setting, who, random)
    for (const way of cut) way[how]()
    await delay(randomBetween(random, least, most))
    for (const way of cut) way.pass()
  },
})

/** The open connections of one process, or of all, carry nothing any more, and nobody is told; new ones work. */
export const silence = (who: 'one' | 'all'): Fault => ({
  name: `connections that fall silent, of ${who === 'all' ? 'every process' : 'one process'}`,
  async strike(setting, random) {
    for (const way of wiresOf(setting, who, random)) way.vanish()
  },
})

/** Every connection is reset in the middle of a statement, or of its answer: a commit that nobody hears of, say. */
export const cutInTheMiddle = (of: 'statement' | 'answer'): Fault => ({
  name: `connections reset in the middle of ${of === 'answer' ? 'an answer' : 'a statement'}`,
  async strike(setting, random) {
    for (const way of wiresOf(setting, 'all', random))
      way[of === 'answer' ? 'cutAnswers' : 'cutStatements'](randomBetween(random, 1, 400))
    await delay(500)
  },
})

/** One direction of every connection is ended, the other is left open. */
export const halfClosed = (towards: 'client' | 'server'): Fault => ({
  name: `connections half closed, towards the ${towards}`,
  async strike(setting, random) {
    for (const way of wiresOf(setting, 'all', random)) way.halfClose(towards)
  },
})

/** A process that stands still for a while and goes on, as one whose machine was frozen. */
export const freeze: Fault = {
  name: 'a process stands still',
  async strike({ gateways }, random) {
    const gateway = pickOne(gateways, random)
    const pid = gateway.pid()
    process.kill(pid, 'SIGSTOP')
    await delay(randomBetween(random, 1000, 8000))
    process.kill(pid, 'SIGCONT')
  },
}

/**
 * The primary is gone at once and its standby is made the primary; afterwards the old one is set up anew and follows. The
 * fault lasts as long as nobody takes writes.
 */
export const failover: Fault = {
  name: 'the standby is promoted',
  async strike({ servers }) {
    const [primary, standby] = servers as [PostgresServer, PostgresServer]
    await primary.stop('immediate')
    await promoteStandby(standby)
    servers.reverse()
  },
}

/** The same of a primary whose machine vanishes: it refuses no connection, it says nothing any more. */
export const failoverInSilence: Fault = {
  name: 'the standby is promoted, the primary silent',
  async strike(setting, random) {
    const { port } = setting.server
    const gone = setting.wires.flat().filter(({ to }) => to === port)
    for (const wire of gone) wire.stall()
    await failover.strike(setting, random)
  },
}

/** Events that no mapping can read, among those of good customers: each fails alone, and the load beside them goes on. */
export const poison: Fault = {
  name: 'poisoned events',
  async strike({ stripe, clients }, random) {
    const created = Math.floor(Date.now() / 1000)
    const broken = [
      { lines: { data: [null] } },
      { lines: 'many' },
      { customer: 5 },
      { customer: 'cus_\0' },
      { status: [null], total: '1e100000000' },
    ]
    for (const [at, fields] of broken.entries()) {
      const id = `${randomBetween(random, 0, 1_000_000_000)}_${at}`
      const client = pickOne(clients, random)
      const metadata = client.routedBy === null ? {} : { flo_client: client.routedBy }
      // Behind the source that routes, one customer of two clients would be a conflict, and no event of either.
      const customer = `cus_poison_${client.number}`
      const common = { object: 'invoice', status: 'open', customer, metadata }
      const object = { id: `in_poison_${id}`, ...common, ...fields }
      const event = { id: `evt_poison_${id}`, object: 'event', type: 'invoice.finalized', created, data: { object } }
      await stripe.post(JSON.stringify(event), client)
    }
  },
}

/**
 * Another client on the same gateways does its worst for a while: with its own keys by routes that cost much, with floods of
 * what it may send, and somebody beside it without a key. The load of the good client goes on, and all of it arrives.
 */
export const hostileTenant: Fault = {
  name: 'a hostile tenant',
  async strike({ gateways, api }, random) {
    const { id: clientId } = await api('POST', '/v1/clients', { name: 'Hostile' })
    const { key } = await api('POST', '/v1/api-keys', { clientId, scopes: ['read', 'write'] })
    const source = { clientId, kind: 'stripe', signingSecrets: ['whsec_hostile'] }
    const { id: sourceId } = await api('POST', '/v1/sources', source)
    const endpoint = await api('POST', '/v1/endpoints', {
      clientId,
      url: `http://127.0.0.1:${await freePort()}`,
      retrySchedule: [],
    })
    const event = {
      type: 'invoice.paid',
      data: { object: { id: 'in_1', object: 'invoice', note: 'x'.repeat(50_000) } },
    }
    const login = { at: '2026-06-06T12:00:00Z', ip: '203.0.113.7', user_agent: 'hostile' }
    const appEvents = Array.from({ length: 200 }, (_, at) => ({
      ...{ type: 'user.login', clientUserId: `hostile_${at}`, data: login },
    }))
    const requests: (readonly [method: string, path: string, body?: object])[] = [
      ['GET', `/v1/endpoints/${endpoint.id}/stats`],
      ['GET', '/v1/deliveries?limit=250&state=cancelled'],
      ['POST', '/v1/mappings/dry-run', { sourceId, event }],
      ['POST', '/v1/replays', { endpointId: endpoint.id, mode: 'all', dryRun: true }],
      ['POST', '/v1/app-events/batch', { events: appEvents }],
      ['GET', '/openapi.json'],
    ]
    const end = Date.now() + randomBetween(random, 2000, 5000)
    const attack = async (line: number) => {
      for (let at = line; Date.now() < end; at += 1) {
        const [method, path, body] = present(requests[at % requests.length])
        const headers = {
          ...{ authorization: `Bearer ${at % 7 ? key : 'x'.repeat(10_000)}`, 'content-type': 'application/json' },
          ...(method === 'POST' && { 'idempotency-key': `hostile-${random()}` }),
        }
        const url = `${pickOne(gateways, random).url()}${path}`
        await fetch(url, {
          method,
          headers,
          ...(body && { body: JSON.stringify(body) }),
          signal: AbortSignal.timeout(5000),
        })
          .then((response) => response.arrayBuffer())
          .catch(() => delay(20))
      }
    }
    await Promise.all(Array.from({ length: 24 }, (_, line) => attack(line)))
    // What it has made is its own; what its endpoint does not take is ended with the endpoint.
    await api('DELETE', `/v1/endpoints/${endpoint.id}?clientId=${clientId}`).catch(() => {})
  },
}

/** Both together. */
export const atOnce = (one: Fault, other: Fault): Fault => ({
  name: `${one.name}, and ${other.name}`,
  async strike(setting, random) {
    await Promise.all([one.strike(setting, random), other.strike(setting, random)])
  },
})

/** Sets the former primary up anew, as the standby of the present one. */
export async function rebuildStandby({ servers, wires }: Setting): Promise<void> {
  const [primary, { folder, port }] = servers as [PostgresServer, PostgresServer]
  servers[1] = await startStandby(primary, folder, port)
  await setSynchronous(primary, 'on')
  for (const wire of wires.flat()) wire.pass()
}
