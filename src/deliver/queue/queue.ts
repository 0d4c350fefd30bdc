import { type Due, type Place, type Read, START, type Want } from './due-deliveries.ts'

/** The due deliveries of an endpoint in this process: those never tried yet, or those to be tried again. */
export interface Queue {
  readonly retries: boolean
  /** Read and not started, in the order of their starts. */
  waiting: Due[]
  /** Read and not recorded: waiting, in flight, or being written down. */
  inHand: number
  /** How many were read in all. */
  turns: number
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
  /** How often it was rewound: what was asked for before is not taken over. */
  rewinds: number
}

export const newQueue = (retries: boolean): Queue => ({
  retries,
  waiting: [],
  inHand: 0,
  turns: 0,
  after: START,
  reads: 0,
  more: false,
  stale: true,
  asOf: '-infinity',
  rewinds: 0,
})

/** Half of the room is empty and there may be rows to fill it. */
export const needsRows = (queue: Queue, room: number): boolean =>
  (queue.more || queue.stale) && queue.inHand <= room / 2

/** The next reading of a queue that needs rows; from the start, those in hand are met again. */
export function nextRead({ endpointId, isNew }: Pick<Want, 'endpointId' | 'isNew'>, queue: Queue, room: number): Want {
  const fromStart = queue.after === START
  if (fromStart) queue.stale = false
  queue.reads += 1
  const limit = fromStart ? room : room - queue.inHand
  return { endpointId, isNew, retries: queue.retries, after: queue.after, limit }
}

/**
 * Takes over what was read, but for `known` ones. At the end of a pass comes another from the start if the queue was woken
 * meanwhile, or if the pass took several readings: a transaction with an earlier place may have committed behind us.
 */
export function absorb(queue: Queue, read: Read, known: Set<string>): void {
  for (const due of read.rows) {
    if (known.has(due.id)) continue
    known.add(due.id)
    due.turn = queue.turns
    queue.turns += 1
    queue.waiting.push(due)
    queue.inHand += 1
  }
  queue.asOf = read.asOf
  queue.after = read.all ? START : read.last
  queue.more = !read.all || queue.reads > 1
  if (read.all) queue.reads = 0
}

/** The next pass begins from the start. */
export function rewind(queue: Queue): void {
  queue.rewinds += 1
  queue.after = START
  queue.reads = 0
  queue.stale = true
}

/** Puts one back that could not be started: among those that wait, where it was read. */
export function putBack({ waiting }: Queue, due: Due): void {
  const at = waiting.findIndex(({ turn }) => turn > due.turn)
  if (at < 0) waiting.push(due)
  else waiting.splice(at, 0, due)
}

/** Nothing to send, nothing to write down, nothing left to read. */
export const isIdle = (queue: Queue): boolean => queue.inHand === 0 && !queue.more && !queue.stale
