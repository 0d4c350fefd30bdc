import type { ContractMappings } from '../../mappings/offer.ts'
import { type Db, inTransaction, type Tx } from '../database/db.ts'
import type { SessionSettings } from '../database/session-settings.ts'
import type { CreatedDelivery } from '../domain/created-delivery.ts'
import type { Log } from '../log.ts'
import type { KeyRing } from '../secrets/keyring.ts'
import type { NormalizedBatch, Watch } from '../watch.ts'
import type { LoneGate } from '../workers/lone-gate.ts'
import type { NewEvent } from './new-events.ts'

export interface BatchDeps {
  db: Db
  log: Log
  now: () => Date
  mappings: ContractMappings
  holdSeconds: number
  /** How long events wait for what is fetched from Stripe; undefined: nothing is fetched. */
  hydrateSeconds?: number
  /** Opens the key of whom the client has deleted; left out, nobody was. */
  keyRing?: Pick<KeyRing, 'decrypt'>
  /** Makes the deliveries of new events in the same transaction; answers each client's pending ones. */
  fanOut: (
    tx: Tx,
    events: readonly Pick<NewEvent, 'clientId' | 'id' | 'contract' | 'type' | 'userId'>[],
  ) => Promise<ReadonlyMap<string, readonly CreatedDelivery[]>>
  /** What runs in this process beside this batch; left out: nothing. */
  gate?: LoneGate
  /** Told of each transaction after its commit. */
  watch?: Watch
  /** Called after each commit with what it has come to: another transaction of the same batch may fail. */
  onCommitted?: (results: BatchResults) => void
}

/** What a batch came to for one client. */
export interface BatchResult {
  /** Source events looked at; 0: none was due. Where some had no room in the batch it is never 0. */
  sourceEventCount: number
  endpointIds: string[]
  /** The deliveries that were made for these endpoints. */
  created: readonly CreatedDelivery[]
  /** Earliest deadline of what this batch holds back. */
  heldUntil: Date | null
  /** Held events were released: look again at once. */
  hasReleasedHeld: boolean
  /** Something is to be fetched from Stripe. */
  hasFetchRequests: boolean
  /** When the first of the timers goes off that this batch has set. */
  nextTimerAt: Date | null
}

/** Nothing was due. */
export const NOTHING_DUE: BatchResult = {
  sourceEventCount: 0,
  endpointIds: [],
  created: [],
  heldUntil: null,
  hasReleasedHeld: false,
  hasFetchRequests: false,
  nextTimerAt: null,
}

/** What each client of a batch has come to. */
export type BatchResults = ReadonlyMap<string, BatchResult>

/** What several transactions came to together. */
const mergeOwn = (results: readonly BatchResult[]): BatchResult => ({
  sourceEventCount: results.reduce((sum, { sourceEventCount }) => sum + sourceEventCount, 0),
  endpointIds: [...new Set(results.flatMap(({ endpointIds }) => endpointIds))],
  created: results.flatMap(({ created }) => created),
  heldUntil: earliestOf(results.map(({ heldUntil }) => heldUntil)),
  hasReleasedHeld: results.some(({ hasReleasedHeld }) => hasReleasedHeld),
  hasFetchRequests: results.some(({ hasFetchRequests }) => hasFetchRequests),
  nextTimerAt: earliestOf(results.map(({ nextTimerAt }) => nextTimerAt)),
})

/** What several transactions came to together, client by client. */
export const mergeResults = (parts: readonly BatchResults[]): BatchResults =>
  new Map(
    [
      ...Map.groupBy(
        parts.flatMap((part) => [...part]),
        ([clientId]) => clientId,
      ),
    ].map(([clientId, own]) => [clientId, mergeOwn(own.map(([, result]) => result))]),
  )

export const earliestOf = (times: readonly (Date | null)[]) =>
  times.reduce((first, time) => (time && (!first || time < first) ? time : first), null)

/** What a transaction came to, and what is reported of it; null: it found nothing to do. */
export type ProcessedBatch = {
  results: BatchResults
  report: Omit<NormalizedBatch, 'startedAt' | 'committedAt'> | null
}

export const NOTHING_TO_DO: ProcessedBatch = { results: new Map(), report: null }

/**
 * So long a batch waits for rows that somebody has locked: one of several clients hardly at all, since the lease loop then tries its halves,
 * until the client whose rows they are is by itself.
 */
export const lockWaitOf = (clientCount: number): SessionSettings => ({ lock_timeout: clientCount > 1 ? '250ms' : '5s' })

/** Runs a transaction, which has these settings, and reports it after its commit. */
export async function commitAndReport(
  { db, now, watch, onCommitted }: BatchDeps,
  work: (tx: Tx) => Promise<ProcessedBatch>,
  settings: SessionSettings = {},
): Promise<BatchResults> {
  // By the clock of what is compared with it: when the events were received.
  const startedAt = now().getTime()
  const { results, report } = await inTransaction(db, work, settings)
  if (report) watch?.onBatchNormalized?.({ ...report, startedAt, committedAt: now().getTime() })
  onCommitted?.(results)
  return results
}
