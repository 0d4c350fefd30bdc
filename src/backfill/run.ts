import { setTimeout as delay } from 'node:timers/promises'
import type { Db } from '../database/db.ts'
import type { Routing } from '../domain/routing.ts'
import type { Log } from '../log.ts'
import type { StripeApi, StripeReply } from '../network/stripe-api.ts'
import type { KeyRing } from '../secrets/keyring.ts'
import type { StopSignal } from '../workers/leased-runs.ts'
import { advanceBackfill, type Backfill, completeBackfill, type EventCounts, recordFailedCall } from './state.ts'
import { type ListedStripeEvent, nextWindowSeconds, readWindow, splitBySeconds } from './windows.ts'

export interface BackfillDeps {
  db: Db
  log: Log
  keyRing: Pick<KeyRing, 'decrypt'>
  stripe: StripeApi
  random: () => number
  /** Reads and stores one window when the turn of its client comes. */
  runInTurn: <T>(work: () => Promise<T>) => Promise<T>
  /** Stores an event as the receiver does. `known`: it was there already; `refused`: the database cannot hold it. */
  storeListed: (event: {
    clientId: string
    sourceId: string
    account: string
    routing: Routing | null
    bytes: Buffer
  }) => Promise<'new' | 'known' | 'refused'>
  /** Between two calls of one backfill. Stripe allows a test key 25 calls a second, and the client makes calls of its own. */
  spacingMs?: number
}

const SPACING_MS = 200
/** So many calls in a row may fail: about ten minutes, with the pauses between them. */
const MAX_FAILURES = 12
const MAX_PAUSE_SECONDS = 120

/** Reads Stripe's list from where the backfill stands to its end, unless it is cancelled or stopped, or a call fails. */
export async function runBackfill(
  deps: BackfillDeps,
  backfill: Backfill,
  { isStopped: stopped, stopping }: StopSignal,
): Promise<void> {
  const { db, log, stripe, keyRing, spacingMs = SPACING_MS } = deps
  const { clientId, id, apiKey, apiVersion, account } = backfill
  if (apiKey === null) return recordFailure(deps, backfill, NO_KEY)
  const query = { ...backfill, credentials: { apiKey: keyRing.decrypt(apiKey), apiVersion, account } }
  let lastCallAt = 0
  const waitForTurn = async () => {
    await delay(Math.max(0, lastCallAt + spacingMs - performance.now()))
    lastCallAt = performance.now()
  }

  const end = unixSeconds(backfill.until)
  let from = unixSeconds(backfill.readUntil)
  let length = nextWindowSeconds(null, 0)
  /** False: the backfill goes on no further, here or at all. */
  const takeWindow = async (): Promise<boolean> => {
    if (stopped()) return false
    const to = Math.min(end, from + length)
    const read = await Promise.race([readWindow(stripe, query, { from, to }, waitForTurn), stopping])
    if (read === 'stopping') return false
    if (read === 'too many') {
      length = Math.max(1, (to - from) >> 1)
      return true
    }
    if ('failure' in read) {
      await recordFailure(deps, backfill, read.failure)
      return false
    }
    for (const { events, upTo } of splitBySeconds(read.events)) {
      if (stopped()) return false
      if (!(await advanceBackfill(db, backfill, new Date(upTo * 1000), await storeEvents(deps, backfill, events))))
        return false
    }
    if (!(await advanceBackfill(db, backfill, new Date(to * 1000), {}))) return false
    length = nextWindowSeconds(to - from, read.events.length)
    from = to
    return true
  }
  while (from < end) if (!(await deps.runInTurn(takeWindow))) return
  await completeBackfill(db, backfill)
  log.info({ clientId, backfillId: id }, 'backfill.completed')
}

const unixSeconds = (time: Date) => Math.floor(time.getTime() / 1000)

async function storeEvents(
  { storeListed }: BackfillDeps,
  { clientId, sourceId, account, routing }: Backfill,
  events: readonly ListedStripeEvent[],
) {
  const counts: Record<string, EventCounts> = {}
  await Promise.all(
    events.map(async (event) => {
      const { type, bytes } = event
      const result = await storeListed({ clientId, sourceId, account, routing, bytes })
      counts[type] ??= { listed: 0, known: 0, new: 0, refused: 0 }
      counts[type].listed += 1
      counts[type][result] += 1
    }),
  )
  return counts
}

type CallFailure = Exclude<StripeReply, { kind: 'found' }>
const NO_KEY: CallFailure = { kind: 'refused', code: 'api_key_refused', message: 'The source has no API key any more.' }

async function recordFailure({ db, log, random }: BackfillDeps, backfill: Backfill, failure: CallFailure) {
  const { clientId, id, failures } = backfill
  const pause = Math.min(MAX_PAUSE_SECONDS, 2 ** failures) * (1 + random() / 5)
  const retrySeconds =
    failure.kind === 'trouble' && failures + 1 < MAX_FAILURES ? Math.max(pause, failure.retryAfterSeconds ?? 0) : null
  await recordFailedCall(db, backfill, failure, retrySeconds)
  const logged = { clientId, backfillId: id, code: failure.code, reason: failure.message }
  if (retrySeconds === null) log.warn(logged, 'backfill.failed')
  else log.info({ ...logged, againSeconds: Math.round(retrySeconds) }, 'backfill.set_back')
}
