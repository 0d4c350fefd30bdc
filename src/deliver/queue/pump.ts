import type { Endpoint } from '../endpoint/endpoint.ts'
import type { Due } from './due-deliveries.ts'
import { isIdle, needsRows, newQueue, type Queue } from './queue.ts'

/** What this process has in hand of one endpoint whose lease it holds. */
export interface Pump {
  readonly clientId: string
  readonly endpointId: string
  /** As of the last attempt; null: not known yet, or to be looked at anew. */
  endpoint: Endpoint | null
  /** While it is not known: how many may be asked for at once. */
  ahead: number
  readonly first: Queue
  readonly again: Queue
  /** The next one to start is a retry, where there is the choice. */
  retryNext: boolean
  /** Asked for or started, and not answered. */
  inFlight: number
  /** Started and not answered. */
  sending: number
  /** Of `inFlight`, those that hold one of the places that all pumps share. */
  places: number
  /** Its last attempt took long: see turns.ts. */
  slow: boolean
  /** One is on its way that tries whether an open breaker may close. */
  probing: boolean
  /** When the latest attempts started, in milliseconds since 1970; of an endpoint with a rate limit. */
  starts: number[]
  /** Runs while the breaker or the rate limit lets nothing start. */
  timer: NodeJS.Timeout | undefined
  /** Woken while something held it up: the endpoint may have been changed, and is asked for with one delivery. */
  woken: boolean
  /** What was read before that moment of `performance.now()` may have been cancelled since. */
  doubtedAt: number
  /** The retry clock knows when the next delivery comes due. */
  clocked: boolean
  /** Why nothing is started: the lease is lost, what waits is being ended, a fault has to pass, or the process ends. */
  halted: 'lost' | 'closing' | 'fault' | 'stopping' | null
  /** Milliseconds of `performance.now()`. */
  lastBusy: number
}

export const newPump = (clientId: string, endpointId: string): Pump => ({
  clientId,
  endpointId,
  endpoint: null,
  ahead: 1,
  first: newQueue(false),
  again: newQueue(true),
  retryNext: false,
  inFlight: 0,
  sending: 0,
  places: 0,
  slow: false,
  probing: false,
  starts: [],
  timer: undefined,
  woken: false,
  doubtedAt: Number.NEGATIVE_INFINITY,
  clocked: false,
  halted: null,
  lastBusy: performance.now(),
})

export const queueOf = (pump: Pump, { attempts }: Due): Queue => (attempts > 0 ? pump.again : pump.first)

export const hasWaiting = ({ first, again }: Pump): boolean => first.waiting.length > 0 || again.waiting.length > 0

/** The next delivery to start: first attempts and retries take turns, so that neither waits for the end of the other. */
export function nextWaiting(pump: Pump): Due {
  const { first, again } = pump
  const retry = again.waiting.length > 0 && (pump.retryNext || first.waiting.length === 0)
  pump.retryNext = !retry
  return (retry ? again : first).waiting.shift()!
}

/** Rows are wanted, of first attempts or of retries. */
export const isHungry = ({ first, again, halted }: Pump, room: number): boolean =>
  halted === null && (needsRows(first, room) || needsRows(again, room))

/** Nothing left to read, for all that is known. */
export const isAsleep = ({ first, again, halted }: Pump): boolean =>
  halted === null && !first.more && !first.stale && !again.more && !again.stale

export const isUnneeded = ({ first, again }: Pump): boolean => isIdle(first) && isIdle(again)
