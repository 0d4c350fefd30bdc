import type { Queryable } from '../database/db.ts'
import { OPERATOR_CLIENT } from '../domain/ids.ts'
import type { StripeReply } from '../network/stripe-api.ts'

/** Calls in a row that may fail before the source is left alone for a while. */
export const FAILURES_TO_OPEN = 5
/** For so long at first, and twice as long each time the call that tries then fails as well. */
const OPEN_SECONDS = 30
const LONGEST_OPEN_SECONDS = 600
/** A key that Stripe refuses has to be changed by somebody. */
const REFUSED_SECONDS = 300
const LONGEST_REFUSED_SECONDS = 3600

/** How long a source is left alone after so many failures, FAILURES_TO_OPEN at least. */
export function openSecondsOf(failures: number, isRefused: boolean): number {
  const [first, longest] = isRefused ? [REFUSED_SECONDS, LONGEST_REFUSED_SECONDS] : [OPEN_SECONDS, LONGEST_OPEN_SECONDS]
  return Math.min(longest, first * 2 ** (failures - FAILURES_TO_OPEN))
}

/** Counts a failed call of a source; answers for how many seconds nothing is asked from now on, null when that does not change. */
export async function countFailure(
  tx: Queryable,
  { clientId, sourceId }: { clientId: string; sourceId: string },
  { code, message }: Exclude<StripeReply, { kind: 'found' }>,
): Promise<number | null> {
  const refused = code === 'api_key_refused'
  const { rows } = await tx.query(
    `insert into hydration_circuits as c (client_id, source_id, failures, reason_code, reason_message)
     values ($1, $2, $3, $4, $5)
     on conflict (client_id, source_id) do update
       set failures = greatest(c.failures + 1, excluded.failures), reason_code = excluded.reason_code,
           reason_message = excluded.reason_message
     returning failures`,
    [clientId, sourceId, refused ? FAILURES_TO_OPEN : 1, code, message],
  )
  const { failures } = rows[0]
  if (failures < FAILURES_TO_OPEN) return null
  const seconds = openSecondsOf(failures, refused)
  // Calls that were under way when it opened say nothing new.
  const { rowCount } = await tx.query(
    `update hydration_circuits set open_until = now() + make_interval(secs => $3)
      where client_id = $1 and source_id = $2 and (open_until is null or open_until <= now())`,
    [clientId, sourceId, seconds],
  )
  return rowCount === 0 ? null : seconds
}

/** Leaves a source alone for a client until then, for what calls for others have met. */
export const openCircuitUntil = (
  db: Queryable,
  { clientId, sourceId, failures, until }: { clientId: string; sourceId: string; failures: number; until: Date },
  { code, message }: Exclude<StripeReply, { kind: 'found' }>,
) =>
  db.query(
    `insert into hydration_circuits as c (client_id, source_id, failures, open_until, reason_code, reason_message)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (client_id, source_id) do update
       set failures = greatest(c.failures, excluded.failures), open_until = greatest(c.open_until, excluded.open_until),
           reason_code = excluded.reason_code, reason_message = excluded.reason_message`,
    [clientId, sourceId, failures, until, code, message],
  )

/** A call got through. */
export async function closeCircuit(
  tx: Queryable,
  { clientId, sourceId }: { clientId: string; sourceId: string },
): Promise<void> {
  await tx.query('delete from hydration_circuits where client_id = $1 and source_id = $2', [clientId, sourceId])
}

/** The source has another key, or another version: what failed with the old one says nothing of it, for whichever client. */
export async function forgetFailures(tx: Queryable, clientId: string, sourceId: string): Promise<void> {
  const others = clientId === OPERATOR_CLIENT ? await readPausedClients(tx, sourceId) : []
  for (const one of new Set([clientId, ...others])) await forgetFailuresOf(tx, one, sourceId)
}

async function readPausedClients(tx: Queryable, sourceId: string): Promise<string[]> {
  const { rows } = await tx.query<{ id: string }>(
    'select client_id as id from hydration_circuits where source_id = $1 order by client_id',
    [sourceId],
  )
  return rows.map(({ id }) => id)
}

async function forgetFailuresOf(tx: Queryable, clientId: string, sourceId: string): Promise<void> {
  await closeCircuit(tx, { clientId, sourceId })
  await tx.query(
    `update hydrations set next_attempt_at = now() where client_id = $1 and source_id = $2 and state = 'pending'`,
    [clientId, sourceId],
  )
  await tx.query(
    `update hydrations set ask_again_at = now() where client_id = $1 and source_id = $2 and state = 'failed'`,
    [clientId, sourceId],
  )
}
