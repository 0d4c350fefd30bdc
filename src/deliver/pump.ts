import { type Due, type Place, type Read, START, type Want } from './due.ts'
import type { Endpoint } from './endpoint.ts'

/** What this process has in hand of one endpoint whose lease it holds. */
export interface Pump {
  readonly clientId: string
  readonly endpointId: string
  /** As of the last attempt. */
  endpoint: Endpoint | null
  /** Read and not started, in the order of their starts. */
  waiting: Due[]
  /** Started and not answered. */
  inFlight: number
  /** Read and not recorded: waiting, in flight, or being written down. */
  inHand: number
  /** Where the next reading goes on. */
  after: Place
  /** Readings of the present pass, a pass being one walk from the start to the end. */
  reads: number
  /** Rows may be left behind `after`. */
  more: boolean
  /** Woken since the present pass began: rows may be anywhere. */
  stale: boolean
  /** The database's time of the last reading. */
  asOf: string
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
  waiting: [],
  inFlight: 0,
  inHand: 0,
  after: START,
  reads: 0,
  more: false,
  stale: true,
  asOf: '-infinity',
  clocked: false,
  halted: null,
  lastBusy: performance.now(),
})

/** Half of the room is empty and there may be rows to fill it. */
export const needsRows = (pump: Pump, room: number): boolean =>
  pump.halted === null && (pump.more || pump.stale) && pump.inHand <= room / 2

/** The next reading of a pump that needs rows; from the start, those in hand are met again. */
export function nextRead(pump: Pump, room: number): Want {
  const fromStart = pump.after === START
  if (fromStart) pump.stale = false
  pump.reads += 1
  return { endpointId: pump.endpointId, after: pump.after, limit: fromStart ? room : room - pump.inHand }
}

/**
 * Takes over what was read, but for `known` ones. At the end of a pass comes another from the start if the pump was woken
 * meanwhile, or if the pass took several readings: a transaction with an earlier place may have committed behind us.
 */
export function absorb(pump: Pump, read: Read, known: Set<string>): void {
  for (const due of read.rows) {
    if (known.has(due.id)) continue
    known.add(due.id)
    pump.waiting.push(due)
    pump.inHand += 1
  }
  pump.asOf = read.asOf
  pump.after = read.all ? START : read.last
  pump.more = !read.all || pump.reads > 1
  if (read.all) pump.reads = 0
}

/** The next pass begins from the start. */
export function rewind(pump: Pump): void {
  pump.after = START
  pump.reads = 0
  pump.stale = true
}

/** Nothing to send, nothing to write down, nothing left to read. */
export const isIdle = (pump: Pump): boolean => pump.inHand === 0 && !pump.more && !pump.stale
