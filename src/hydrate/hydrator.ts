import { queryAnsweringNodes } from '../database/away-nodes.ts'
import type { Db } from '../database/db.ts'
import { createLeaseLoop } from '../workers/lease-loop.ts'
import {
  type HeldUnits,
  type LeaseLoop,
  type LeaseLoopDeps,
  type NextLook,
  NOT_BY_ITSELF,
} from '../workers/leased-room.ts'
import { FAILURES_TO_OPEN } from './circuit.ts'
import { type DueFetch, readDueFetches, readNextDue } from './due-fetches.ts'
import { type FetchDeps, fetchFromStripe } from './fetch.ts'
import { type RecordDeps, recordReply } from './record.ts'
import { giveUpOptionalFetches } from './release.ts'
import { createSharedSources, type SharedSources } from './shared-sources.ts'

export interface HydratorDeps extends RecordDeps, FetchDeps, LeaseLoopDeps {
  db: Db
  now: () => Date
  /** Called after the commit: events of this client may go on. */
  onFetched: (clientId: string) => void
}

/** Its `stop` gives up the calls under way; what they are for is asked for again, in another process or at the next start. */
export type Hydrator = LeaseLoop

/** Calls under way at once for one source, of all its clients in this process: Stripe allows 25 a second to test keys, and the client has calls of its own. */
const CALLS_PER_SOURCE = 4
/** And for one client, however many sources it has. */
const CALLS_PER_CLIENT = 16
const UNIT = 'hydrate'
const RETRY_MS = 500

/** Fetches from Stripe what source events lack, for one client in one process at a time, outside of every transaction. */
export function createHydrator(deps: HydratorDeps): Hydrator {
  const { db } = deps
  const shared = createSharedSources(deps)
  const calls = createCalls({ ...deps, shared }, (clientId) => loop.wake(clientId))
  const loop = createLeaseLoop(deps, {
    name: 'hydrate',
    listUnits: (clientIds) => clientIds.map((clientId) => ({ clientId, unit: UNIT })),
    async workOn(unitsOfClients: ReadonlyMap<string, HeldUnits>): Promise<ReadonlyMap<string, NextLook>> {
      const clientIds = [...unitsOfClients].flatMap(([clientId, units]) => (units.size > 0 ? clientId : []))
      if (clientIds.length === 0) return new Map()
      const due = await shared.keepBackTroubled(await readDueFetches(db, clientIds))
      for (const clientId of await giveUpOptionalFetches(db, clientIds)) deps.onFetched(clientId)
      for (const one of due) calls.startCall(one)
      calls.wakeWaiting()
      const isBusy = calls.areUnderWay
      const next = await readNextDue(
        db,
        clientIds.filter((clientId) => !isBusy(clientId)),
      )
      return new Map(
        clientIds.map((clientId) => [
          clientId,
          { isBusy: isBusy(clientId), at: isBusy(clientId) ? NOT_BY_ITSELF : (next.get(clientId) ?? NOT_BY_ITSELF) },
        ]),
      )
    },
    readNextDue: (clientIds) => readNextDue(db, clientIds),
    async readDueClients() {
      const { rows } = await queryAnsweringNodes<{ id: string }>(
        db,
        (whose) => `select distinct client_id as id from hydrations where state = 'pending' and ${whose}`,
      )
      return rows.map(({ id }) => id)
    },
    untilEnded: calls.untilEnded,
  })
  return {
    ...loop,
    stop() {
      calls.giveUpAll()
      return loop.stop()
    },
  }
}

/** The calls under way, so many of a source and of a client; each that ends has its client looked at again. */
function createCalls(deps: HydratorDeps & { shared: SharedSources }, wake: (clientId: string) => void) {
  const sources = createSourceSlots(wake)
  /** By client; of each client by source and need. */
  const ofClients = new Map<string, Map<string, { sourceId: string; call: Promise<void> }>>()
  const stopping = Promise.withResolvers<'stopping'>()
  let isStopped = false

  const fetchAndRecord = async (due: DueFetch) => {
    try {
      const reply = await Promise.race([fetchFromStripe(deps, due), stopping.promise])
      if (reply === 'stopping') return // It is asked for again at the next start.
      deps.shared.noteReply(due, reply)
      await recordReply(deps, due, reply)
      deps.onFetched(due.clientId)
    } catch (error) {
      deps.log.error({ clientId: due.clientId, need: due.need, err: error }, 'hydrate.not_recorded')
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }
  return {
    startCall(due: DueFetch) {
      const { clientId, sourceId, need, failures } = due
      const calls = ofClients.get(clientId) ?? new Map()
      const key = `${sourceId} ${need}`
      const underWay = [...calls.values()].filter((call) => call.sourceId === sourceId).length
      const allowed = failures >= FAILURES_TO_OPEN ? 1 : CALLS_PER_SOURCE
      if (calls.has(key) || underWay >= allowed || calls.size >= CALLS_PER_CLIENT || isStopped) return
      if (!sources.take(due, deps.shared.isTrying(due) ? 1 : CALLS_PER_SOURCE)) return
      const call = fetchAndRecord(due).finally(() => {
        calls.delete(key)
        if (calls.size === 0) ofClients.delete(clientId)
        sources.giveBack(sourceId)
        wake(clientId)
      })
      calls.set(key, { sourceId, call })
      ofClients.set(clientId, calls)
    },
    /** Or wait for a call of another client of the source to end. */
    areUnderWay: (clientId: string) => ofClients.has(clientId) || sources.isWaiting(clientId),
    wakeWaiting: sources.wakeWaiting,
    giveUpAll() {
      isStopped = true
      stopping.resolve('stopping')
    },
    untilEnded: () =>
      Promise.all([...ofClients.values()].flatMap((calls) => [...calls.values()].map(({ call }) => call))),
  }
}

/** The calls under way of each source, and the clients that wait until one of another client has ended, in their order. */
function createSourceSlots(wake: (clientId: string) => void) {
  const underWay = new Map<string, number>()
  const waiting = new Map<string, { clients: Set<string>; allowed: number }>()
  const wakeOf = (sourceId: string) => {
    const { clients, allowed } = waiting.get(sourceId) ?? { clients: new Set<string>(), allowed: 0 }
    // As many as there is room for: what one of them does not need the next turn gives to others.
    const free = allowed - (underWay.get(sourceId) ?? 0)
    for (const clientId of [...clients].slice(0, Math.max(0, free))) {
      clients.delete(clientId)
      wake(clientId)
    }
    if (clients.size === 0) waiting.delete(sourceId)
  }
  return {
    /** Takes a slot where fewer than `allowed` are taken; else the client waits for one. */
    take({ clientId, sourceId }: DueFetch, allowed: number): boolean {
      const count = underWay.get(sourceId) ?? 0
      if (count < allowed) {
        underWay.set(sourceId, count + 1)
        const others = waiting.get(sourceId)
        if (others) others.allowed = allowed
        return true
      }
      const clients = waiting.get(sourceId)?.clients ?? new Set()
      waiting.set(sourceId, { clients: clients.add(clientId), allowed })
      return false
    },
    giveBack(sourceId: string) {
      const count = (underWay.get(sourceId) ?? 0) - 1
      if (count > 0) underWay.set(sourceId, count)
      else underWay.delete(sourceId)
      wakeOf(sourceId)
    },
    wakeWaiting() {
      for (const sourceId of [...waiting.keys()]) wakeOf(sourceId)
    },
    isWaiting: (clientId: string) => [...waiting.values()].some(({ clients }) => clients.has(clientId)),
  }
}
