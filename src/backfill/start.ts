import type { Queryable } from '../database/db.ts'
import { newId } from '../domain/ids.ts'
import { Refusal } from '../errors.ts'

/** Which events are to be read. Times are Stripe's `created`; `until` is excluded. */
export interface BackfillRequest {
  sourceId: string
  since: Date
  until?: Date | undefined
  /** false: only events that Stripe could not deliver to some webhook of the account. */
  deliverySuccess?: boolean | undefined
  /** At most 20, Stripe's limit. */
  types?: string[] | undefined
  /** A connected account. */
  account?: string | undefined
}

/** How far back Stripe's list of events reaches. https://docs.stripe.com/api/events */
export const STRIPE_LIST_DAYS = 30
// A request for "30 days ago" was written some moments before it is checked here.
const SLACK_MS = 3_600_000
const DAY_MS = 86_400_000

/**
 * Starts to read Stripe's list of events from `since` on; wake the backfill room afterwards. Returns the backfill's id. Throws
 * `invalid`, `not_found`, `needs_api_key`, and `backfill_running` while another backfill of the source runs.
 */
export async function startBackfill(
  tx: Queryable,
  clientId: string,
  request: BackfillRequest,
  now: Date,
): Promise<string> {
  const toWholeSeconds = (time: Date) => new Date(Math.floor(time.getTime() / 1000) * 1000)
  const { sourceId, types, deliverySuccess, account = '' } = request
  const since = toWholeSeconds(request.since)
  const until = toWholeSeconds(request.until && request.until < now ? request.until : now)
  if (since.getTime() < now.getTime() - STRIPE_LIST_DAYS * DAY_MS - SLACK_MS)
    throw invalidField(
      'since',
      `is more than ${STRIPE_LIST_DAYS} days ago: Stripe keeps events for ${STRIPE_LIST_DAYS} days`,
    )
  if (since >= until) throw invalidField('since', 'must be before `until`, and in the past')
  const { rows } = await tx.query(
    `select s.api_key is not null as keyed, b.id as running
       from sources s
       left join backfills b on b.client_id = s.client_id and b.source_id = s.id and b.state = 'running'
      where s.client_id = $1 and s.id = $2`,
    [clientId, sourceId],
  )
  if (!rows[0]) throw new Refusal('not_found')
  if (!rows[0].keyed) throw new Refusal('needs_api_key')
  if (rows[0].running) throw alreadyRunning(rows[0].running)
  const id = newId()
  const { rowCount } = await tx.query(
    `insert into backfills (client_id, id, source_id, account, since, until, types, delivery_success, read_until)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $5)
     on conflict (client_id, source_id) where state = 'running' do nothing`,
    [clientId, id, sourceId, account, since, until, types ?? null, deliverySuccess ?? null],
  )
  if (rowCount === 0) {
    const first = await tx.query<{ id: string }>(
      `select id from backfills where client_id = $1 and source_id = $2 and state = 'running'`,
      [clientId, sourceId],
    )
    throw alreadyRunning(first.rows[0]?.id ?? 'another one, which was asked for at the same time')
  }
  return id
}

const invalidField = (path: string, message: string) =>
  new Refusal('invalid', { details: [{ path, code: 'invalid', message }] })

const alreadyRunning = (id: string) =>
  new Refusal('backfill_running', { details: [{ path: 'sourceId', code: 'conflict', message: `is read by ${id}` }] })

/** Stops a backfill where it is; one that has ended stays as it is. */
export async function cancelBackfill(tx: Queryable, clientId: string, id: string): Promise<void> {
  await tx.query(
    `update backfills set state = 'cancelled', next_attempt_at = null, finished_at = now()
      where client_id = $1 and id = $2 and state = 'running'`,
    [clientId, id],
  )
}
