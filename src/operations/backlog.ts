import { operations } from '../contracts/operations.ts'
import type { Queryable } from '../db.ts'
import { type Alarm, clear, raise, raised } from './alarms.ts'
import type { Finding } from './tell.ts'

/** It is over when nothing waits for so long any more. */
const OVER_SECONDS = 60
const TYPE = 'backlog.growing'

/** The longest waiting of a client, past its time. */
interface Waiting {
  clientId: string
  of: 'sourceEvents' | 'deliveries'
  endpointId: string | null
  at: Date
  seconds: number
}

/**
 * What to tell of backlogs: each client whose oldest source event or delivery is `afterSeconds` past its time, once until
 * none is for a minute. Deliveries to endpoints that are known to fail wait rightly, and those of operational events tell
 * nothing of themselves. Alarms that are over are taken back here.
 */
export async function backlogNews(
  db: Queryable,
  { lanes, afterSeconds, now }: { lanes: number; afterSeconds: number; now: () => Date },
): Promise<Finding[]> {
  const waiting = [...(await sourceEventsWaiting(db, lanes)), ...(await deliveriesWaiting(db))]
  const long = new Set(waiting.filter(({ seconds }) => seconds >= OVER_SECONDS).map(nameOf))
  for (const alarm of await raised(db, TYPE))
    if (!long.has(nameOf({ ...alarm, of: alarm.subject }))) await clear(db, alarm)
  return waiting.filter(({ seconds }) => seconds >= afterSeconds).map((one) => news(one, now))
}

const nameOf = ({ clientId, of }: { clientId: string; of: string }) => `${clientId} ${of}`

const news =
  ({ clientId, of, endpointId, at, seconds }: Waiting, now: () => Date): Finding =>
  async (tx) => {
    const alarm: Alarm = { clientId, type: TYPE, subject: of }
    const since = await raise(tx, alarm)
    if (!since) return null
    return {
      type: TYPE,
      clientId,
      key: `${TYPE} ${of} ${clientId} ${since.toISOString()}`,
      occurredAt: now(),
      about: {
        backlog: { of, oldestDueAt: at.toISOString(), oldestSeconds: Math.floor(seconds), endpointId },
      },
    }
  }

async function sourceEventsWaiting(db: Queryable, lanes: number): Promise<Waiting[]> {
  const { rows } = await db.query(
    `select c.id as "clientId", 'sourceEvents' as of, null as "endpointId", min(s.due_at) as at,
            extract(epoch from now() - min(s.due_at))::float8 as seconds
       from clients c
      cross join generate_series(0, $1 - 1) lane
      cross join lateral (
        select due_at from source_events
         where client_id = c.id and source_events.lane = lane.lane and due_at <= now()
         order by due_at limit 1) s
      group by c.id`,
    [lanes],
  )
  return rows
}

async function deliveriesWaiting(db: Queryable): Promise<Waiting[]> {
  const { rows } = await db.query(
    `select distinct on (e.client_id) e.client_id as "clientId", 'deliveries' as of, e.id as "endpointId", d.at,
            extract(epoch from now() - d.at)::float8 as seconds
       from endpoints e
       left join endpoint_health h on h.client_id = e.client_id and h.endpoint_id = e.id
      cross join (values (false), (true)) kind(retries)
      cross join lateral (
        select next_attempt_at as at from deliveries
         where client_id = e.client_id and endpoint_id = e.id and state = 'pending' and (attempts > 0) = retries
           and next_attempt_at <= now()
         order by next_attempt_at limit 1) d
      where e.deleted_at is null and e.status = 'enabled' and e.contract <> $1 and h.opened_at is null
      order by e.client_id, d.at`,
    [operations.name],
  )
  return rows
}
