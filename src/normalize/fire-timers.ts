import { createClientStatement } from '../database/client-statement.ts'
import { type Db, inTransaction, type Queryable } from '../database/db.ts'
import { createRowInsert } from '../database/insert-rows.ts'
import { TIMER_BODY, TIMER_EVENT_PREFIX } from '../domain/event-origin.ts'
import { newId } from '../domain/ids.ts'
import { splitRealm } from '../domain/realm.ts'
import type { StoredSourceEvent } from '../watch.ts'
import type { LanesOfClients } from './claim-events.ts'
import { inLockOrder } from './lock-order.ts'

/** The identity of the timer's event: one per invoice. */
const timerEventId = (invoiceId: string) => `${TIMER_EVENT_PREFIX}${invoiceId}`

/** Timers fired in one transaction; some more where there are many clients. */
const TIMER_LIMIT = 1000

/** What timers of a client have come to: the source events of those that have gone off, and when the `next` one will (milliseconds). */
export interface FiredTimers {
  fired: StoredSourceEvent[]
  next: number
}

const runTakeDue = createClientStatement<DueTimer>({
  name: 'normalize.take_due_timers',
  text: (tie) => `
    delete from invoice_dues d
     using (
       select t.* from (
         select l.client_id, array_agg(l.lane) as lanes from unnest($1::uuid[], $2::smallint[]) l(client_id, lane)
          group by l.client_id order by l.client_id) w
       cross join lateral (
         select i.client_id, i.source_id, i.invoice_id from invoice_dues i
          where i.client_id = w.client_id and i.due_at <= $3 and i.lane = any(w.lanes) ${tie('i.client_id')}
          order by i.due_at limit $4 for update skip locked) t) taken
     where d.client_id = taken.client_id and d.source_id = taken.source_id and d.invoice_id = taken.invoice_id ${tie('d.client_id')}
    returning d.client_id, d.source_id, d.invoice_id, d.account, d.livemode, d.lane, d.due_at`,
})

const runNextDue = createClientStatement<{ client_id: string; next: Date | null }>({
  name: 'normalize.next_timers',
  text: (tie) => `
    select w.client_id, i.next from (
      select l.client_id, array_agg(l.lane) as lanes from unnest($1::uuid[], $2::smallint[]) l(client_id, lane) group by l.client_id) w
     cross join lateral (
       select min(i.due_at) as next from invoice_dues i
        where i.client_id = w.client_id and i.lane = any(w.lanes) ${tie('i.client_id')}) i`,
})

/**
 * Makes source events of the timers in these lanes of clients of one group that have gone off, the same number of each client at most;
 * answers what came of each client's.
 */
export async function fireOverdueTimers(
  { db, now }: { db: Db; now: () => Date },
  lanesOfClients: LanesOfClients,
): Promise<ReadonlyMap<string, FiredTimers>> {
  const next = await readNextTimers(db, lanesOfClients)
  const due = new Map([...lanesOfClients].filter(([clientId]) => (next.get(clientId) ?? NEVER) <= now().getTime()))
  const fired = due.size > 0 ? await fireTimersOf(db, due, now()) : new Map()
  return new Map(
    [...lanesOfClients.keys()].map((clientId) => [
      clientId,
      fired.get(clientId) ?? { fired: [], next: next.get(clientId) ?? NEVER },
    ]),
  )
}

const NEVER = Number.POSITIVE_INFINITY
const columnsOf = (lanesOfClients: LanesOfClients) => {
  const lanes = [...lanesOfClients].flatMap(([clientId, own]) => own.map((lane) => ({ clientId, lane })))
  return [lanes.map(({ clientId }) => clientId), lanes.map(({ lane }) => lane)]
}

/** When the next timer in these lanes of each client goes off, in milliseconds; a client that has none is left out. */
async function readNextTimers(db: Queryable, lanesOfClients: LanesOfClients): Promise<ReadonlyMap<string, number>> {
  const { rows } = await runNextDue(db, lanesOfClients.keys(), columnsOf(lanesOfClients))
  return new Map(rows.flatMap(({ client_id, next }) => (next ? [[client_id, next.getTime()]] : [])))
}

const fireTimersOf = (db: Db, lanesOfClients: LanesOfClients, now: Date): Promise<Map<string, FiredTimers>> =>
  inTransaction(db, async (tx) => {
    const perClient = Math.ceil(TIMER_LIMIT / lanesOfClients.size)
    const { rows } = await runTakeDue(tx, lanesOfClients.keys(), [...columnsOf(lanesOfClients), now, perClient])
    const timers = rows.map((timer) => ({ ...timer, invoice_id: splitRealm(timer.invoice_id).id }))
    const fired = Map.groupBy(
      timers.length > 0 ? await insertTimerEvents(tx, timers, now.getTime()) : [],
      ({ clientId }) => clientId,
    )
    const next = await readNextTimers(tx, lanesOfClients)
    return new Map(
      [...lanesOfClients.keys()].map((clientId) => [
        clientId,
        { fired: fired.get(clientId) ?? [], next: next.get(clientId) ?? NEVER },
      ]),
    )
  })

interface DueTimer {
  client_id: string
  source_id: string
  invoice_id: string
  account: string
  livemode: boolean
  lane: number
  due_at: Date
}

async function insertTimerEvents(
  tx: Queryable,
  timers: readonly DueTimer[],
  arrivedAt: number,
): Promise<StoredSourceEvent[]> {
  const events = inLockOrder(
    timers.map((timer) => ({ ...timer, clientId: timer.client_id, id: newId() })),
    ({ source_id, invoice_id }) => `${source_id} ${invoice_id}`,
  )
  const inserted = new Set((await insertRowsOfEvents(tx, events)).map(({ id }) => id))
  const stored = events.filter(({ id }) => inserted.has(id))
  await insertBodies(tx, stored)
  return stored.map(({ id, clientId, source_id: sourceId, invoice_id }) => ({
    id,
    clientId,
    sourceId,
    eventId: timerEventId(invoice_id),
    type: 'invoice.overdue',
    arrivedAt,
  }))
}

type TimerEvent = DueTimer & { clientId: string; id: string }

const insertRowsOfEvents = createRowInsert<TimerEvent, { id: string }>({
  name: 'normalize.timer_events',
  table: 'source_events',
  columns: {
    client_id: (timer) => timer.clientId,
    id: (timer) => timer.id,
    source_id: (timer) => timer.source_id,
    account: (timer) => timer.account,
    livemode: (timer) => timer.livemode,
    event_id: (timer) => timerEventId(timer.invoice_id),
    lane: (timer) => timer.lane,
    created_at: (timer) => timer.due_at,
  },
  constants: { type: "'invoice.overdue'" },
  end: 'on conflict do nothing returning id',
})

const insertBodies = createRowInsert<TimerEvent>({
  name: 'normalize.timer_event_bodies',
  table: 'source_event_bodies',
  columns: {
    client_id: (timer) => timer.clientId,
    source_event_id: (timer) => timer.id,
    body: (timer) => Buffer.from(timerEventBody(timer)),
  },
})

const timerEventBody = ({ invoice_id, account, livemode, due_at }: DueTimer) =>
  JSON.stringify({
    object: TIMER_BODY,
    id: timerEventId(invoice_id),
    type: 'invoice.overdue',
    livemode,
    ...(account === '' ? {} : { account }),
    created: Math.floor(due_at.getTime() / 1000),
    data: { object: { id: invoice_id, object: 'invoice' } },
  })
