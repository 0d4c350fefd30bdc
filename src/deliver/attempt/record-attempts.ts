import { setTimeout as delay } from 'node:timers/promises'
import { createClientStatement } from '../../database/client-statement.ts'
import { type Db, inTransaction, isLockTimeout, type Queryable } from '../../database/db.ts'
import { createRowInsert } from '../../database/insert-rows.ts'
import { isRefusedData, splitUntilAlone } from '../../database/split-until-alone.ts'
import type { Log } from '../../log.ts'
import type { Watch } from '../../watch.ts'
import { type AddToBatch, createBatcher } from '../../workers/batcher.ts'
import { insertNews } from '../attempt-news.ts'
import { isExcused, outcomeColumns } from '../attempt-outcome.ts'
import { idBounds } from '../queue/id-bounds.ts'
import { type AttemptMade, type LaterResult, type RecordResult, stateAfter } from './attempt-made.ts'
import { createApartRecorder } from './record-apart.ts'

const BATCH_MAX = 500
const IN_FLIGHT = 2
// Planning the statement costs as much as twenty attempts in it.
const SPACING_MS = 15
const WAIT_MS = { first: 100, longest: 5_000 }
/** So long a batch waits for rows that somebody has locked; then their clients are recorded apart. */
const LOCK_WAIT = { lock_timeout: '250ms' }

interface RecorderDeps {
  db: Db
  log: Log
  canRetryRecording: () => boolean
  watch?: Watch
}

/**
 * Writes attempts down, those of many clients together, which are of one group (src/database/client-groups.ts). The promise is
 * fulfilled when the attempt is in the database (or never can be); while the database does not answer it is tried again, until
 * `canRetryRecording` says no. A client of which rows are locked is recorded apart for as long as they are. Of several exhausted
 * deliveries in one row of failures, the first is reported.
 */
export function createAttemptRecorder(deps: RecorderDeps): AddToBatch<AttemptMade, RecordResult> {
  const apart = createApartRecorder({ ...deps, recordBatch: (batch) => recordSplitting(deps, batch, tellLocked) })
  const recordOthers = async (batch: readonly AttemptMade[]): Promise<LaterResult[]> => {
    const free = await findLockable(deps.db, batch)
    const results = await recordSplitting(
      deps,
      batch.filter((made) => free.has(made)),
      recordOthers,
    )
    const ofFree = results.values()
    return batch.map((made) => (free.has(made) && ofFree.next().value) || { later: apart.add(made) })
  }
  const addToBatch = createBatcher<AttemptMade, LaterResult>((batch) => recordSplitting(deps, batch, recordOthers), {
    max: BATCH_MAX,
    inFlight: IN_FLIGHT,
    spacingMs: SPACING_MS,
    groupOf: ({ delivery }) => delivery.clientId,
  })
  return async (made) => (apart.has(made.delivery.clientId) ? apart.add(made) : (await addToBatch(made)).later)
}

/** What becomes of attempts of which some rows are locked. */
type OnLocked = (batch: readonly AttemptMade[], error: unknown) => Promise<LaterResult[]>

const tellLocked: OnLocked = async (_, error) => {
  throw error
}

/** Records a batch; what PostgreSQL refuses is split off until it stands alone. Throws nothing but what `onLocked` throws. */
async function recordSplitting(
  deps: RecorderDeps,
  batch: readonly AttemptMade[],
  onLocked: OnLocked,
): Promise<LaterResult[]> {
  if (batch.length === 0) return []
  return splitUntilAlone<AttemptMade, LaterResult>(batch, {
    work: (some) => recordPersistently(deps, some, onLocked),
    isItemsFault: isAttemptsFault,
    // An attempt that PostgreSQL refuses is tried once more without what came from outside.
    async onAlone(made, error) {
      if (made.answer.headers || made.answer.body !== null) {
        const bare = { ...made, answer: { ...made.answer, headers: null, body: null } }
        const [result] = await recordSplitting(deps, [bare], onLocked)
        return result ?? { later: 'lost' }
      }
      const { clientId, id: deliveryId } = made.delivery
      deps.log.error({ err: error, clientId, deliveryId }, 'delivery.record_refused')
      return { later: 'lost' }
    },
  })
}

/** Throws only what is the fault of an attempt's own values, and what `onLocked` throws. */
async function recordPersistently(
  deps: RecorderDeps,
  batch: readonly AttemptMade[],
  onLocked: OnLocked,
): Promise<LaterResult[]> {
  for (let waitMs = WAIT_MS.first; ; waitMs = Math.min(2 * waitMs, WAIT_MS.longest)) {
    try {
      return (await recordOnce(deps, batch)).map((later) => ({ later }))
    } catch (error) {
      if (isAttemptsFault(error)) throw error
      if (isLockTimeout(error)) return onLocked(batch, error)
      const clientIds = [...new Set(batch.map(({ delivery }) => delivery.clientId))].slice(0, NAMED_CLIENTS)
      deps.log.error({ err: error, clientIds, attempts: batch.length, waitMs }, 'delivery.record_delayed')
      if (!deps.canRetryRecording()) return batch.map(() => ({ later: 'lost' }))
      await delay(waitMs)
    }
  }
}

/** So many clients are named in a line of the log. */
const NAMED_CLIENTS = 10

async function recordOnce({ db, log, watch }: RecorderDeps, batch: readonly AttemptMade[]): Promise<RecordResult[]> {
  const written = await insertAttempts(db, batch)
  if (written.size < batch.length)
    for (const [clientId, made] of Map.groupBy(batch, ({ delivery }) => delivery.clientId)) {
      const deliveryIds = made.filter(({ delivery }) => !written.has(delivery.id)).map(({ delivery }) => delivery.id)
      if (deliveryIds.length > 0) log.warn({ clientId, deliveryIds }, 'delivery.attempt_recorded_elsewhere')
    }
  for (const { delivery, exhaustedNews } of batch)
    if (exhaustedNews && written.get(delivery.id)?.isNews) watch?.onEndpointChanged?.(exhaustedNews)
  return batch.map(({ delivery }) => (written.has(delivery.id) ? 'recorded' : 'elsewhere'))
}

// Class 23, a constraint, is permanent here too: no row that comes later makes an attempt valid.
const isAttemptsFault = (error: unknown): boolean =>
  isRefusedData(error) || /^23/.test(String((error as { code?: unknown } | null)?.code))

// Citus takes no now() within a case of an update, and offset 0 keeps the planner from putting it there.
const CLOCK = '(select now() as at, extract(epoch from now())::float8 as seconds offset 0) clock'

/**
 * Moves the deliveries of up to 500 attempts on and adds the attempts; answers the ids of the deliveries moved, and of which the
 * failure is news. One that has this attempt already is not changed, so that a batch whose answer was lost can be sent again.
 */
const insertAttempts = (db: Db, batch: readonly AttemptMade[]): Promise<Map<string, { isNews: boolean }>> =>
  inTransaction(
    db,
    async (tx) => {
      const moved = await moveDeliveries(tx, batch)
      const written = batch.filter(({ delivery }) => moved.has(delivery.id))
      // One that was cancelled while its last attempt was under way has not failed.
      const exhausted = written.flatMap(({ delivery, exhaustedNews }) =>
        exhaustedNews && moved.get(delivery.id) === 'failed' ? exhaustedNews : [],
      )
      const news = exhausted.length > 0 ? await insertNews(tx, exhausted) : new Set()
      await insertRowsOfAttempts(tx, written)
      return new Map(
        written.map(({ delivery, exhaustedNews }) => [
          delivery.id,
          { isNews: exhaustedNews ? news.has(exhaustedNews) : false },
        ]),
      )
    },
    LOCK_WAIT,
  )

/** The attempts whose deliveries nobody has locked. */
async function findLockable(db: Db, batch: readonly AttemptMade[]): Promise<Set<AttemptMade>> {
  const [clients, events, ids] = columnsOf(batch)
  const { rows } = await selectLockable(db, clients, [clients, events, ids, ...idBounds(events)])
  const found = new Set(rows.map(({ id }) => id))
  return new Set(batch.filter(({ delivery }) => found.has(delivery.id)))
}

const selectLockable = createClientStatement<{ id: string }>({
  name: 'deliver.lockable',
  text: (tie) => `
    select d.id from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as m(client_id, event_id, id)
      join deliveries d on d.client_id = m.client_id and d.event_id = m.event_id and d.id = m.id
     where m.event_id between $4 and $5 and d.event_id between $4 and $5 ${tie('d.client_id')}
       for no key update of d skip locked`,
})

const columnsOf = (batch: readonly AttemptMade[]): [clients: string[], events: string[], ids: string[]] => [
  batch.map(({ delivery }) => delivery.clientId),
  batch.map(({ delivery }) => delivery.eventId),
  batch.map(({ delivery }) => delivery.id),
]

/**
 * What was delivered is delivered, whatever the row has become meanwhile, and what was skipped but had failed for good has
 * failed. Answers the deliveries that did not have the attempt yet, by their ids, with the states that they have now.
 */
async function moveDeliveries(tx: Queryable, batch: readonly AttemptMade[]): Promise<Map<string, string>> {
  const [clients, events, ids] = columnsOf(batch)
  const { rows } = await updateMoved(tx, clients, [
    ...[clients, events, ids],
    batch.map(({ number }) => number),
    batch.map(stateAfter),
    batch.map(({ nextDelaySeconds }) => nextDelaySeconds),
    batch.map(({ answer }) => isExcused(answer.outcome)),
    ...idBounds(events),
  ])
  return new Map(rows.map(({ id, state }) => [id, state]))
}

const updateMoved = createClientStatement<{ id: string; state: string }>({
  name: 'deliver.move',
  text: (tie) => `
    update deliveries d
       set attempts = m.number,
           excused = d.excused + m.excused::int,
           state = case when d.state = 'pending' or m.state = 'delivered' or (d.state, m.state) = ('skipped', 'failed')
                        then m.state else d.state end,
           reason = case when m.state = 'delivered' or m.state = 'failed' and d.state = 'skipped'
                         then null else d.reason end,
           next_attempt_at = case when d.state = 'pending' then to_timestamp(clock.seconds + m.delay) end,
           finished_at = case when m.state = 'pending' then d.finished_at else clock.at end
      from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::text[], $6::float8[], $7::bool[])
             as m(client_id, event_id, id, number, state, delay, excused), ${CLOCK}
     where d.client_id = m.client_id and d.event_id = m.event_id and d.id = m.id and d.attempts = m.number - 1
       and m.event_id between $8 and $9 and d.event_id between $8 and $9 ${tie('d.client_id')}
    returning d.id, d.state`,
})

const insertRowsOfAttempts = createRowInsert<AttemptMade>({
  name: 'deliver.attempts',
  table: 'attempts',
  columns: {
    client_id: ({ delivery }) => delivery.clientId,
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
  isSentAtOnce: true,
})
