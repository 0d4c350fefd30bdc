import type { Queryable } from '../database/db.ts'
import { keptConditionOf } from '../database/deletions.ts'
import { readHorizons } from '../database/retention-horizons.ts'
import { routeAgain } from '../database/routing-tables.ts'
import { isSourceOf } from '../database/source-owner.ts'
import { idFloor } from '../domain/ids.ts'
import { Refusal } from '../errors.ts'
import { LINES_UNTOLD } from './outcomes.ts'

/** Which source events are normalised again; times bound their receipt, `until` excluded. Of normalized ones those that were told in part. */
export interface RenormalizeFilter {
  state: 'failed' | 'ignored' | 'normalized' | 'unrouted'
  code?: string | undefined
  type?: string | undefined
  sourceId?: string | undefined
  since?: Date | undefined
  until?: Date | undefined
}

const RECEIVED_AGAIN = `state = 'received', reason_code = null, reason_message = null, due_at = now()`

/**
 * Has a failed or ignored source event normalised again, or one that was told in part, with the mappings of today, or looks once more for
 * the client of one that is unrouted; wake the normalizer afterwards, and the routing room for one of the operator's client. One that
 * waits or is being worked on stays as it is, and so does one that was told in part while its source has no API key. No event is
 * made a second time. Throws `already_normalized`, and
 * `body_expired` for one whose bytes are past their retention.
 */
export async function renormalizeOne(tx: Queryable, clientId: string, id: string): Promise<void> {
  const { rows } = await tx.query(
    `select e.state, e.reason_code, b.source_event_id is not null as kept,
            (select s.api_key is not null from sources s where s.id = e.source_id and ${isSourceOf('s', '$1')}) as "canFetch"
       from source_events e
       left join source_event_bodies b on b.client_id = $1 and b.source_event_id = $2
      where e.client_id = $1 and e.id = $2 for update of e`,
    [clientId, id],
  )
  const [event] = rows
  if (!event) throw new Refusal('not_found')
  if (event.state === 'unrouted') return routeAgain(tx, clientId, [id])
  if (event.state === 'normalized' && event.reason_code !== LINES_UNTOLD) throw new Refusal('already_normalized')
  // Its source can fetch no more than it could.
  if (event.state === 'normalized' && !event.canFetch) return
  // Past the retention horizon the bytes may still be there, and be gone before they are read.
  if (!event.kept || id < idFloor((await readHorizons(tx)).payload)) throw new Refusal('body_expired')
  await tx.query(
    `update source_events set ${RECEIVED_AGAIN} where client_id = $1 and id = $2
        and (state in ('failed', 'ignored') or reason_code = $3)`,
    [clientId, id, LINES_UNTOLD],
  )
}

/**
 * The same for all that fit and whose bytes are kept, in the order of their receipt from `after` on, `limit` at most.
 * Answers how many there were and the last of them.
 */
export async function renormalizeMatching(
  tx: Queryable,
  clientId: string,
  { state, code, type, sourceId, since, until }: RenormalizeFilter,
  { after = null, limit = null }: { after?: string | null; limit?: number | null } = {},
): Promise<{ count: number; last: string | null }> {
  const { payload } = await readHorizons(tx)
  if (state === 'unrouted')
    return routeMatchingAgain(tx, clientId, {
      code,
      type,
      sourceId,
      since,
      until,
      after,
      limit,
      floor: idFloor(payload),
    })
  const { rows } = await tx.query(
    `update source_events e set ${RECEIVED_AGAIN}
       from (select id from source_events t
              where client_id = $1 and state = $2 and ${keptConditionOf('source_events', '$1::uuid')}
                and ($3::text is null or reason_code = $3) and ($4::text is null or type = $4)
                and ($5::uuid is null or source_id = $5)
                and ($6::timestamptz is null or id >= uuid7_floor($6)) and ($7::timestamptz is null or id < uuid7_floor($7))
                and ($8::uuid is null or id > $8) and id >= $10
                and ($2 <> 'normalized' or exists (
                      select from sources s where s.id = t.source_id and ${isSourceOf('s', '$1')} and s.api_key is not null))
                and exists (select from source_event_bodies b where b.client_id = $1 and b.source_event_id = t.id)
              order by id limit $9) again
      where e.client_id = $1 and e.id = again.id and e.state = $2
      returning e.id`,
    [
      clientId,
      state,
      state === 'normalized' ? LINES_UNTOLD : (code ?? null),
      type ?? null,
      sourceId ?? null,
      since ?? null,
      until ?? null,
      after,
      limit,
      idFloor(payload),
    ],
  )
  const ids = rows.map(({ id }) => id as string).sort()
  return { count: ids.length, last: ids.at(-1) ?? null }
}

/** Looks once more for the clients of unrouted ones; those whose bytes are gone tell nothing. */
async function routeMatchingAgain(
  tx: Queryable,
  clientId: string,
  filter: Omit<RenormalizeFilter, 'state'> & { after: string | null; limit: number | null; floor: string },
): Promise<{ count: number; last: string | null }> {
  const { code, type, sourceId, since, until, after, limit, floor } = filter
  const { rows } = await tx.query<{ id: string }>(
    `select id from source_events
      where client_id = $1 and state = 'unrouted'
        and ($2::text is null or reason_code = $2) and ($3::text is null or type = $3) and ($4::uuid is null or source_id = $4)
        and ($5::timestamptz is null or id >= uuid7_floor($5)) and ($6::timestamptz is null or id < uuid7_floor($6))
        and ($7::uuid is null or id > $7) and id >= $9
      order by id limit $8`,
    [
      clientId,
      ...[code ?? null, type ?? null, sourceId ?? null, since ?? null, until ?? null],
      ...[after, limit, floor],
    ],
  )
  const ids = rows.map(({ id }) => id)
  await routeAgain(tx, clientId, ids)
  return { count: ids.length, last: ids.at(-1) ?? null }
}
