import type { Contract } from '../contracts/contract.ts'
import type { Db } from '../db.ts'
import type { KeyRing } from '../keyring.ts'
import type { Log } from '../log.ts'
import type { Watch } from '../watch.ts'
import type { Worker } from '../worker.ts'
import type { EventBodies } from './bodies.ts'
import type { Floor } from './floor.ts'
import type { Pump } from './pump.ts'
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
