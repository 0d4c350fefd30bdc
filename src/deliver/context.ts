import type { Contract } from '../contracts/contract.ts'
import type { Db } from '../database/db.ts'
import type { Log } from '../log.ts'
import type { KeyRing } from '../secrets/keyring.ts'
import type { Watch } from '../watch.ts'
import type { AddToBatch } from '../workers/batcher.ts'
import type { Worker } from '../workers/worker.ts'
import type { LoadEventBodies } from './attempt/event-bodies.ts'
import type { AttemptMade, RecordResult } from './attempt/record-attempts.ts'
import type { Sender } from './attempt/send-post.ts'
import type { HealthSave } from './endpoint/save-health.ts'
import type { DueDelivery } from './queue/due-deliveries.ts'
import type { OldestPending } from './queue/oldest-pending.ts'
import type { Pump } from './queue/pump.ts'
import type { RetryClock } from './queue/retry-clock.ts'
import type { SharedSlots } from './queue/shared-slots.ts'
import type { StartVerdict } from './start-check.ts'

/** What the deliveries of all clients share in this process. */
export interface DeliverContext {
  db: Db
  log: Log
  worker: Worker
  keyRing: KeyRing
  contracts: Readonly<Record<string, Contract>>
  /** The database's clock. */
  now: () => Date
  /** The clock of this machine, which signatures name. */
  wallClock?: (() => Date) | undefined
  random: () => number
  /** Another worker has units of this client for which there is work. */
  onLeasedElsewhere: (clientId: string) => void
  /** Somebody should wake this client at about this time, in case this process is gone by then. */
  scheduleBackstop: (clientId: string, at: Date) => void
  /** Hears of each attempt, and of each change of an endpoint. */
  watch?: Watch
  sendPost: Sender['sendPost']
  loadEventBodies: LoadEventBodies
  slots: SharedSlots<Pump>
  oldestPending: OldestPending
  /** How many pumps there are, of all clients. */
  pumps: { count: number }
  /** How many deliveries each pump may hold in memory at present. */
  queueLimit: (pumpsOfClient: number) => number
  /** The client has nothing to do: it may be forgotten. */
  onClientIdle: (clientId: string) => void
  /** Counts what has begun and has to end before the process may. */
  tasks: { begin(): void; end(): void }
  /** Errors that are in the log already: one failed statement is the fault of every attempt that waited for it. */
  loggedErrors: WeakSet<object>
  isStopping: () => boolean
  /** Whether what cannot be recorded is still tried again. */
  canRetryRecording: () => boolean
}

/** `reread`: what was read of these endpoints before now may have been cancelled, and is read anew. */
export interface WakeOptions {
  reread?: boolean
}

/** One client's deliveries in this process: a pump for each endpoint whose lease it holds, and the loop that feeds them. */
export interface ClientDeliveries {
  readonly id: string
  readonly pumps: ReadonlyMap<string, Pump>
  readonly clock: RetryClock
  readonly startCheck: AddToBatch<{ pump: Pump; delivery: DueDelivery }, StartVerdict>
  readonly recordAttempt: AddToBatch<AttemptMade, RecordResult>
  /** Saves the health of an endpoint. */
  readonly saveHealth: AddToBatch<HealthSave, void>
  /** Looks for due deliveries of these endpoints, or of any endpoint of the client. */
  wakeEndpoints(endpointIds?: string[], options?: WakeOptions): void
  /** Requests a run of the loop: pumps need rows. */
  requestRows(): void
  /** The delivery is no longer in hand: it was recorded, or is not to be attempted. */
  forgetDelivery(pump: Pump, delivery: DueDelivery): void
  /** Forgets the waiting deliveries of the pump and reads them again: others are to be sent first. */
  rereadPump(pump: Pump): void
  /** Forgets the waiting deliveries of the pump, and starts no more. */
  haltPump(pump: Pump, why: NonNullable<Pump['haltReason']>): void
  /** Forgets the pump: its lease is lost, or about to be given back. */
  dropPump(pump: Pump): void
  /** It has no pump, no delivery in hand, and no time set on its clock. */
  isIdle(): boolean
  /** Gives back every lease. */
  stop(): Promise<void>
}
