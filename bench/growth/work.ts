import { readLedgerReport } from '../../src/cli/ledger-report.ts'
import { readOldestDeliveries, readOldestSourceEvents } from '../../src/database/backlog.ts'
import type { Db, Queryable } from '../../src/database/db.ts'
import { moveFloor } from '../../src/database/pending-floor.ts'
import { firstRow } from '../../src/database/rows.ts'
import { QUEUE_START, readDueDeliveries } from '../../src/deliver/queue/due-deliveries.ts'
import { findDueEndpoints, sweepDueEndpoints } from '../../src/deliver/queue/next-due.ts'
import { LEAST_ID } from '../../src/domain/ids.ts'
import { readStanding } from '../../src/metrics/standing.ts'
import { timeAnswer } from './api.ts'
import type { Case } from './cases.ts'
import type { Filled } from './fill.ts'

const LANES = 64
const SWEEP_SECONDS = 90
const DAY_MS = 86_400_000

/** What is asked beside lists: by people, by monitoring, and by the pumps. */
export async function workCases(db: Db, filled: Filled): Promise<Case[]> {
  const { big, endpoints, days, explained } = filled
  const pickSome = async (state: string, order: 'asc' | 'desc') =>
    (
      await db.query(
        `select id, event_id from deliveries where client_id = $1 and state = $2 order by id ${order} limit 1`,
        [big, state],
      )
    ).rows[0]
  const one = await pickSome('delivered', 'desc')
  // The oldest whose payload is there.
  const since = new Date(Date.now() - Math.min(days - 1, 28) * DAY_MS)
  const old = (
    await db.query(
      `select id from deliveries where client_id = $1 and event_id > uuid7_floor($2) and state = 'delivered' order by id limit 1`,
      [big, since],
    )
  ).rows[0]
  const callApi = (what: string, asked: Omit<Parameters<typeof timeAnswer>[1], 'clientId'>, rounds?: number): Case => ({
    what,
    run: (db) => timeAnswer(db, { clientId: big, ...asked }),
    ...(rounds && { rounds }),
  })
  const wants = endpoints.flatMap((endpointId) =>
    [false, true].map((areRetries) => ({
      ...{ clientId: big, endpointId, areRetries, after: QUEUE_START, limit: 250, isNew: false },
    })),
  )
  const readStats = (what: string, query: Record<string, unknown>) =>
    callApi(what, { path: '/v1/endpoints/{id}/stats', params: { id: firstRow(endpoints) }, query }, 5)
  await moveFloor(db)
  const { rows } = await db.query('select event_id from pending_floor')
  const readFloor = () => ({ eventId: rows[0].event_id })
  const noWork = () => ({ eventId: LEAST_ID })
  return [
    callApi('one delivery', { path: '/v1/deliveries/{id}', params: { id: one.id } }),
    callApi('its attempts', { path: '/v1/deliveries/{id}/attempts', params: { id: one.id } }),
    callApi('one event', { path: '/v1/events/{id}', params: { id: one.event_id } }),
    callApi('one source event', { path: '/v1/source-events/{id}', params: { id: explained } }),
    callApi('explain', { path: '/v1/source-events/{id}/explain', params: { id: explained } }),
    callApi('resend', { method: 'post', path: '/v1/deliveries/{id}/resend', params: { id: one.id } }),
    callApi('resend of an older one', { method: 'post', path: '/v1/deliveries/{id}/resend', params: { id: old.id } }),
    readStats('stats of a day', {}),
    readStats('stats of a month', { since }),
    callApi('dry run of a replay: failed', startReplay(firstRow(endpoints), 'failed'), 5),
    callApi('dry run of a replay: all of a day', startReplay(firstRow(endpoints), 'all', DAY_MS), 5),
    { what: 'metrics: a scrape', run: (db) => readStanding(poolOf(db), LANES), rounds: 5 },
    { what: 'operations: the oldest that waits', run: (db) => readOldestDeliveries(db), rounds: 5 },
    { what: 'operations: the oldest to normalise', run: (db) => readOldestSourceEvents(db, LANES), rounds: 5 },
    { what: 'pump: what is due', run: (db) => readDueDeliveries(db, wants, readFloor()) },
    { what: 'pump: what is due, without the floor', run: (db) => readDueDeliveries(db, wants, noWork()) },
    {
      what: 'pump: endpoints with something due',
      run: (db) => findDueEndpoints(db, [big], SWEEP_SECONDS, readFloor()),
    },
    { what: 'sweep of all clients', run: (db) => sweepDueEndpoints(db, SWEEP_SECONDS), rounds: 5 },
    { what: 'moving the floor', run: (db) => moveFloor(poolOf(db)), rounds: 5 },
    { what: 'ledger of 28 days', run: (db) => readLedgerReport(poolOf(db)), rounds: 1 },
  ]
}

const startReplay = (endpointId: string, mode: string, forMs?: number) => ({
  method: 'post' as const,
  path: '/v1/replays',
  body: { endpointId, mode, dryRun: true, ...(forMs && { since: new Date(Date.now() - forMs) }) },
})

/** For what begins a transaction of its own: it is in one. */
const poolOf = (tx: Queryable) =>
  ({
    connect: async () => ({
      query: async (first: string, values?: unknown[]) =>
        /^(begin|commit|rollback)$/.test(first) ? undefined : tx.query(first, values),
      release() {},
    }),
  }) as unknown as Db
