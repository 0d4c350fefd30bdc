import { createClientStatement } from '../database/client-statement.ts'
import type { Queryable } from '../database/db.ts'
import { factLocksSql } from './missing/holds.ts'
import type { SourceEvent } from './source-event.ts'
import { type SourceEventRow, sourceEventOf } from './source-events.ts'

/** The lanes of each client that a batch is about. */
export type LanesOfClients = ReadonlyMap<string, readonly number[]>

/** How much a batch takes at most. */
export interface ClaimLimits {
  /** Events of one lane. */
  perLane: number
  /** Events of all lanes together. */
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

/** So many times what the batch takes is looked at, so that lanes with much to do get what others do not need. */
const DEPTH = 4

type ClaimedRow = SourceEventRow & { client_id: string; isInterrupted: boolean; isLeftOver: boolean }

// First the ids, without a lock: of each lane its oldest, and then of all lanes in turn, so that a share that one does not need goes to
// the others. Only what has a place is locked. Of a lane that has none, its first event tells that it is left over.
const runClaim = createClientStatement<ClaimedRow>({
  name: 'normalize.claim',
  text: (tie) => `
    select client_id, id, source_id, event_id, type, account, livemode, api_version, created_at, received_at,
           is_interrupted as "isInterrupted", is_left_over as "isLeftOver",
           case when not is_left_over and not is_interrupted then body end as body
      from (
        select t.client_id, t.is_interrupted, t.rank, e.*, b.body,
               t.place > $4 or sum(octet_length(b.body)) over (
                 order by t.place rows between unbounded preceding and 1 preceding) >= $6 is true as is_left_over,
               coalesce(sum(octet_length(b.body)) over (
                 partition by t.client_id, t.lane order by t.rank rows between unbounded preceding and 1 preceding), 0) as before_in_lane
          from (
            select r.*, row_number() over (order by r.rank, r.due_at, r.id) as place from (
              select l.client_id, l.lane, l.is_interrupted, d.id, d.due_at,
                     row_number() over (partition by l.client_id, l.lane order by d.due_at, d.id) as rank
                from ${factLocksSql('$1::uuid[]')}
               cross join (
                 select l.client_id, l.lane,
                        exists (select from interrupted_lanes i
                                 where i.client_id = l.client_id and i.lane = l.lane ${tie('i.client_id')} offset 0) as is_interrupted
                   from unnest($1::uuid[], $2::smallint[]) l(client_id, lane)) l
               cross join lateral (
                 select s.id, s.due_at from source_events s
                  where s.client_id = l.client_id and s.lane = l.lane and s.due_at <= now() and fact_locks.count > 0 ${tie('s.client_id')}
                  order by s.due_at, s.id limit $3) d) r) t
          left join lateral (
            select s.id, s.source_id, s.event_id, s.type, s.account, s.livemode, s.api_version, s.created_at, s.received_at
              from source_events s
             where t.place <= $4 and s.client_id = t.client_id and s.id = t.id and s.due_at <= now() ${tie('s.client_id')}
               for update skip locked) e on true
          left join lateral (
            select b.body from source_event_bodies b
             where b.client_id = t.client_id and b.source_event_id = e.id ${tie('b.client_id')} offset 0) b on true
         where e.id is not null or t.place > $4 and t.rank = 1) claimed
     where before_in_lane < $5 and (rank = 1 or not is_left_over)
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
    Math.min(perLane, Math.max(2, Math.ceil((total * DEPTH) / lanes.length))),
    total,
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

const runClaimById = createClientStatement<SourceEventRow & { client_id: string }>({
  name: 'normalize.claim_by_id',
  text: (tie) => `
    select w.client_id, e.*, b.body
      from ${factLocksSql('$1::uuid[]')}
     cross join unnest($1::uuid[], $2::uuid[]) w(client_id, id)
     cross join lateral (
       select s.id, s.source_id, s.event_id, s.type, s.account, s.livemode, s.api_version, s.created_at, s.received_at
         from source_events s
        where s.client_id = w.client_id and s.id = w.id and s.due_at <= now() and fact_locks.count > 0 ${tie('s.client_id')}
          for update skip locked) e
      left join lateral (
        select b.body from source_event_bodies b
         where b.client_id = w.client_id and b.source_event_id = w.id ${tie('b.client_id')} offset 0) b on true
     order by w.client_id`,
})

/** Locks and reads source events by their ids, those of each client; what is not due, or locked by another transaction, is left out. */
export async function claimEventsById(
  tx: Queryable,
  events: readonly { clientId: string; id: string }[],
): Promise<ReadonlyMap<string, SourceEvent[]>> {
  const clientIds = events.map(({ clientId }) => clientId)
  const { rows } = await runClaimById(tx, clientIds, [clientIds, events.map(({ id }) => id)])
  const ofClients = Map.groupBy(rows, ({ client_id }) => client_id)
  return new Map([...ofClients].map(([clientId, own]) => [clientId, own.map(sourceEventOf)]))
}
