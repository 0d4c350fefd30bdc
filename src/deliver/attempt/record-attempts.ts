import { setTimeout as delay } from 'node:timers/promises'
import type { Db, Queryable } from '../../database/db.ts'
import { isRefusedData, splitUntilAlone } from '../../database/split-until-alone.ts'
import type { Log } from '../../log.ts'
import type { Watch } from '../../watch.ts'
import { type AddToBatch, createBatcher } from '../../workers/batcher.ts'
import { type AttemptNews, insertNewsSql, newsParameter } from '../attempt-news.ts'
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

const INSERT_ATTEMPTS = `
  insert into attempts (client_id, event_id, delivery_id, number, started_at, duration_ms, status, error,
                        error_message, signature, response_headers, response_body)
  select $1, event_id, id, number, to_timestamp(started_at), duration_ms, status, error,
         error_message, signature, response_headers, response_body from moved
  returning delivery_id as id, false as "isNews"`

// A select at the end: Citus lets nothing in `returning` look at what stands before an insert.
const INSERT_ATTEMPTS_AND_NEWS = `, ${insertNewsSql(20, `(n.about->>'deliveryId')::uuid in (select id from moved)`)}, tried as (${INSERT_ATTEMPTS})
  select id, id in (select delivery_id from noted) as "isNews" from tried`

/**
 * One statement for up to 500 attempts of one client: moves the deliveries on and adds the attempts; returns the ids of
 * the deliveries moved. One that has this attempt already is not changed, so that a statement whose answer was lost can be
 * sent again. What was delivered is delivered, whatever the row has become meanwhile, and what was skipped but had failed
 * for good has failed. Where deliveries are exhausted the statement notes it as well: a longer one, for bad days only.
 */
async function insertAttempts(
  db: Queryable,
  clientId: string,
  batch: readonly AttemptMade[],
): Promise<Map<string, { isNews: boolean }>> {
  const exhausted = batch.flatMap((made) => made.exhaustedNews ?? [])
  const isPlain = exhausted.length === 0
  const columns = batch.map(({ answer }) => outcomeColumns(answer.outcome))
  const { rows } = await db.query<{ id: string; isNews: boolean }>({
    name: isPlain ? 'deliver.record' : 'deliver.record_exhausted',
    text: `with made as (
             select * from unnest($2::uuid[], $3::uuid[], $4::int[], $5::float8[], $6::int[], $7::int[], $8::text[],
                 $9::text[], $10::text[], $11::jsonb[], $12::text[], $13::text[], $14::float8[], $19::bool[])
               as m(event_id, id, number, started_at, duration_ms, status, error,
                    error_message, signature, response_headers, response_body, state, delay, excused)
           ), moved as (
             update deliveries d
                set attempts = m.number,
                    excused = d.excused + m.excused::int,
                    state = case when d.state = 'pending' or m.state = 'delivered' or (d.state, m.state) = ('skipped', 'failed')
                                 then m.state else d.state end,
                    reason = case when m.state = 'delivered' or m.state = 'failed' and d.state = 'skipped'
                                  then null else d.reason end,
                    next_attempt_at = case when d.state = 'pending' then to_timestamp(clock.seconds + m.delay) end,
                    finished_at = case when m.state = 'pending' then d.finished_at else clock.at end
               from made m, ${CLOCK}
              where d.client_id = $1 and d.event_id = m.event_id and d.id = m.id and d.attempts = m.number - 1
                and d.event_id between $15 and $16 and d.id between $17 and $18
             returning d.id, m.event_id, m.number, m.started_at, m.duration_ms, m.status, m.error, m.error_message,
                       m.signature, m.response_headers, m.response_body
           ) ${isPlain ? INSERT_ATTEMPTS : INSERT_ATTEMPTS_AND_NEWS}`,
    values: [
      clientId,
      batch.map(({ delivery }) => delivery.eventId),
      batch.map(({ delivery }) => delivery.id),
      batch.map(({ number }) => number),
      batch.map(({ answer }) => answer.startedAt.getTime() / 1000),
      batch.map(({ answer }) => answer.durationMs),
      columns.map(({ status }) => status),
      columns.map(({ error }) => error),
      columns.map(({ errorMessage }) => errorMessage),
      batch.map(({ signature }) => signature),
      batch.map(({ answer }) => answer.headers && JSON.stringify(answer.headers)),
      batch.map(({ answer }) => answer.body),
      batch.map(stateAfter),
      batch.map(({ nextDelaySeconds }) => nextDelaySeconds),
      ...idBounds(batch.map(({ delivery }) => delivery.eventId)),
      ...idBounds(batch.map(({ delivery }) => delivery.id)),
      batch.map(({ answer }) => isExcused(answer.outcome)),
      ...(isPlain ? [] : [newsParameter(exhausted)]),
    ],
  })
  return new Map(rows.map(({ id, isNews }) => [id, { isNews }]))
}

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
