import { type Db, inTransaction, type Queryable } from '../database/db.ts'
import type { Json } from '../domain/json.ts'
import { splitRealm } from '../domain/realm.ts'
import type { Log } from '../log.ts'
import type { StripeReply } from '../network/stripe-api.ts'
import { closeCircuit, countFailure } from './circuit.ts'
import type { DueFetch } from './due-fetches.ts'
import { FAILED_SECONDS, releaseWaitingEvents } from './release.ts'

export interface RecordDeps {
  db: Db
  log: Log
  random: () => number
  /** The database's clock. */
  now?: () => Date
  /** The lane of a source event whose object is known by now. */
  laneOf: (sourceId: string, event: Json, eventId: string) => number
}

/** An object may have changed after a day: the next event that reads it has it fetched anew, without waiting. */
const STALE_SECONDS = 86_400
/** What Stripe does not have now it will hardly have a minute later. */
const REFUSED_SECONDS = 3600
/** A thin event that is normalised again on request has its object fetched again. */
const ESSENTIAL_SECONDS = 30
const FIRST_RETRY_SECONDS = 0.5
const LAST_RETRY_SECONDS = 300

type Found = Extract<StripeReply, { kind: 'found' }>
type Failure = Exclude<StripeReply, { kind: 'found' }>

/** Writes down what Stripe has answered, and lets the events go on that wait for it. */
export async function recordReply(deps: RecordDeps, due: DueFetch, reply: StripeReply): Promise<void> {
  switch (reply.kind) {
    case 'found':
      return recordFound(deps, due, reply)
    case 'trouble':
      return recordFailedCall(deps, due, reply)
    case 'refused':
      return reply.code === 'api_key_refused' ? recordFailedCall(deps, due, reply) : recordNoObject(deps, due, reply)
    case 'absent':
      return recordNoObject(deps, due, reply)
    default:
      return reply satisfies never
  }
}

/** Stripe answers, and has no such object for this key. */
async function recordNoObject({ db, log }: RecordDeps, due: DueFetch, failure: Failure) {
  await inTransaction(db, async (tx) => {
    if (due.failures > 0) await closeCircuit(tx, due)
    await giveUpFetch(tx, due, failure, REFUSED_SECONDS)
  })
  logGivenUp(log, due, failure)
}

async function recordFound({ db, log, laneOf }: RecordDeps, due: DueFetch, { object, at }: Found) {
  const { clientId, sourceId, need } = due
  await inTransaction(db, async (tx) => {
    // All lock the circuit before the fetches, so that none waits for another in a ring.
    if (due.failures > 0) await closeCircuit(tx, due)
    await tx.query(
      `update hydrations
          set state = 'done', result = $4, fetched_at = $5, next_attempt_at = null, attempts = attempts + 1,
              ask_again_at = now() + make_interval(secs => $6),
              reason_code = null, reason_message = null
        where client_id = $1 and source_id = $2 and need = $3 and state = 'pending'`,
      [clientId, sourceId, need, JSON.stringify(object), at, due.isEssential || due.isList ? null : STALE_SECONDS],
    )
    const snapshot = object.object === 'event' ? object : { data: { object } }
    await releaseWaitingEvents(tx, due, due.isEssential ? laneOf(sourceId, snapshot, splitRealm(need).id) : null)
  })
  if (due.failures > 0) log.info({ clientId, sourceId }, 'hydrate.answers_again')
}

/** The call did not get through: it is made again while that is of use, and counts against the source. */
async function recordFailedCall(deps: RecordDeps, due: DueFetch, failure: Failure) {
  const { clientId, sourceId, need } = due
  const seconds = retrySeconds(deps, due, failure)
  const now = deps.now?.() ?? new Date()
  const isLast = now.getTime() + seconds * 1000 > due.giveUpAt.getTime()
  const openSeconds = await inTransaction(deps.db, async (tx) => {
    const openSeconds = await countFailure(tx, due, failure)
    if (isLast) await giveUpFetch(tx, due, failure, FAILED_SECONDS)
    else
      await tx.query(
        `update hydrations
            set attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $4), reason_code = $5, reason_message = $6
          where client_id = $1 and source_id = $2 and need = $3 and state = 'pending'`,
        [clientId, sourceId, need, seconds, failure.code, failure.message],
      )
    return openSeconds
  })
  if (isLast) logGivenUp(deps.log, due, failure)
  const fields = { clientId, sourceId, need, code: failure.code, reason: failure.message }
  if (openSeconds === null) deps.log.info(fields, 'hydrate.call_failed')
  else deps.log.warn({ ...fields, openSeconds }, 'hydrate.circuit_opened')
}

const retrySeconds = ({ random }: RecordDeps, { attempts }: DueFetch, failure: Failure) => {
  const backoff = Math.min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** attempts) * (1 + random() / 2)
  return Math.max(backoff, failure.kind === 'trouble' ? (failure.retryAfterSeconds ?? 0) : 0)
}

async function giveUpFetch(tx: Queryable, due: DueFetch, { code, message }: Failure, againSeconds: number) {
  const { clientId, sourceId, need } = due
  await tx.query(
    `update hydrations
        set state = 'failed', next_attempt_at = null, attempts = attempts + 1, reason_code = $4, reason_message = $5,
            ask_again_at = now() + make_interval(secs => $6)
      where client_id = $1 and source_id = $2 and need = $3 and state = 'pending'`,
    [clientId, sourceId, need, code, message, due.isEssential ? ESSENTIAL_SECONDS : againSeconds],
  )
  await releaseWaitingEvents(tx, due, null)
}

const logGivenUp = (log: Log, { clientId, sourceId, need }: DueFetch, { code, message }: Failure) =>
  log.warn({ clientId, sourceId, need, code, reason: message }, 'hydrate.gave_up')
