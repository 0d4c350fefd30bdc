import type { RetainedKind } from '../database/retention-horizons.ts'
import { TIMER_EVENT_PREFIX } from '../domain/event-origin.ts'
import { FANOUT_ORIGIN, NO_SOURCE_EVENT } from '../domain/ids.ts'

/**
 * One thing that must be so: `sql` answers the clients and ids for which it is not, with $1 `since`, $2 `lateSeconds`, $3 `unsureSeconds`, $4
 * the moment before which metadata may be gone.
 * `since` lies within the retention of what the check reads.
 */
export interface LedgerCheck {
  name: string
  reads: RetainedKind
  sql: string
}

const notExpunged = (client: string, subject: string) =>
  `not exists (select from deletions x where x.client_id = ${client} and x.subject_id = ${subject} and x.kind = 'payload')`
const inPeriod = (id: string) => `${id} >= uuid7_floor($1)`

// In the order of the flow. Every join is within one client, as every query on these tables has to be.
export const ledgerChecks: readonly LedgerCheck[] = [
  {
    name: 'every source event has the raw bytes that were signed',
    reads: 'payload',
    sql: `select s.client_id, s.id from source_events s
           where ${inPeriod('s.id')} and s.reason_code is distinct from 'user_deleted' and ${notExpunged('s.client_id', 's.id')}
             and not exists (select from source_event_bodies b where b.client_id = s.client_id and b.source_event_id = s.id
                                and ${inPeriod('b.source_event_id')})`,
  },
  {
    name: 'every source event is done, or waits for its time',
    reads: 'metadata',
    sql: `select client_id, id from source_events where ${inPeriod('id')} and due_at < now() - make_interval(secs => $2)`,
  },
  {
    name: 'every event of a source that routes is one client’s, everybody’s, waits for its client, or is unrouted',
    reads: 'metadata',
    // Both read first: what is routed lies with another client than what says so.
    sql: `with routed as materialized (
             select client_id, source_event_id as id, source_id, state, coalesce(target_id, client_id) as owner_id from routings
              where ${inPeriod('source_event_id')}),
           stored as materialized (
             select client_id, id, source_id, state, held_until from source_events
              where ${inPeriod('id')} and source_id in (select id from sources where routing is not null)
                and not starts_with(event_id, '${TIMER_EVENT_PREFIX}'))
           select coalesce(s.client_id, r.client_id) as client_id, coalesce(s.id, r.id) as id
             from stored s full join routed r on r.id = s.id and r.owner_id = s.client_id
            where case when r.id is null then true
                       -- Those of a client, or of a source, that was deleted went with it.
                       when s.id is null then not exists (select from deletions x where x.kind in ('client', 'source')
                                                             and x.subject_id in (r.owner_id, r.source_id))
                       when r.state = 'waiting' then s.state <> 'held' or s.held_until < now() - make_interval(secs => $2)
                       when r.state = 'unrouted' then s.state not in ('unrouted', 'ignored')
                       else s.state = 'unrouted' end`,
  },
  {
    name: 'a source event has events when it is normalized, and only then',
    reads: 'metadata',
    // Events are made after their source event came in, by the clock of another machine perhaps.
    sql: `select s.client_id, s.id from source_events s
            left join (select client_id, source_event_id from events
                        where id >= uuid7_floor($1::timestamptz - interval '1 day') and ${inPeriod('source_event_id')}
                        group by client_id, source_event_id) e
                   on e.client_id = s.client_id and e.source_event_id = s.id
           where ${inPeriod('s.id')} and (s.state = 'normalized') <> (e.source_event_id is not null)`,
  },
  {
    name: 'every event comes from a source event that is kept',
    reads: 'metadata',
    sql: `select e.client_id, e.id from events e
           where ${inPeriod('e.id')} and ${inPeriod('e.source_event_id')} and e.source_event_id <> '${NO_SOURCE_EVENT}'
             and not exists (select from source_events s where s.client_id = e.client_id and s.id = e.source_event_id)`,
  },
  {
    name: 'every happening is told once',
    reads: 'metadata',
    sql: `select e.client_id, e.id from events e
           where ${inPeriod('e.id')} and e.source_event_id <> '${NO_SOURCE_EVENT}'
             and not exists (select from emissions m
                              where m.client_id = e.client_id and m.contract = e.contract and m.key = e.key and m.event_id = e.id)`,
  },
  {
    // What an endpoint wanted before it was changed is not known any more: later events alone are judged.
    name: 'every event has one delivery for each endpoint that wanted it, and no other',
    reads: 'metadata',
    sql: `select e.client_id, e.id from events e
            join endpoints p on p.client_id = e.client_id and p.contract = e.contract and p.deleted_at is null
                            and e.id >= uuid7_floor(p.updated_at + make_interval(secs => $3))
           where ${inPeriod('e.id')} and e.source_event_id <> '${NO_SOURCE_EVENT}'
             and (p.event_types is null or e.type = any(p.event_types)
                  or split_part(e.type, '.', 1) || '.*' = any(p.event_types))
                 <> exists (select from deliveries d
                             where d.client_id = e.client_id and d.event_id = e.id and d.endpoint_id = p.id
                               and d.origin = '${FANOUT_ORIGIN}')`,
  },
  {
    name: 'every replay has made as many deliveries as it says',
    reads: 'metadata',
    sql: `select r.client_id, r.id from replays r
            left join deliveries d on d.client_id = r.client_id and d.endpoint_id = r.endpoint_id and d.origin = r.id
           where ${inPeriod('r.id')}
           group by r.client_id, r.id, r.replayed, r.since
          having count(d.id) > r.replayed
              -- Deliveries go with the day of their event, which may be long before the replay.
              or count(d.id) < r.replayed
                 and coalesce(r.since, 'epoch') >= $4
                 -- Those of a source or a user that was deleted went with it.
                 and not exists (select from deletions x where x.client_id = r.client_id and x.kind in ('source', 'user'))`,
  },
  {
    name: 'every event has its body',
    reads: 'payload',
    sql: `select e.client_id, e.id from events e
           where ${inPeriod('e.id')} and ${notExpunged('e.client_id', 'e.id')} and ${notExpunged('e.client_id', 'e.source_event_id')}
             and not exists (select from event_bodies b where b.client_id = e.client_id and b.event_id = e.id
                                and ${inPeriod('b.event_id')})`,
  },
  {
    name: 'every delivery has its event',
    reads: 'metadata',
    sql: `select d.client_id, d.id from deliveries d
           where ${inPeriod('d.event_id')}
             and not exists (select from events e where e.client_id = d.client_id and e.id = d.event_id and ${inPeriod('e.id')})`,
  },
  {
    // What is due longer than that may be held up by its endpoint's breaker or rate limit, and by nothing else.
    name: 'every delivery is done, or waits for its time',
    reads: 'metadata',
    sql: `select d.client_id, d.id from deliveries d
            join endpoints p on p.client_id = d.client_id and p.id = d.endpoint_id and p.rate_limit is null
           where ${inPeriod('d.event_id')} and d.next_attempt_at < now() - make_interval(secs => $2)
             and not exists (select from endpoint_health h where h.client_id = d.client_id
                                and h.endpoint_id = d.endpoint_id and h.opened_at is not null)`,
  },
  {
    name: 'every delivery counts the attempts that are recorded, 1, 2, 3 and so on',
    reads: 'payload',
    sql: `select d.client_id, d.id from deliveries d
            left join attempts a on a.client_id = d.client_id and a.event_id = d.event_id and a.delivery_id = d.id
                                and ${inPeriod('a.event_id')}
           where ${inPeriod('d.event_id')}
           group by d.client_id, d.event_id, d.id, d.attempts
          having count(a.number) <> d.attempts or coalesce(max(a.number), 0) <> d.attempts`,
  },
  {
    name: 'a delivery is delivered when its last attempt was answered with 2xx, and only then',
    reads: 'payload',
    sql: `select d.client_id, d.id from deliveries d
            left join attempts a on a.client_id = d.client_id and a.event_id = d.event_id and a.delivery_id = d.id
                                and ${inPeriod('a.event_id')}
                                and a.number = d.attempts
           where ${inPeriod('d.event_id')} and (d.state = 'delivered') <> coalesce(a.status between 200 and 299, false)`,
  },
]
