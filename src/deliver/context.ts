import type { Contract } from '../contracts/contract.ts'
import type { ClientGroups } from '../database/client-groups.ts'
import type { Db } from '../database/db.ts'
import type { CreatedDelivery } from '../domain/created-delivery.ts'
import type { Log } from '../log.ts'
import type { KeyRing } from '../secrets/keyring.ts'
import type { Watch } from '../watch.ts'
import type { AddToBatch } from '../workers/batcher.ts'
import type { Worker } from '../workers/worker.ts'
import type { AttemptMade, RecordResult } from './attempt/attempt-made.ts'
import type { EventBodies } from './attempt/event-bodies.ts'
import type { Sender } from './attempt/send-post.ts'
import type { HealthSave } from './endpoint/save-health.ts'
import type { DueDelivery } from './queue/due-deliveries.ts'
import type { OldestPending } from './queue/oldest-pending.ts'
import type { Pump } from './queue/pump.ts'
import type { QueueLimits } from './queue/queue-limits.ts'
import type { ClientEndpoint, RetryClock } from './queue/retry-clock.ts'
import type { SharedSlots } from './queue/shared-slots.ts'
import type { StartVerdict } from './start-check.ts'

/** What the deliveries of all clients share in this process. */
export interface DeliverContext {
  db: Db
  /** Which clients share a loop and its statements. */
  groups: Pick<ClientGroups, 'groupOf'>
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
  loadEventBodies: EventBodies['loadEventBodies']
  rememberBody: EventBodies['rememberBody']
  slots: SharedSlots<Pump>
  oldestPending: OldestPending
  /** How many deliveries each pump may hold in memory. */
  limits: QueueLimits
  /** The group has nothing to do: it may be forgotten. */
  onGroupIdle: (groupId: string) => void
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
  /** The deliveries for which the endpoints are woken, as far as they are known here: they need not be read. */
  created?: readonly CreatedDelivery[]
}

/**
 * The deliveries of a group of clients in this process: a pump for each endpoint whose lease it holds, and the loop that feeds them.
 * The clients share every statement, so that what a delivery costs does not grow with their number.
 */
export interface GroupDeliveries {
  readonly id: string
  readonly pumps: ReadonlyMap<string, Pump>
  readonly clock: RetryClock
  readonly startCheck: AddToBatch<{ pump: Pump; delivery: DueDelivery }, StartVerdict>
  readonly recordAttempt: AddToBatch<AttemptMade, RecordResult>
  /** Saves the health of an endpoint. */
  readonly saveHealth: AddToBatch<HealthSave, void>
  /** Looks for due deliveries of these endpoints of a client, or of any. */
  wakeClient(clientId: string, endpointIds?: readonly string[], options?: WakeOptions): void
  /** Looks for due deliveries of this endpoint. */
  wakeEndpoint(endpoint: ClientEndpoint): void
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
