import { type DueDelivery, type DueQuery, type DueResult, QUEUE_START, type QueuePosition } from './due-deliveries.ts'

/** The due deliveries of an endpoint in this process: those never tried yet, or those to be tried again. */
export interface Queue {
  readonly holdsRetries: boolean
  /** Read and not started, in the order of their starts. */
  waiting: DueDelivery[]
  /** Read and not recorded: waiting, in flight, or being written down. */
  inHand: number
  /** How many were read in all. */
  readCount: number
  /** Where the next reading goes on. */
  after: QueuePosition
  /** Readings of the present pass, a pass being one walk from the start to the end. */
  readsInPass: number
  /** There may be rows after `after`. */
  hasMore: boolean
  /** Woken since the present pass began: rows may be anywhere. */
  isStale: boolean
  /** The database's time of the last reading. */
  asOf: string
  /** How often it was rewound: rows that were requested before are not taken over. */
  rewindCount: number
}

export const newQueue = ({ holdsRetries }: Pick<Queue, 'holdsRetries'>): Queue => ({
  holdsRetries,
  waiting: [],
  inHand: 0,
  readCount: 0,
  after: QUEUE_START,
  readsInPass: 0,
  hasMore: false,
  isStale: true,
  asOf: '-infinity',
  rewindCount: 0,
})

/** It is at most half full, and there may be rows to fill it. */
export const queueNeedsRows = (queue: Queue, queueLimit: number): boolean =>
  (queue.hasMore || queue.isStale) && queue.inHand <= queueLimit / 2

/** The next reading of a queue that needs rows; from the start, those in hand are met again. */
export function nextQuery(
  endpoint: Pick<DueQuery, 'clientId' | 'endpointId' | 'isNew'>,
  queue: Queue,
  queueLimit: number,
): DueQuery {
  const isFromStart = queue.after === QUEUE_START
  if (isFromStart) queue.isStale = false
  queue.readsInPass += 1
  const limit = isFromStart ? queueLimit : queueLimit - queue.inHand
  return { ...endpoint, areRetries: queue.holdsRetries, after: queue.after, limit }
}

/** Adds rows behind those that wait, but for `known` ones. */
export function addRows(queue: Queue, rows: readonly DueDelivery[], known: Set<string>): void {
  for (const delivery of rows) {
    if (known.has(delivery.id)) continue
    known.add(delivery.id)
    delivery.readOrder = queue.readCount
    queue.readCount += 1
    queue.waiting.push(delivery)
    queue.inHand += 1
  }
}

/** Nothing is left in the database, for all that is known, but what a reading that is under way may find. */
export const hasReadAll = ({ hasMore, isStale }: Queue): boolean => !hasMore && !isStale

/**
 * Takes over what was read, but for `known` ones. At the end of a pass comes another from the start if the queue was woken
 * meanwhile, or if the pass took several readings: a transaction may have committed rows at earlier positions.
 */
export function absorbRows(queue: Queue, result: DueResult, known: Set<string>): void {
  addRows(queue, result.rows, known)
  queue.asOf = result.asOf
  queue.after = result.isComplete ? QUEUE_START : result.last
  queue.hasMore = !result.isComplete || queue.readsInPass > 1
  if (result.isComplete) queue.readsInPass = 0
}

/** The next pass begins from the start. */
export function rewindQueue(queue: Queue): void {
  queue.rewindCount += 1
  queue.after = QUEUE_START
  queue.readsInPass = 0
  queue.isStale = true
}

/** Puts one back that could not be started: among those that wait, where it was read. */
export function putBackDelivery({ waiting }: Queue, delivery: DueDelivery): void {
  const at = waiting.findIndex(({ readOrder }) => readOrder > delivery.readOrder)
  if (at < 0) waiting.push(delivery)
  else waiting.splice(at, 0, delivery)
}

/** Nothing to send, nothing to write down, nothing left to read. */
export const isQueueIdle = (queue: Queue): boolean => queue.inHand === 0 && !queue.hasMore && !queue.isStale
