import { createClientStatement } from '../database/client-statement.ts'
import type { Queryable } from '../database/db.ts'
import { isSourceOf } from '../database/source-owner.ts'

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
  /** The source routes: its key serves many clients. */
  isShared: boolean
  /** Calls of the source that failed in a row; from FAILURES_TO_OPEN on one call tries whether Stripe answers again. */
  failures: number
}

/** Rows looked at of each client in one turn: more than can be under way. */
const LIMIT = 200

const selectDueFetches = createClientStatement<DueFetch>({
  name: 'hydrate.due',
  text: (tie) => `
    select h.client_id as "clientId", h.source_id as "sourceId", h.need, h.account, h.livemode, h.paths, h.list as "isList",
           h.essential as "isEssential", h.attempts, h.give_up_at as "giveUpAt", s.api_key as "apiKey",
           coalesce(s.api_version, h.api_version) as "apiVersion", h.circuit_failures as failures,
           s.routing is not null as "isShared"
      from unnest($1::uuid[]) w(client_id)
     cross join lateral (
       select d.*, coalesce(c.failures, 0) as circuit_failures from hydrations d
         left join hydration_circuits c on c.client_id = d.client_id and c.source_id = d.source_id
        where d.client_id = w.client_id and d.state = 'pending' and d.next_attempt_at <= now()
          and (c.open_until is null or c.open_until <= now()) ${tie('d.client_id')}
        order by d.next_attempt_at, d.need limit ${LIMIT}) h
      left join sources s on s.id = h.source_id and ${isSourceOf('s', 'h.client_id')}
     order by h.next_attempt_at, h.need`,
})

/** What the sources of these clients are waiting for, the most urgent first; sources whose circuit is open are passed over. */
export async function readDueFetches(db: Queryable, clientIds: readonly string[]): Promise<DueFetch[]> {
  return (await selectDueFetches(db, clientIds, [clientIds])).rows
}

const selectNextDue = createClientStatement<{ clientId: string; next: Date }>({
  name: 'hydrate.next_due',
  text: (tie) => `
    select w.client_id as "clientId", n.next
      from unnest($1::uuid[]) w(client_id)
     cross join lateral (
       select min(greatest(h.next_attempt_at, c.open_until)) as next
         from hydrations h
         left join hydration_circuits c on c.client_id = h.client_id and c.source_id = h.source_id
        where h.client_id = w.client_id and h.state = 'pending' ${tie('h.client_id')}) n
     where n.next is not null`,
})

/** When something of each of these clients is to be fetched next, in milliseconds; for the others nothing is waited for. */
export async function readNextDue(db: Queryable, clientIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const { rows } = await selectNextDue(db, clientIds, [clientIds])
  return new Map(rows.map(({ clientId, next }) => [clientId, next.getTime()]))
}
