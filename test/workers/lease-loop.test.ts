import { expect, test } from 'vitest'
import { newId } from '../../src/domain/ids.ts'
import { newLog } from '../../src/log.ts'
import { createLeaseLoop } from '../../src/workers/lease-loop.ts'
import { AT_ONCE, type LeasedRoom, type NextLook, NOT_BY_ITSELF } from '../../src/workers/leased-room.ts'
import type { ClientUnit } from '../../src/workers/leases.ts'
import { registerWorker } from '../../src/workers/worker.ts'
import { afterwards } from '../support/afterwards.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'

const { url, db } = await freshDatabase({ max: 20 })
const log = newLog('silent')
const now = () => new Date()

type Turn = ReadonlyMap<string, ReadonlySet<string>>

interface Watched {
  /** What a turn does; a rejection fails it. Answers when each client is looked at again, or nothing: not by itself. */
  work?: (clientIds: string[]) => unknown
  readNextDue?: LeasedRoom['readNextDue']
  groupOf?: (clientId: string) => string
  release?: (units: readonly ClientUnit[]) => Promise<unknown>
}

/** A loop over a room that writes down its turns, and what its worker was asked. */
async function watchedLoop({
  work = () => {},
  readNextDue,
  groupOf = () => '',
  release = async () => {},
}: Watched = {}) {
  const worker = await registerWorker({ url, db, log, roles: ['work'] })
  const turns: string[][] = []
  const claims: number[] = []
  const releases: number[] = []
  const elsewhere: string[] = []
  const counting: typeof worker = Object.create(worker, {
    claimUnits: {
      value(units: ClientUnit[]) {
        claims.push(units.length)
        return worker.claimUnits(units)
      },
    },
    releaseUnits: {
      async value(units: ClientUnit[]) {
        releases.push(units.length)
        await release(units)
        return worker.releaseUnits(units)
      },
    },
  })
  const loop = createLeaseLoop(
    { log, worker: counting, groups: { groupOf }, now, onLeasedElsewhere: (clientId) => elsewhere.push(clientId) },
    {
      name: 'cook',
      listUnits: (clientIds) => clientIds.map((clientId) => ({ clientId, unit: 'pot' })),
      async workOn(turn: Turn) {
        const clientIds = [...turn].flatMap(([clientId, units]) => (units.size > 0 ? clientId : []))
        turns.push(clientIds)
        return ((await work(clientIds)) ?? new Map()) as ReadonlyMap<string, NextLook>
      },
      readNextDue: readNextDue ?? (async () => new Map()),
      readDueClients: async () => [],
    },
  )
  let stopped: Promise<void> | undefined
  const stop = () => (stopped ??= loop.stop())
  afterwards(async () => {
    await stop()
    await worker.stop()
  })
  return { loop, worker, turns, claims, releases, elsewhere, stop }
}

const newClients = (count: number) => Array.from({ length: count }, newId)
const allAtOnce = (clientIds: readonly string[]) => new Map(clientIds.map((clientId) => [clientId, { at: AT_ONCE }]))
const leasesOf = async (clientIds: readonly string[]) =>
  (await db.query('select client_id from leases where client_id = any($1)', [clientIds])).rowCount
const untilNextTick = () => new Promise(setImmediate)

test('clients that are woken together are one turn with one claim, and give back together what nobody needs', async () => {
  const clients = newClients(200)
  const { loop, turns, claims, releases } = await watchedLoop()
  for (const clientId of [...clients, ...clients]) loop.wake(clientId)
  expect(loop.waitingClientCount()).toBe(200)
  await eventually(() => turns.length > 0)
  expect([turns[0]?.length, claims]).toEqual([200, [200]])
  expect(await leasesOf(clients)).toBe(200)
  // Held for a while, then given back with one statement; those of a woken one are not.
  await eventually(async () => (await leasesOf(clients)) === 0)
  expect([turns.length, releases, loop.waitingClientCount()]).toEqual([1, [200], 0])
})

test('many clients with one unit each come in few turns, and each has its turn once', async () => {
  const clients = newClients(1000)
  const { loop, turns, claims } = await watchedLoop()
  for (const clientId of clients) loop.wake(clientId)
  await eventually(() => turns.flat().length === 1000)
  expect(turns.flat().toSorted()).toEqual(clients.toSorted())
  expect([turns.length, claims.length]).toEqual([4, 4])
})

test('beside one client that has always work each of the others is in every turn', async () => {
  const [endless, ...others] = newClients(51)
  const left = new Map(others.map((clientId) => [clientId, 10]))
  const { loop, turns, stop } = await watchedLoop({
    work: (clientIds) =>
      allAtOnce(
        clientIds.filter((clientId) => {
          left.set(clientId, (left.get(clientId) ?? 0) - 1)
          return clientId === endless || (left.get(clientId) ?? 0) > 0
        }),
      ),
  })
  for (const clientId of [endless as string, ...others]) loop.wake(clientId)
  await eventually(() => turns.length > 10)
  await stop()
  expect(turns.slice(0, 10).map((clientIds) => clientIds.length)).toEqual(Array.from({ length: 10 }, () => 51))
  expect(turns.slice(10).every((clientIds) => clientIds.length === 1 && clientIds[0] === endless)).toBe(true)
})

test('a client whose work fails fails alone in the end, and from then on beside nobody', async () => {
  const clients = newClients(100)
  const bad = clients[37] as string
  let isHealed = false
  const failed: string[][] = []
  const done: string[][] = []
  const { loop } = await watchedLoop({
    work(clientIds) {
      if (clientIds.includes(bad) && !isHealed) {
        failed.push(clientIds)
        throw new Error('this one cannot be done')
      }
      done.push(clientIds)
    },
  })
  const wakeAll = () => {
    for (const clientId of clients) loop.wake(clientId)
  }
  wakeAll()
  await eventually(() => failed.at(-1)?.length === 1)
  await eventually(() => new Set(done.flat()).size === 99)
  // Halved, down to one, and then apart.
  const sizes = failed.map((clientIds) => clientIds.length)
  for (const [at, size] of sizes.slice(1).entries()) expect(size).toBeLessThanOrEqual(Math.ceil((sizes[at] ?? 0) / 2))
  const before = failed.length
  done.splice(0)
  wakeAll()
  await eventually(() => new Set(done.flat()).size === 99)
  expect(done).toHaveLength(1)
  await eventually(() => failed.length > before + 1)
  expect(failed.slice(before).every((clientIds) => clientIds.length === 1)).toBe(true)
  isHealed = true
  await eventually(() => done.flat().includes(bad))
  done.splice(0)
  wakeAll()
  await eventually(() => done.flat().includes(bad))
  expect(done.map((clientIds) => clientIds.length)).toEqual([100])
})

test('a client that fails waits, however often it is woken, and its log says who it is', async () => {
  const [bad] = newClients(1)
  const { loop, turns } = await watchedLoop({
    work() {
      throw new Error('not now')
    },
  })
  loop.wake(bad as string)
  await eventually(() => turns.length === 1)
  await untilNextTick()
  for (let woken = 0; woken < 100; woken += 1) {
    loop.wake(bad as string)
    await untilNextTick()
  }
  const before = turns.length
  expect(before).toBeLessThan(20)
  await eventually(() => turns.length > before)
})

test('while the database is away nobody is singled out: all wait, and go on together', async () => {
  const clients = newClients(60)
  let isAway = true
  const { loop, turns } = await watchedLoop({
    work() {
      if (isAway) throw Object.assign(new Error('terminating connection'), { code: '57P01' })
    },
  })
  for (const clientId of clients) loop.wake(clientId)
  await eventually(() => turns.length >= 2)
  isAway = false
  const before = turns.length
  await eventually(() => turns.length > before)
  expect(turns.every((clientIds) => clientIds.length === 60)).toBe(true)
})

test('a client is looked at again at its moment, with its units given back meanwhile', async () => {
  const [soon, later] = newClients(2) as [string, string]
  const at = { [soon]: Date.now() + 300, [later]: Date.now() + 4_500 }
  const worked: [string, number][] = []
  const { loop } = await watchedLoop({
    work(clientIds) {
      const isFirst = (clientId: string) => !worked.some(([one]) => one === clientId)
      const looks = clientIds.filter(isFirst).map((clientId) => [clientId, { at: at[clientId] }] as const)
      worked.push(...clientIds.map((clientId): [string, number] => [clientId, Date.now()]))
      return new Map(looks)
    },
    readNextDue: async (clientIds) =>
      new Map(clientIds.includes(later) && worked.length < 4 ? [[later, at[later] as number]] : []),
  })
  for (const clientId of [soon, later]) loop.wake(clientId)
  await eventually(() => worked.filter(([clientId]) => clientId === soon).length === 2)
  await eventually(async () => worked.length === 3 && (await leasesOf([later])) === 0)
  await eventually(() => worked.length === 4)
  for (const [clientId, when] of worked.slice(2)) expect(when).toBeGreaterThanOrEqual(at[clientId] as number)
})

test('who is woken while its units are given back claims them anew', async () => {
  const [clientId] = newClients(1) as [string]
  let wakeNow = () => {}
  const { loop, turns } = await watchedLoop({ release: async () => wakeNow() })
  wakeNow = () => {
    wakeNow = () => {}
    loop.wake(clientId)
  }
  loop.wake(clientId)
  await eventually(() => turns.length === 2)
  expect(turns).toEqual([[clientId], [clientId]])
  expect(await leasesOf([clientId])).toBe(1)
})

test('what was due for nobody when units were given back, since nobody saw it, is found by the second look', async () => {
  const [clientId] = newClients(1) as [string]
  const { loop, turns } = await watchedLoop({
    readNextDue: async (clientIds) => new Map(turns.length === 1 ? clientIds.map((id) => [id, Date.now() - 1000]) : []),
  })
  loop.wake(clientId)
  await eventually(() => turns.length === 2)
})

test('clients of groups of their own share no turn, and groups that hang hold up no other', async () => {
  const hanging = new Set(newClients(4))
  const others = newClients(20)
  const end = Promise.withResolvers<void>()
  const { loop, turns } = await watchedLoop({
    groupOf: (clientId) => clientId,
    work: ([clientId]) => (hanging.has(clientId as string) ? end.promise : undefined),
  })
  for (const clientId of [...hanging, ...others]) loop.wake(clientId)
  await eventually(() => turns.length === 24)
  expect(turns.every((clientIds) => clientIds.length === 1)).toBe(true)
  end.resolve()
})

test('a turn that waits for a locked row holds up none of the clients that come after it', async () => {
  const [stuck, ...others] = newClients(30) as [string, ...string[]]
  const end = Promise.withResolvers<void>()
  const { loop, turns } = await watchedLoop({
    work: (clientIds) => (clientIds.includes(stuck) ? end.promise : undefined),
  })
  loop.wake(stuck)
  await eventually(() => turns.length === 1)
  for (const clientId of others) loop.wake(clientId)
  await eventually(() => new Set(turns.flat()).size === 30)
  end.resolve()
})

test('units stay held for as long as something of the client goes on', async () => {
  const [busy, idle] = newClients(2) as [string, string]
  const { loop, releases } = await watchedLoop({
    work: () => new Map([[busy, { at: NOT_BY_ITSELF, isBusy: true }]]),
  })
  for (const clientId of [busy, idle]) loop.wake(clientId)
  await eventually(() => releases.length === 1)
  await eventually(async () => (await leasesOf([idle])) === 0)
  expect(await leasesOf([busy])).toBe(1)
})

test('a stop waits for the turns under way and gives everything back with one statement', async () => {
  const clients = newClients(150)
  const end = Promise.withResolvers<void>()
  const { loop, turns, releases, stop } = await watchedLoop({ work: () => end.promise })
  for (const clientId of clients) loop.wake(clientId)
  await eventually(() => turns.length === 1)
  let hasStopped = false
  const stopping = stop().then(() => {
    hasStopped = true
  })
  for (const clientId of newClients(10)) loop.wake(clientId)
  await untilNextTick()
  expect(hasStopped).toBe(false)
  end.resolve()
  await stopping
  expect([turns.length, releases]).toEqual([1, [150]])
  expect(await leasesOf(clients)).toBe(0)
})

test('of two workers each works on what the other has not, and says so', async () => {
  const clients = newClients(40)
  const busy = (clientIds: string[]) => new Map(clientIds.map((id) => [id, { at: NOT_BY_ITSELF, isBusy: true }]))
  const one = await watchedLoop({ work: busy })
  const other = await watchedLoop()
  for (const clientId of clients.slice(0, 20)) one.loop.wake(clientId)
  await eventually(() => one.turns.length === 1)
  for (const clientId of clients) other.loop.wake(clientId)
  await eventually(() => other.turns.length === 1)
  expect(other.turns[0]?.toSorted()).toEqual(clients.slice(20).toSorted())
  expect(other.elsewhere.toSorted()).toEqual(clients.slice(0, 20).toSorted())
  expect([one.claims, other.claims]).toEqual([[20], [40]])
})
