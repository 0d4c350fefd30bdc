import type { Queryable } from '../database/db.ts'

/** Something that is to be fetched now, and with what. */
export interface DueFetch {
  clientId: string
  sourceId: string
  need: string
  account: string
  /** null: asked for before modes were told apart. */
  livemode: boolean | null
  paths: string[]
  isList: boolean
  isEssential: boolean
  attempts: number
  giveUpAt: Date
  /** Sealed; null: the source has none (any more). */
  apiKey: string | null
  /** The source's pinned version, else that of the event that asked. */
  apiVersion: string | null
  /** Calls of the source that failed in a row; from FAILURES_TO_OPEN on one call tries whether Stripe answers again. */
  failures: number
}

/** Rows looked at in one turn: more than can be under way. */
const LIMIT = 200

/** What a client's sources are waiting for, the most urgent first; sources whose circuit is open are passed over. */
export async function readDueFetches(db: Queryable, clientId: string): Promise<DueFetch[]> {
  const { rows } = await db.query<DueFetch>(
    `select h.client_id as "clientId", h.source_id as "sourceId", h.need, h.account, h.livemode, h.paths, h.list as "isList", h.essential as "isEssential", h.attempts,
            h.give_up_at as "giveUpAt", s.api_key as "apiKey", coalesce(s.api_version, h.api_version) as "apiVersion",
            coalesce(c.failures, 0) as failures
       from hydrations h
       left join sources s on s.client_id = h.client_id and s.id = h.source_id
       left join hydration_circuits c on c.client_id = h.client_id and c.source_id = h.source_id
      where h.client_id = $1 and h.state = 'pending' and h.next_attempt_at <= now()
        and (c.open_until is null or c.open_until <= now())
      order by h.next_attempt_at, h.need limit ${LIMIT}`,
    [clientId],
  )
  return rows
}

/** When something of the client is to be fetched next; null: nothing is waited for. */
export async function readNextDue(db: Queryable, clientId: string): Promise<Date | null> {
  const { rows } = await db.query(
    `select min(greatest(h.next_attempt_at, c.open_until)) as next
       from hydrations h
       left join hydration_circuits c on c.client_id = h.client_id and c.source_id = h.source_id
      where h.client_id = $1 and h.state = 'pending'`,
    [clientId],
  )
  return rows[0].next
}
