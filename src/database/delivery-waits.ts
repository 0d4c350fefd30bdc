import type { Queryable } from './db.ts'

/** Why a pending delivery is not being sent at this moment. */
export interface DeliveryWait {
  /** Its time by the retry schedule, the endpoint's breaker, or its turn among the others that are due. */
  for: 'schedule' | 'breaker' | 'turn'
  until: Date | null
  message: string
}

/** What holds up the deliveries of an endpoint, as ENDPOINT_LIMITS reads it; times as PostgreSQL writes them in JSON. */
export interface EndpointLimits {
  openedAt: string | null
  probeAt: string | null
  maxInFlight: number
  rateLimit: { count: number; seconds: number } | null
  ordering: 'none' | 'user'
}

/** As SQL, of an endpoint `p` and its left joined `endpoint_health h`. */
export const ENDPOINT_LIMITS = `jsonb_build_object('openedAt', h.opened_at, 'probeAt', h.probe_at,
  'maxInFlight', p.max_in_flight, 'rateLimit', p.rate_limit, 'ordering', p.ordering)`

/** An earlier delivery of the same user that has to end first. */
export interface EarlierDelivery {
  id: string
  nextAttemptAt: Date
}

/** What a pending delivery of an endpoint with `ordering: user` waits for; null: it is its user's first. Ids name the delivery. */
export async function findEarlierDelivery(
  db: Queryable,
  clientId: string,
  { eventId, id }: { eventId: string; id: string },
): Promise<EarlierDelivery | null> {
  const { rows } = await db.query<EarlierDelivery>(
    `select e.id, e.next_attempt_at as "nextAttemptAt"
       from deliveries d
       join deliveries e on e.client_id = $1 and e.endpoint_id = d.endpoint_id and e.user_id = d.user_id
        and e.state = 'pending' and (e.event_id, e.id) < (d.event_id, d.id)
      where d.client_id = $1 and d.event_id = $2 and d.id = $3
      order by e.event_id, e.id limit 1`,
    [clientId, eventId, id],
  )
  return rows[0] ?? null
}

interface DeliveryTimes {
  state: string
  attempts: number
  nextAttemptAt: Date | null
}

/**
 * What a pending delivery waits for at `now`; null when it is not pending any more. `earlier` is the result of
 * `findEarlierDelivery`, where the endpoint has `ordering: user`.
 */
export function deliveryWaitAt(
  { state, attempts, nextAttemptAt }: DeliveryTimes,
  limits: EndpointLimits,
  now: Date,
  earlier: EarlierDelivery | null = null,
): DeliveryWait | null {
  if (state !== 'pending' || !nextAttemptAt) return null
  if (nextAttemptAt > now)
    return { for: 'schedule', until: nextAttemptAt, message: `Attempt ${attempts + 1} comes at its time.` }
  const { openedAt, probeAt, maxInFlight, rateLimit, ordering } = limits
  if (openedAt && probeAt)
    return {
      for: 'breaker',
      until: new Date(probeAt),
      message:
        'The endpoint fails too often, so its breaker is open: deliveries wait without using up attempts, and one at a time tries. A success lets all go on.',
    }
  if (earlier)
    return {
      for: 'turn',
      until: earlier.nextAttemptAt > now ? earlier.nextAttemptAt : null,
      message: `The endpoint takes the events of a user one after another, and delivery ${earlier.id} comes first: this one goes out when that one is delivered or has failed for good.`,
    }
  const rate = rateLimit ? `, and ${rateLimit.count} in ${rateLimit.seconds} s` : ''
  const order =
    ordering === 'user' ? ', and the events of a user one after another, each when the one before has ended' : ''
  return {
    for: 'turn',
    until: null,
    message: `It is due, and goes out in its turn: the endpoint takes at most ${maxInFlight} at once${rate}${order}.`,
  }
}
