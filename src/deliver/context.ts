import type { Contract } from '../contracts/contract.ts'
import type { Db } from '../database/db.ts'
import type { Log } from '../log.ts'
import type { KeyRing } from '../secrets/keyring.ts'
import type { Watch } from '../watch.ts'
import type { Add } from '../workers/batcher.ts'
import type { Worker } from '../workers/worker.ts'
import type { EventBodies } from './attempt/event-bodies.ts'
import type { Made, Recorded } from './attempt/record.ts'
import type { Sender } from './attempt/send.ts'
import type { Kept } from './endpoint/save-health.ts'
import type { Due } from './queue/due-deliveries.ts'
import type { Floor } from './queue/floor.ts'
import type { Pump } from './queue/pump.ts'
import type { RetryClock } from './queue/retry-clock.ts'
import type { Turns } from './queue/shared-places.ts'
import type { Verdict } from './start-check.ts'

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
  /** Told of each attempt, and of what becomes of endpoints. */
  watch?: Watch
  send: Sender['send']
  bodies: EventBodies
  turns: Turns<Pump>
  floor: Floor
  /** How many pumps there are, of all clients. */
  pumps: { count: number }
  /** How many deliveries each pump may hold in memory at present. */
  room: () => number
  /** The client has nothing to do: it may be forgotten. */
  idle: (clientId: string) => void
  /** Counts what has begun and has to end before the process may. */
  tasks: { begin(): void; end(): void }
  /** Errors that are in the log already: one failed statement is the fault of every attempt that waited for it. */
  logged: WeakSet<object>
  stopping: () => boolean
  /** Whether what cannot be recorded is still tried again. */
  patient: () => boolean
}

/** One client's deliveries in this process: a pump for each endpoint that it holds, and the rounds that feed them. */
export interface Client {
  readonly id: string
  readonly pumps: ReadonlyMap<string, Pump>
  readonly clock: RetryClock
  readonly ready: Add<{ pump: Pump; due: Due }, Verdict>
  readonly record: Add<Made, Recorded>
  /** Writes down how an endpoint fares. */
  readonly keep: Add<Kept, void>
  /** Looks for work of these endpoints, or of any that has some; with `doubt`, what was read of it before is read anew. */
  wake(endpointIds?: string[], doubt?: boolean): void
  /** Asks for a round: rows are wanted. */
  look(): void
  /** A delivery is done with: recorded, or not to be attempted. */
  forget(pump: Pump, due: Due): void
  /** Forgets what waits and was read, and reads it anew: it was not what is to be sent next. */
  reread(pump: Pump): void
  /** Forgets what waits, and starts no more. */
  halt(pump: Pump, why: NonNullable<Pump['halted']>): void
  /** Forgets the pump: its lease is lost, or about to be given back. */
  drop(pump: Pump): void
  /** Nothing is held, in hand or awaited. */
  isIdle(): boolean
  /** Gives back every lease. */
  stop(): Promise<void>
}
