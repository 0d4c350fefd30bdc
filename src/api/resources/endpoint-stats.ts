import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { keptConditionOf } from '../../database/deletions.ts'
import { PENDING_FLOOR } from '../../database/pending-floor.ts'
import { firstRow } from '../../database/rows.ts'
import { Refusal } from '../../errors.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { clientId, id, replyTime, requestTime } from '../http/field-schemas.ts'
import { type Route, resourceRoute } from '../http/route.ts'
import { DELIVERY_STATES } from './deliveries.ts'

const DAY_MS = 86_400_000
const MAX_WINDOW_DAYS = 31

const count = z.number().int()
const share = z.number().min(0).max(1).nullable()

const Stats = z
  .strictObject({
    endpointId: id,
    since: replyTime,
    until: replyTime,
    deliveries: z
      .strictObject({
        total: count,
        byState: z.strictObject(Object.fromEntries(DELIVERY_STATES.map((state) => [state, count]))),
        successRate: share.meta({
          description: 'The share of `delivered` among `delivered` and `failed`; null: there are none.',
        }),
      })
      .meta({ description: 'The deliveries that were created in the window.' }),
    attempts: z
      .strictObject({
        total: count,
        byOutcome: z
          .record(z.string(), count)
          .meta({ description: 'By HTTP status, or by kind of error if there was no response.', example: { 200: 41 } }),
        successRate: share.meta({ description: 'The share of attempts answered with 2xx; null: there are none.' }),
        latencyMs: z.strictObject({ p50: count, p95: count, p99: count }).nullable().meta({
          description: 'The time until the status line arrived, over attempts with a response; null: there are none.',
        }),
      })
      .meta({ description: 'All attempts of these deliveries, whenever they were made.' }),
    waiting: z
      .strictObject({ total: count, due: count, oldestCreatedAt: replyTime.nullable() })
      .meta({ description: 'All deliveries that are pending now, whenever they were created.' }),
  })
  .meta({ id: 'EndpointStats', description: 'Counts and rates of the deliveries and attempts of an endpoint.' })

/** GET /v1/endpoints/{id}/stats, computed from the rows that the lists of deliveries and attempts show. */
export const endpointStatsRoutes = ({ now }: Pick<ApiDeps, 'now'>): Route[] => [
  resourceRoute('GET /v1/endpoints/{id}/stats', {
    summary: 'Get the statistics of an endpoint',
    description:
      'Counts the deliveries created in a window: the last 24 hours, or from `since` to `until`, at most 31 days.',
    ids: { id: 'endpointEver' },
    query: z.strictObject({ clientId, since: requestTime.optional(), until: requestTime.optional() }),
    reply: Stats,
    async answerCall({ db, clientId, params, query }) {
      const until = query.until ?? now()
      const since = query.since ?? new Date(until.getTime() - DAY_MS)
      assertWindow(since, until)
      return { data: await readStats(db, clientId, params.id, { since, until }) }
    },
  }),
]

function assertWindow(since: Date, until: Date) {
  const days = (until.getTime() - since.getTime()) / DAY_MS
  if (days > 0 && days <= MAX_WINDOW_DAYS) return
  const message = days > 0 ? `must be at most ${MAX_WINDOW_DAYS} days before until` : 'must be before until'
  throw new Refusal('invalid', { details: [{ path: 'since', code: 'custom', message }] })
}

type CountByName = Record<string, number>

const keptDeliveries = keptConditionOf('deliveries', '$1::uuid')

/** One statement, so that all numbers are of the same moment. */
async function readStats(
  db: Queryable,
  clientId: string,
  endpointId: string,
  { since, until }: { since: Date; until: Date },
): Promise<object> {
  const { rows } = await db.query(
    `with created as materialized (
       select event_id, id, state from deliveries t
        where client_id = $1 and endpoint_id = $2 and id >= uuid7_floor($3) and id < uuid7_floor($4) and ${keptDeliveries}
     ), attempted as materialized (
       -- The bounds exclude the partitions of days that have none of these deliveries.
       select a.status, a.error, a.duration_ms from created d
         join attempts a on a.client_id = $1 and a.event_id = d.event_id and a.delivery_id = d.id
          and a.event_id >= (select event_id from created order by event_id limit 1)
          and a.event_id <= (select event_id from created order by event_id desc limit 1)
     )
     select (select jsonb_object_agg(state, n) from (select state, count(*) as n from created group by 1) s) as states,
            (select jsonb_object_agg(outcome, n)
               from (select coalesce(status::text, error) as outcome, count(*) as n from attempted group by 1) o) as outcomes,
            (select count(*) from attempted where status between 200 and 299) as delivered,
            (select percentile_disc(array[0.5, 0.95, 0.99]) within group (order by duration_ms)
               from attempted where status is not null) as latencies,
            w.total, w.due, w.oldest
       from (select count(*) as total, count(*) filter (where next_attempt_at <= now()) as due, min(created_at) as oldest
               from deliveries t where client_id = $1 and endpoint_id = $2 and state = 'pending' and event_id >= ${PENDING_FLOOR}
                and ${keptDeliveries}) w`,
    [clientId, endpointId, since, until],
  )
  const { states, outcomes, delivered, latencies, total, due, oldest } = firstRow(rows)
  const byState: CountByName = Object.fromEntries(DELIVERY_STATES.map((state) => [state, states?.[state] ?? 0]))
  const { delivered: deliveredCount = 0, failed: failedCount = 0 } = byState
  const byOutcome: CountByName = outcomes ?? {}
  const attempts = sumCounts(byOutcome)
  return {
    endpointId,
    since,
    until,
    deliveries: {
      total: sumCounts(byState),
      byState,
      successRate: ratioOf(deliveredCount, deliveredCount + failedCount),
    },
    attempts: {
      total: attempts,
      byOutcome,
      successRate: ratioOf(delivered, attempts),
      latencyMs: latencies && { p50: latencies[0], p95: latencies[1], p99: latencies[2] },
    },
    waiting: { total, due, oldestCreatedAt: oldest },
  }
}

const sumCounts = (counts: CountByName) => Object.values(counts).reduce((total, one) => total + one, 0)
const ratioOf = (part: number, whole: number) => (whole === 0 ? null : part / whole)
