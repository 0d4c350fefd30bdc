import type { Add } from '../batch.ts'
import type { Contract } from '../contracts/contract.ts'
import type { Db } from '../db.ts'
import type { KeyRing } from '../keyring.ts'
import type { Log } from '../log.ts'
import type { Worker } from '../worker.ts'
import type { EventBodies } from './bodies.ts'
import { type RetryClock, retryClock } from './clock.ts'
import { type Due, dueEndpoints, nextDue, readDue, START } from './due.ts'
import { absorb, isIdle, needsRows, newPump, nextRead, type Pump } from './pump.ts'
import { readiness, type Verdict } from './ready.ts'
import { type Made, recorder } from './record.ts'
import { closePump } from './run.ts'
import type { Sender } from './send.ts'
import type { Turns } from './turns.ts'

/** What the deliveries of all clients share in this process. */
export interface Shared {
  db: Db
  log: Log
  worker: Worker
  keyRing: KeyRing
  contracts: Readonly<Record<string, Contract>>
  now: () => Date
  random: () => number
  /** Another worker has units of this client for which there is work. */
  elsewhere: (clientId: string) => void
  /** Somebody should wake this client at about this time, in case this process is gone by then. */
  backstop: (clientId: string, at: Date) => void
  send: Sender['send']
  bodies: EventBodies
  turns: Turns<Pump>
  /** How many deliveries each pump may hold in memory at present. */
  room: () => number
  /** Counts what has begun and has to end before the process may. */
  tasks: { begin(): void; end(): void }
  stopping: () => boolean
  /** Whether what cannot be recorded is still tried again. */
  patient: () => boolean
}

/** One client's deliveries in this process: a pump for each endpoint that it holds, and the rounds that feed them. */
export interface Client {
  readonly id: string
  readonly pumps: Map<string, Pump>
  /** Read and not recorded, of all pumps, lost ones too: none of these is started a second time. */
  readonly inHand: Set<string>
  readonly clock: RetryClock
  readonly ready: Add<{ pump: Pump; due: Due }, Verdict>
  readonly record: Add<Made, boolean>
  /** Looks for work of these endpoints, or of any that has some. */
  wake(endpointIds?: string[]): void
  /** Starts a round soon: rows are wanted. */
  look(): void
  /** A delivery is done with: recorded, or not to be attempted. */
  forget(pump: Pump, deliveryId: string): void
  /** Forgets what waits, and starts no more. */
  halt(pump: Pump, why: NonNullable<Pump['halted']>): void
  /** The leases are lost: other workers may hold them by now. */
  lost(): void
  /** Nothing is in hand, held or awaited: this may be forgotten. */
  isIdle(): boolean
  /** Gives back every lease. */
  stop(): Promise<void>
}

/** Rounds of a busy client begin this far apart: what wants rows meanwhile shares a statement. */
const ROUND_MS = 5
/** So often pumps that have fallen asleep are looked over: when does the next delivery come due, is the lease still needed? */
const TIDY_MS = 200
const RETELL_MS = 1_000
const RELEASE_AFTER_MS = 3_000
const FAULT_PAUSE_MS = 1_000
/** Deliveries due later than this are found by the sweep in time. */
const HORIZON_SECONDS = 90

export function clientWork(shared: Shared, id: string): Client {
  const { db, log, worker, turns } = shared
  const pumps = new Map<string, Pump>()
  const wanted = new Set<string>()
  const discovered = new Set<string>()
  const inHand = new Set<string>()
  let discover = false
  let reading = false
  let doneWhileReading: string[] = []
  let running = false
  let again = false
  let tidyTimer: NodeJS.Timeout | undefined
  let tidyDue = false
  let toldAt = 0

  async function round(): Promise<void> {
    if (discover) await discoverDue()
    if (wanted.size + discovered.size > 0) await claimWanted()
    await readRows()
    if (tidyDue) await tidy()
  }

  async function discoverDue() {
    discover = false
    for (const { endpointId, seconds } of await dueEndpoints(db, HORIZON_SECONDS, id))
      if (seconds > 0) client.clock.set(endpointId, seconds)
      else wakeOne(endpointId, discovered)
  }

  async function claimWanted() {
    const named = new Set(wanted)
    const asked = [...new Set([...named, ...discovered])]
    const { held, elsewhere } = await worker.claim(id, asked.map(unit))
    for (const endpointId of asked) {
      if (named.has(endpointId)) wanted.delete(endpointId)
      discovered.delete(endpointId)
    }
    for (const endpointId of held.map(endpointOf)) {
      if (!pumps.has(endpointId)) pumps.set(endpointId, newPump(id, endpointId))
    }
    // What was merely found due may well be in work there, and two processes that tell each other so would never end.
    const news = elsewhere.some((name) => named.has(endpointOf(name)))
    if (elsewhere.length === 0 || (!news && performance.now() < toldAt + RETELL_MS)) return
    toldAt = performance.now()
    shared.elsewhere(id)
  }

  async function readRows() {
    const room = shared.room()
    const hungry = [...pumps.values()].filter((pump) => needsRows(pump, room))
    if (hungry.length === 0) return
    reading = true
    try {
      const reads = await readDue(
        db,
        id,
        hungry.map((pump) => nextRead(pump, room)),
      )
      // Loaded here, hundreds at once, they are at hand when the attempts start.
      await shared.bodies(id, new Set([...reads.values()].flatMap(({ rows }) => rows.map(({ eventId }) => eventId))))
      for (const pump of hungry) {
        const read = reads.get(pump.endpointId)!
        if (pump.halted) continue
        absorb(pump, read, inHand)
        if (read.closed) closePump(shared, client, pump)
        else turns.offer(pump)
      }
    } catch (error) {
      for (const pump of hungry) rewind(pump)
      throw error
    } finally {
      reading = false
      // What was recorded while we read may have been read as it was before: only now it can be told apart no more.
      for (const deliveryId of doneWhileReading) inHand.delete(deliveryId)
      doneWhileReading = []
    }
  }

  async function tidy() {
    tidyDue = false
    const asleep = [...pumps.values()].filter((pump) => !pump.more && !pump.stale && pump.halted === null)
    const unclocked = asleep.filter((pump) => !pump.clocked)
    if (unclocked.length > 0) {
      for (const pump of unclocked) pump.clocked = true
      for (const { endpointId, seconds } of await nextDue(db, id, unclocked)) client.clock.set(endpointId, seconds)
      const seconds = client.clock.next()
      if (seconds !== null) shared.backstop(id, new Date(shared.now().getTime() + seconds * 1000))
    }
    const before = performance.now() - RELEASE_AFTER_MS
    const unneeded = asleep.filter((pump) => pump.clocked && isIdle(pump) && pump.lastBusy < before)
    if (unneeded.length === 0) return
    // Forgotten before they are given back: a wake that comes meanwhile claims them anew.
    for (const pump of unneeded) pumps.delete(pump.endpointId)
    await worker.release(
      id,
      unneeded.map((pump) => unit(pump.endpointId)),
    )
  }

  async function rounds() {
    running = true
    shared.tasks.begin()
    do {
      again = false
      const started = performance.now()
      try {
        await round()
      } catch (error) {
        log.error({ err: error, clientId: id }, 'delivery.round_failed')
        again = true
        await pause(FAULT_PAUSE_MS)
      }
      const spare = started + ROUND_MS - performance.now()
      if (again && spare > 1) await pause(spare)
    } while (again && !shared.stopping())
    running = false
    shared.tasks.end()
    if (pumps.size > 0 && !shared.stopping())
      tidyTimer ??= setTimeout(() => {
        tidyTimer = undefined
        tidyDue = true
        client.look()
      }, TIDY_MS)
  }

  function wakeOne(endpointId: string, absent: Set<string>) {
    const pump = pumps.get(endpointId)
    if (!pump) return absent.add(endpointId)
    pump.stale = true
    pump.clocked = false
  }

  function rewind(pump: Pump) {
    pump.after = START
    pump.reads = 0
    pump.stale = true
  }

  const client: Client = {
    id,
    pumps,
    inHand,
    clock: retryClock({ ring: (endpointIds) => client.wake(endpointIds) }),
    ready: readiness(shared, id),
    record: recorder({ db, log, patience: shared.patient }, id),
    wake(endpointIds) {
      if (endpointIds) for (const endpointId of endpointIds) wakeOne(endpointId, wanted)
      else discover = true
      client.look()
    },
    look() {
      if (shared.stopping()) return
      if (running) again = true
      else void rounds()
    },
    forget(pump, deliveryId) {
      pump.inHand -= 1
      pump.lastBusy = performance.now()
      if (reading) doneWhileReading.push(deliveryId)
      else inHand.delete(deliveryId)
    },
    halt(pump, why) {
      if (pump.halted === 'lost') return
      pump.halted = why
      for (const { id: deliveryId } of pump.waiting) client.forget(pump, deliveryId)
      pump.waiting = []
      rewind(pump)
      if (why === 'lost') pumps.delete(pump.endpointId)
      if (why === 'fault')
        setTimeout(() => {
          if (pump.halted === 'fault') pump.halted = null
          client.look()
        }, FAULT_PAUSE_MS).unref()
    },
    lost() {
      for (const pump of [...pumps.values()]) client.halt(pump, 'lost')
    },
    isIdle: () =>
      !running &&
      pumps.size === 0 &&
      wanted.size + discovered.size === 0 &&
      inHand.size === 0 &&
      client.clock.next() === null,
    async stop() {
      clearTimeout(tidyTimer)
      client.clock.stop()
      if (pumps.size > 0) await worker.release(id, [...pumps.keys()].map(unit))
    },
  }
  return client
}

const unit = (endpointId: string) => `endpoint:${endpointId}`
const endpointOf = (unit: string) => unit.slice('endpoint:'.length)

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
