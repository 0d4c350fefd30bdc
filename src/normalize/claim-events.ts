import { createClientStatement } from '../database/client-statement.ts'
import type { Queryable } from '../database/db.ts'
import { factLocksSql } from './missing/holds.ts'
import type { SourceEvent } from './source-event.ts'
import { type SourceEventRow, sourceEventOf } from './source-events.ts'

/** The lanes of each client that a batch is about. */
export type LanesOfClients = ReadonlyMap<string, readonly number[]>

/** How much a batch takes at most. Of each lane it takes one event, whatever the number of lanes. */
export interface ClaimLimits {
  /** Events of one lane. */
  perLane: number
  /** Events of all lanes together; more only where there are more lanes than that. */
  total: number
}

/** Source events that this transaction has locked. */
export interface ClaimedEvents {
  /** Of each client, in the order of the clients' ids. */
  ofClients: ReadonlyMap<string, SourceEvent[]>
  /** Clients of which a lane had no room in this batch. */
  leftOver: ReadonlySet<string>
  /** Clients with a lane that was held by a process which died: nothing of that lane is claimed. */
  interrupted: ReadonlySet<string>
}

/** Bytes of one lane: bodies are parsed into several times their size. */
const LANE_BYTES = 2 * 1024 * 1024
/** Bytes of all lanes together. */
const BATCH_BYTES = 8 * 1024 * 1024

type ClaimedRow = SourceEventRow & { client_id: string; isInterrupted: boolean; isLeftOver: boolean }

// First the ids, without a lock: of each lane its oldest, and then of all lanes in turn, so that a share that one does not need goes to
// the others. Only what is taken is locked.
const runClaim = createClientStatement<ClaimedRow>({
  name: 'normalize.claim',
  text: (tie) => `
    select client_id, id, source_id, event_id, type, account, livemode, api_version, created_at, received_at,
           is_interrupted as "isInterrupted", before >= $6 as "isLeftOver",
           case when before < $6 and not is_interrupted then body end as body
      from (
        select t.client_id, t.is_interrupted, t.rank, e.*, b.body,
               coalesce(sum(octet_length(b.body)) over (
                 partition by t.client_id, t.lane order by t.rank rows between unbounded preceding and 1 preceding), 0) as before_in_lane,
               coalesce(sum(octet_length(b.body)) over (
                 order by t.rank, t.due_at, t.id rows between unbounded preceding and 1 preceding), 0) as before
          from (
            select r.* from (
              select l.client_id, l.lane, l.is_interrupted, d.id, d.due_at,
                     row_number() over (partition by l.client_id, l.lane order by d.due_at, d.id) as rank
                from ${factLocksSql('$1::uuid[]')}
               cross join (
                 select l.client_id, l.lane,
                        exists (select from interrupted_lanes i
                                 where i.client_id = l.client_id and i.lane = l.lane ${tie('i.client_id')}) as is_interrupted
                   from unnest($1::uuid[], $2::smallint[]) l(client_id, lane)) l
               cross join lateral (
                 select s.id, s.due_at from source_events s
                  where s.client_id = l.client_id and s.lane = l.lane and s.due_at <= now() and fact_locks.count > 0 ${tie('s.client_id')}
                  order by s.due_at, s.id limit $3) d) r
             order by r.rank, r.due_at, r.id limit $4) t
         cross join lateral (
           select s.id, s.source_id, s.event_id, s.type, s.account, s.livemode, s.api_version, s.created_at, s.received_at
             from source_events s
            where s.client_id = t.client_id and s.id = t.id and s.due_at <= now() ${tie('s.client_id')} for update skip locked) e
          left join lateral (
            select b.body from source_event_bodies b
             where b.client_id = t.client_id and b.source_event_id = t.id ${tie('b.client_id')} offset 0) b on true) claimed
     where before_in_lane < $5 and (before < $6 or rank = 1)
     order by client_id`,
})

/**
 * Locks and reads the due events of some lanes, the oldest of each first; what another transaction has locked is passed over. All lanes
 * have the same share of a batch, so that a client with much to do holds up no other one. Of bytes there is a limit, too: one event
 * comes whatever its size.
 */
export async function claimDueEvents(
  tx: Queryable,
  lanesOfClients: LanesOfClients,
  { perLane, total }: ClaimLimits,
): Promise<ClaimedEvents> {
  const lanes = [...lanesOfClients].flatMap(([clientId, ofClient]) => ofClient.map((lane) => ({ clientId, lane })))
  const { rows } = await runClaim(tx, lanesOfClients.keys(), [
    lanes.map(({ clientId }) => clientId),
    lanes.map(({ lane }) => lane),
    perLane,
    Math.max(total, lanes.length),
    LANE_BYTES,
    BATCH_BYTES,
  ])
  const clientsOf = (some: readonly ClaimedRow[]) => new Set(some.map(({ client_id }) => client_id))
  const claimed = rows.filter(({ isInterrupted, isLeftOver }) => !isInterrupted && !isLeftOver)
  const ofClients = Map.groupBy(claimed, ({ client_id }) => client_id)
  return {
    ofClients: new Map([...ofClients].map(([clientId, own]) => [clientId, own.map(sourceEventOf)])),
    leftOver: clientsOf(rows.filter(({ isLeftOver }) => isLeftOver)),
    interrupted: clientsOf(rows.filter(({ isInterrupted }) => isInterrupted)),
  }
}

/** Locks and reads one source event; none where it is not due, or locked by another transaction. */
export async function claimDueEvent(tx: Queryable, clientId: string, id: string): Promise<SourceEvent[]> {
  const { rows } = await tx.query<SourceEventRow>(
    `select e.id, e.source_id, e.event_id, e.type, e.account, e.livemode, e.api_version, e.created_at, e.received_at, b.body
       from ${factLocksSql('array[$1::uuid]')}
      cross join lateral (
        select id, source_id, event_id, type, account, livemode, api_version, created_at, received_at from source_events
         where client_id = $1 and id = $2 and due_at <= now() and fact_locks.count > 0 for update skip locked) e
       left join source_event_bodies b on b.client_id = $1 and b.source_event_id = e.id`,
    [clientId, id],
  )
  return rows.map(sourceEventOf)
}
