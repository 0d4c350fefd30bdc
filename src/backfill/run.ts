import { setTimeout as delay } from 'node:timers/promises'
import type { Db } from '../database/db.ts'
import type { Log } from '../log.ts'
import type { Reply, StripeApi } from '../network/stripe-api.ts'
import type { KeyRing } from '../secrets/keyring.ts'
import type { Stop } from '../workers/leased-runs.ts'
import { advance, type Backfill, type Count, complete, setBack } from './state.ts'
import { eventsIn, nextLength, pieces } from './windows.ts'

export interface Deps {
  db: Db
  log: Log
  keyRing: Pick<KeyRing, 'decrypt'>
  stripe: StripeApi
  random: () => number
  /** Keeps an event as the receiver does; `known`: it was there already, `refused`: the database cannot hold it. */
  keep: (event: {
    clientId: string
    sourceId: string
    account: string
    bytes: Buffer
  }) => Promise<'new' | 'known' | 'refused'>
  /** Between two calls of one backfill. Stripe allows a test key 25 calls a second, and the client has calls of its own. */
  spacingMs?: number
}

const SPACING_MS = 200
/** Calls in a row that may fail: about ten minutes, with the pauses between them. */
const MOST_FAILURES = 12
const LONGEST_PAUSE_SECONDS = 120

/** Reads Stripe's list from where the backfill stands to its end, unless it is cancelled, `stopped`, or a call fails. */
export async function run(deps: Deps, backfill: Backfill, { stopped, stopping }: Stop): Promise<void> {
  const { db, log, stripe, keyRing, spacingMs = SPACING_MS } = deps
  const { clientId, id, apiKey, apiVersion, account } = backfill
  if (apiKey === null) return fail(deps, backfill, NO_KEY)
  const listed = { ...backfill, credentials: { apiKey: keyRing.decrypt(apiKey), apiVersion, account } }
  let calledAt = 0
  const paced = async () => {
    await delay(Math.max(0, calledAt + spacingMs - performance.now()))
    calledAt = performance.now()
  }

  const end = seconds(backfill.until)
  let from = seconds(backfill.readUntil)
  let length = nextLength(null, 0)
  while (from < end) {
    if (stopped()) return
    const to = Math.min(end, from + length)
    const found = await Promise.race([eventsIn(stripe, listed, { from, to }, paced), stopping])
    if (found === 'stopping') return
    if (found === 'too many') {
      length = Math.max(1, (to - from) >> 1)
      continue
    }
    if ('failure' in found) return fail(deps, backfill, found.failure)
    for (const { events, upTo } of pieces(found.events)) {
      if (stopped()) return
      if (!(await advance(db, backfill, new Date(upTo * 1000), await kept(deps, backfill, events)))) return
    }
    if (!(await advance(db, backfill, new Date(to * 1000), {}))) return
    length = nextLength(to - from, found.events.length)
    from = to
  }
  await complete(db, backfill)
  log.info({ clientId, backfillId: id }, 'backfill.completed')
}

const seconds = (time: Date) => Math.floor(time.getTime() / 1000)

async function kept({ keep }: Deps, { clientId, sourceId, account }: Backfill, events: readonly any[]) {
  const counted: Record<string, Count> = {}
  await Promise.all(
    events.map(async (event) => {
      const bytes = Buffer.from(JSON.stringify(event))
      const result = await keep({ clientId, sourceId, account, bytes })
      const type = String(event.type)
      counted[type] ??= { listed: 0, known: 0, new: 0, refused: 0 }
      counted[type].listed += 1
      counted[type][result] += 1
    }),
  )
  return counted
}

type Failure = Exclude<Reply, { kind: 'found' }>
const NO_KEY: Failure = { kind: 'refused', code: 'api_key_refused', message: 'The source has no API key any more.' }

async function fail({ db, log, random }: Deps, backfill: Backfill, failure: Failure) {
  const { clientId, id, failures } = backfill
  const pause = Math.min(LONGEST_PAUSE_SECONDS, 2 ** failures) * (1 + random() / 5)
  const again =
    failure.kind === 'trouble' && failures + 1 < MOST_FAILURES ? Math.max(pause, failure.retryAfterSeconds ?? 0) : null
  await setBack(db, backfill, failure, again)
  const told = { clientId, backfillId: id, code: failure.code, reason: failure.message }
  if (again === null) log.warn(told, 'backfill.failed')
  else log.info({ ...told, againSeconds: Math.round(again) }, 'backfill.set_back')
}
