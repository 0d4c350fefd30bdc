import { setTimeout as delay } from 'node:timers/promises'
import { type Db, inTransaction, type Queryable } from '../../database/db.ts'
import { createRowInsert } from '../../database/insert-rows.ts'
import { isRefusedData, splitUntilAlone } from '../../database/split-until-alone.ts'
import type { Log } from '../../log.ts'
import type { Watch } from '../../watch.ts'
import { type AddToBatch, createBatcher } from '../../workers/batcher.ts'
import { type AttemptNews, insertNews } from '../attempt-news.ts'
import { isExcused, outcomeColumns } from '../attempt-outcome.ts'
import type { DueDelivery } from '../queue/due-deliveries.ts'
import { idBounds } from '../queue/id-bounds.ts'
import type { AttemptAnswer } from './answer.ts'

/** An attempt that was made, and what its delivery becomes by it. */
export interface AttemptMade {
  delivery: DueDelivery
  /** 1-based. */
  number: number
  signature: string | null
  answer: AttemptAnswer
  /** Seconds until the next attempt; null: there is none. */
  nextDelaySeconds: number | null
  /** The news to report when the delivery has failed for good by this attempt. */
  exhaustedNews?: AttemptNews | null
}

/** `elsewhere`: the delivery has this attempt already; `lost`: it could not be written down, and is in the log. */
export type RecordResult = 'recorded' | 'elsewhere' | 'lost'

const BATCH_MAX = 500
const IN_FLIGHT = 2
// Planning the statement costs as much as twenty attempts in it.
const SPACING_MS = 15
const WAIT_MS = { first: 100, longest: 5_000 }

/**
 * Writes attempts down, those of one client together. The promise is fulfilled when the attempt is in the database (or
 * never can be); while the database does not answer it is tried again, until `canRetryRecording` says no. Of several
 * exhausted deliveries in one row of failures, the first is reported.
 */
export function createAttemptRecorder(
  { db, log, canRetryRecording, watch }: { db: Db; log: Log; canRetryRecording: () => boolean; watch?: Watch },
  clientId: string,
): AddToBatch<AttemptMade, RecordResult> {
  const recordOnce = async (batch: readonly AttemptMade[]): Promise<RecordResult[]> => {
    const written = await insertAttempts(db, clientId, batch)
    if (written.size < batch.length) {
      const deliveryIds = batch.filter(({ delivery }) => !written.has(delivery.id)).map(({ delivery }) => delivery.id)
      log.warn({ clientId, deliveryIds }, 'delivery.attempt_recorded_elsewhere')
    }
    for (const { delivery, exhaustedNews } of batch)
      if (exhaustedNews && written.get(delivery.id)?.isNews) watch?.onEndpointChanged?.(exhaustedNews)
    return batch.map(({ delivery }) => (written.has(delivery.id) ? 'recorded' : 'elsewhere'))
  }
  /** Throws only what is the fault of an attempt's own values. */
  const recordPersistently = async (batch: readonly AttemptMade[]): Promise<RecordResult[]> => {
    for (let waitMs = WAIT_MS.first; ; waitMs = Math.min(2 * waitMs, WAIT_MS.longest)) {
      try {
        return await recordOnce(batch)
      } catch (error) {
        if (isAttemptsFault(error)) throw error
        log.error({ err: error, clientId, attempts: batch.length, waitMs }, 'delivery.record_delayed')
        if (!canRetryRecording()) return batch.map(() => 'lost')
        await delay(waitMs)
      }
    }
  }
  // An attempt that PostgreSQL refuses is tried once more without what came from outside.
  const recordWithoutAnswer = async (made: AttemptMade, error: unknown): Promise<RecordResult> => {
    if (made.answer.headers || made.answer.body !== null) {
      const bare = { ...made, answer: { ...made.answer, headers: null, body: null } }
      const [result = 'lost'] = await recordBatch([bare])
      return result
    }
    log.error({ err: error, clientId, deliveryId: made.delivery.id }, 'delivery.record_refused')
    return 'lost'
  }
  const recordBatch = (batch: readonly AttemptMade[]): Promise<RecordResult[]> =>
    splitUntilAlone(batch, {
      work: recordPersistently,
      isItemsFault: isAttemptsFault,
      onAlone: recordWithoutAnswer,
    })
  return createBatcher(recordBatch, { max: BATCH_MAX, inFlight: IN_FLIGHT, spacingMs: SPACING_MS })
}

// Class 23, a constraint, is permanent here too: no row that comes later makes an attempt valid.
const isAttemptsFault = (error: unknown): boolean =>
  isRefusedData(error) || /^23/.test(String((error as { code?: unknown } | null)?.code))

// Citus takes no now() within a case of an update, and offset 0 keeps the planner from putting it there.
const CLOCK = '(select now() as at, extract(epoch from now())::float8 as seconds offset 0) clock'

/**
 * Moves the deliveries of up to 500 attempts of one client on and adds the attempts; answers the ids of the deliveries moved, and
 * of which the failure is news. One that has this attempt already is not changed, so that a batch whose answer was lost can be
 * sent again.
 */
const insertAttempts = (
  db: Db,
  clientId: string,
  batch: readonly AttemptMade[],
): Promise<Map<string, { isNews: boolean }>> =>
  inTransaction(db, async (tx) => {
    const moved = await moveDeliveries(tx, clientId, batch)
    const written = batch.filter(({ delivery }) => moved.has(delivery.id))
    // One that was cancelled while its last attempt was under way has not failed.
    const exhausted = written.flatMap(({ delivery, exhaustedNews }) =>
      exhaustedNews && moved.get(delivery.id) === 'failed' ? exhaustedNews : [],
    )
    const news = exhausted.length > 0 ? await insertNews(tx, exhausted) : new Set()
    await insertRowsOfAttempts(
      tx,
      written.map((made) => ({ clientId, ...made })),
    )
    return new Map(
      written.map(({ delivery, exhaustedNews }) => [
        delivery.id,
        { isNews: exhaustedNews ? news.has(exhaustedNews) : false },
      ]),
    )
  })

/**
 * What was delivered is delivered, whatever the row has become meanwhile, and what was skipped but had failed for good has
 * failed. Answers the deliveries that did not have the attempt yet, by their ids, with the states that they have now.
 */
async function moveDeliveries(
  tx: Queryable,
  clientId: string,
  batch: readonly AttemptMade[],
): Promise<Map<string, string>> {
  const { rows } = await tx.query<{ id: string; state: string }>({
    name: 'deliver.move',
    text: `update deliveries d
              set attempts = m.number,
                  excused = d.excused + m.excused::int,
                  state = case when d.state = 'pending' or m.state = 'delivered' or (d.state, m.state) = ('skipped', 'failed')
                               then m.state else d.state end,
                  reason = case when m.state = 'delivered' or m.state = 'failed' and d.state = 'skipped'
                                then null else d.reason end,
                  next_attempt_at = case when d.state = 'pending' then to_timestamp(clock.seconds + m.delay) end,
                  finished_at = case when m.state = 'pending' then d.finished_at else clock.at end
             from unnest($2::uuid[], $3::uuid[], $4::int[], $5::text[], $6::float8[], $7::bool[])
                    as m(event_id, id, number, state, delay, excused), ${CLOCK}
            where d.client_id = $1 and d.event_id = m.event_id and d.id = m.id and d.attempts = m.number - 1
              and d.event_id between $8 and $9 and d.id between $10 and $11
           returning d.id, d.state`,
    values: [
      clientId,
      batch.map(({ delivery }) => delivery.eventId),
      batch.map(({ delivery }) => delivery.id),
      batch.map(({ number }) => number),
      batch.map(stateAfter),
      batch.map(({ nextDelaySeconds }) => nextDelaySeconds),
      batch.map(({ answer }) => isExcused(answer.outcome)),
      ...idBounds(batch.map(({ delivery }) => delivery.eventId)),
      ...idBounds(batch.map(({ delivery }) => delivery.id)),
    ],
  })
  return new Map(rows.map(({ id, state }) => [id, state]))
}

const insertRowsOfAttempts = createRowInsert<AttemptMade & { clientId: string }>({
  name: 'deliver.attempts',
  table: 'attempts',
  columns: {
    client_id: ({ clientId }) => clientId,
    event_id: ({ delivery }) => delivery.eventId,
    delivery_id: ({ delivery }) => delivery.id,
    number: ({ number }) => number,
    started_at: ({ answer }) => answer.startedAt,
    duration_ms: ({ answer }) => answer.durationMs,
    status: ({ answer }) => outcomeColumns(answer.outcome).status,
    error: ({ answer }) => outcomeColumns(answer.outcome).error,
    error_message: ({ answer }) => outcomeColumns(answer.outcome).errorMessage,
    signature: ({ signature }) => signature,
    response_headers: ({ answer }) => answer.headers && JSON.stringify(answer.headers),
    response_body: ({ answer }) => answer.body,
  },
})

/** The state of the delivery after this attempt. */
export function stateAfter({ answer: { outcome }, nextDelaySeconds }: AttemptMade): 'delivered' | 'pending' | 'failed' {
  switch (outcome.kind) {
    case 'delivered':
      return 'delivered'
    case 'gone':
    case 'refused':
    case 'unreachable':
      return nextDelaySeconds === null ? 'failed' : 'pending'
    default:
      return outcome satisfies never
  }
}
