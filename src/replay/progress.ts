import type { Queryable } from '../database/db.ts'
import { FANOUT_ORIGIN } from '../domain/ids.ts'

/** How far a replay has come, and the states of its deliveries. */
export interface ReplayProgress {
  id: string
  clientId: string
  endpointId: string
  state: 'running' | 'done' | 'cancelled' | 'failed'
  /** null: still being counted. */
  found: number | null
  replayed: number
  skipped: number
  /** Events that match, but whose bodies are past their retention. */
  expired: number
  /** Why it failed. */
  reason: string | null
  /** How many there are, by state. */
  deliveries: Record<string, number>
}

/** Reads how far a replay has come; undefined when there is none with this id. */
export async function readReplayProgress(db: Queryable, id: string): Promise<ReplayProgress | undefined> {
  const { rows: clients } = await db.query<{ clientId: string }>(
    `select r.client_id as "clientId" from clients c join replays r on r.client_id = c.id and r.id = $1`,
    [id],
  )
  if (!clients[0]) return undefined
  const { rows } = await db.query<ReplayProgress>(
    `select r.id, r.client_id as "clientId", r.endpoint_id as "endpointId", r.state, r.found, r.replayed, r.skipped, r.expired,
            r.reason_message as reason,
            (select coalesce(jsonb_object_agg(s.state, s.count), '{}')
               from (select d.state, count(*) from deliveries d
                      where d.client_id = $1 and d.origin = $2 and d.origin <> '${FANOUT_ORIGIN}'
                      group by d.state) s) as deliveries
       from replays r where r.client_id = $1 and r.id = $2`,
    [clients[0].clientId, id],
  )
  return rows[0]
}
