import type { Queryable } from '../database/db.ts'
import { newId } from '../domain/ids.ts'
import { Refusal } from '../errors.ts'

/** What is asked for. Times are Stripe's `created`; `until` is excluded. */
export interface Asked {
  sourceId: string
  since: Date
  until?: Date | undefined
  /** false: only what Stripe could not deliver to some webhook of the account. */
  deliverySuccess?: boolean | undefined
  /** 20 at most, Stripe's limit. */
  types?: string[] | undefined
  /** A connected account. */
  account?: string | undefined
}

/** How far back Stripe's list of events reaches. https://docs.stripe.com/api/events */
export const DAYS_KEPT = 30
// "30 days ago" was said some moments before it is read here.
const SLACK_MS = 3_600_000
const DAY_MS = 86_400_000

/**
 * Has Stripe's list of events read from `since` on; wake the backfill room afterwards. Returns the backfill's id. Throws
 * `invalid`, `needs_api_key`, and `backfill_running` while another one of the source runs.
 */
export async function startBackfill(tx: Queryable, clientId: string, asked: Asked, now: Date): Promise<string> {
  const wholeSeconds = (time: Date) => new Date(Math.floor(time.getTime() / 1000) * 1000)
  const { sourceId, types, deliverySuccess, account = '' } = asked
  const since = wholeSeconds(asked.since)
  const until = wholeSeconds(asked.until && asked.until < now ? asked.until : now)
  if (since.getTime() < now.getTime() - DAYS_KEPT * DAY_MS - SLACK_MS)
    throw invalid('since', `is more than ${DAYS_KEPT} days ago: Stripe keeps events for ${DAYS_KEPT} days`)
  if (since >= until) throw invalid('since', 'must be before `until`, and in the past')
  const { rows } = await tx.query(
    `select s.api_key is not null as keyed, b.id as running
       from sources s
       left join backfills b on b.client_id = s.client_id and b.source_id = s.id and b.state = 'running'
      where s.client_id = $1 and s.id = $2`,
    [clientId, sourceId],
  )
  if (!rows[0]) throw new Refusal('not_found')
  if (!rows[0].keyed) throw new Refusal('needs_api_key')
  if (rows[0].running) throw running(rows[0].running)
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
    throw running(first.rows[0]?.id ?? 'another one, which was asked for at the same time')
  }
  return id
}

const invalid = (path: string, message: string) =>
  new Refusal('invalid', { details: [{ path, code: 'invalid', message }] })

const running = (id: string) =>
  new Refusal('backfill_running', { details: [{ path: 'sourceId', code: 'conflict', message: `is read by ${id}` }] })

/** Stops a backfill where it is; one that has ended stays as it is. */
export async function cancelBackfill(tx: Queryable, clientId: string, id: string): Promise<void> {
  await tx.query(
    `update backfills set state = 'cancelled', next_attempt_at = null, finished_at = now()
      where client_id = $1 and id = $2 and state = 'running'`,
    [clientId, id],
  )
}
