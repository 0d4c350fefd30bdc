import type { Endpoint } from '../endpoint/endpoint.ts'
import type { DueDelivery } from './due-deliveries.ts'
import { isQueueIdle, newQueue, type Queue, queueNeedsRows } from './queue.ts'

/** What this process has in hand of one endpoint whose lease it holds. */
export interface Pump {
  readonly groupId: string
  readonly clientId: string
  readonly endpointId: string
  /** When its lease was claimed, in milliseconds of `performance.now()`. */
  readonly claimedAt: number
  /** As of the last attempt; null: not known yet. */
  endpoint: Endpoint | null
  /** While the endpoint is not known: how many attempts may be requested at once. */
  startsWhileUnknown: number
  readonly firstAttempts: Queue
  readonly retries: Queue
  /** The next one to start is a retry, where there is the choice. */
  isRetryNext: boolean
  /** Requested or started, and not ended. */
  inFlight: number
  /** Started and not ended. */
  sending: number
  /** Of `inFlight`, those that hold one of the slots that all pumps share. */
  slots: number
  /** Its last attempt was slow: see shared-slots.ts. */
  isSlow: boolean
  /** The probe of an open breaker is under way. */
  isProbing: boolean
  /** When the latest attempts started, in milliseconds since 1970; of an endpoint with a rate limit. */
  starts: number[]
  /** Runs while the breaker or the rate limit lets nothing start. */
  startTimer: NodeJS.Timeout | undefined
  /** Woken while the breaker or the rate limit let nothing start: one delivery checks whether the endpoint was changed. */
  mustRecheck: boolean
  /** Deliveries read before this moment of `performance.now()` may have been cancelled since. */
  staleBefore: number
  /** The retry clock knows when the next delivery comes due. */
  isOnClock: boolean
  /** Why nothing is started: the lease is lost, what waits is being ended, a fault has to pass, or the process ends. */
  haltReason: 'lost' | 'closing' | 'fault' | 'stopping' | null
  /** Milliseconds of `performance.now()`. */
  lastBusyAt: number
}

export const newPump = ({
  groupId,
  clientId,
  endpointId,
}: Pick<Pump, 'groupId' | 'clientId' | 'endpointId'>): Pump => ({
  groupId,
  clientId,
  endpointId,
  claimedAt: performance.now(),
  endpoint: null,
  startsWhileUnknown: 1,
  firstAttempts: newQueue({ holdsRetries: false }),
  retries: newQueue({ holdsRetries: true }),
  isRetryNext: false,
  inFlight: 0,
  sending: 0,
  slots: 0,
  isSlow: false,
  isProbing: false,
  starts: [],
  startTimer: undefined,
  mustRecheck: false,
  staleBefore: Number.NEGATIVE_INFINITY,
  isOnClock: false,
  haltReason: null,
  lastBusyAt: performance.now(),
})

export const queueFor = (pump: Pump, { attempts }: DueDelivery): Queue =>
  attempts > 0 ? pump.retries : pump.firstAttempts

export const hasWaiting = ({ firstAttempts, retries }: Pump): boolean =>
  firstAttempts.waiting.length > 0 || retries.waiting.length > 0

/** The next delivery to start: first attempts and retries take turns, so that neither waits for the end of the other. */
export function takeNextWaiting(pump: Pump): DueDelivery {
  const { firstAttempts, retries } = pump
  const retry = retries.waiting.length > 0 && (pump.isRetryNext || firstAttempts.waiting.length === 0)
  pump.isRetryNext = !retry
  const delivery = (retry ? retries : firstAttempts).waiting.shift()
  if (!delivery) throw new Error('a slot was given to a pump in which no delivery waits')
  return delivery
}

/** Rows are wanted, of first attempts or of retries. */
export const pumpNeedsRows = ({ firstAttempts, retries, haltReason }: Pump, queueLimit: number): boolean =>
  haltReason === null && (queueNeedsRows(firstAttempts, queueLimit) || queueNeedsRows(retries, queueLimit))

/** Nothing left to read, for all that is known. */
export const hasNothingToRead = ({ firstAttempts, retries, haltReason }: Pump): boolean =>
  haltReason === null && !firstAttempts.hasMore && !firstAttempts.isStale && !retries.hasMore && !retries.isStale

export const isPumpIdle = ({ firstAttempts, retries }: Pump): boolean =>
  isQueueIdle(firstAttempts) && isQueueIdle(retries)
