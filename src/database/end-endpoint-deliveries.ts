import type { Queryable } from './db.ts'

/** One statement that ended a million deliveries would hold its locks for minutes. */
export const MAX_ENDED_AT_ONCE = 5_000

/**
 * Ends pending deliveries of an endpoint that is disabled (`skipped`: they can be replayed) or deleted (`cancelled`), at most
 * MAX_ENDED_AT_ONCE of them; returns how many. It checks the endpoint's row in the same statement, so an endpoint that has
 * been enabled again keeps its deliveries.
 */
export async function endEndpointDeliveries(db: Queryable, clientId: string, endpointId: string): Promise<number> {
  const { rowCount } = await db.query({
    name: 'deliveries.end',
    text: `update deliveries d
              set state = case when e.status = 'disabled' and e.deleted_at is null then 'skipped' else 'cancelled' end,
                  reason = case when e.status = 'disabled' and e.deleted_at is null
                                then 'endpoint_disabled' else 'endpoint_deleted' end,
                  next_attempt_at = null, finished_at = now()
             from (select event_id, id from deliveries
                    where client_id = $1 and endpoint_id = $2 and state = 'pending' limit $3 for update) w,
                  (select status, deleted_at from endpoints where client_id = $1 and id = $2
                   union all select 'gone', now() where not exists (
                     select from endpoints where client_id = $1 and id = $2)) e
            where d.client_id = $1 and d.event_id = w.event_id and d.id = w.id
              and (e.status <> 'enabled' or e.deleted_at is not null)`,
    values: [clientId, endpointId, MAX_ENDED_AT_ONCE],
  })
  return rowCount ?? 0
}
