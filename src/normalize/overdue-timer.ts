import { overdueTimer } from '../../mappings/timers.ts'
import { type Db, inTransaction, type Queryable } from '../database/db.ts'
import { createRowInsert } from '../database/insert-rows.ts'
import { firstRow } from '../database/rows.ts'
import { TIMER_BODY, TIMER_EVENT_PREFIX } from '../domain/event-origin.ts'
import { newId } from '../domain/ids.ts'
import { splitRealm } from '../domain/realm.ts'
import { isReadablyTrue, readIfReadable } from '../language/read.ts'
import type { Facts } from '../language/scope.ts'
import type { StoredSourceEvent } from '../watch.ts'
import type { SourceEvent } from './source-event.ts'
import { bareInput } from './world/bare-input.ts'
import { type KnownObject, objectKeyOf, splitKey, type World } from './world/world.ts'

// Stripe says that an invoice is overdue only to accounts that have set up an automation for it. Otherwise our own timer does,
// by an event of its own that goes the way of all others: same rules, same key, so it is sent once (docs/stripe.md 4.11).

/** The identity of the timer's event: one per invoice. */
const timerEventId = (invoiceId: string) => `${TIMER_EVENT_PREFIX}${invoiceId}`

/** An invoice that is due already when we learn of it may have a payment on its way to us. */
const GRACE_MS = 3_600_000
/** From here on PostgreSQL and JavaScript write dates differently. */
const YEAR_10000_SECONDS = 253_402_300_800
/** Timers fired in one transaction. */
const TIMER_LIMIT = 1000

/** Sets, moves or stops the timer of an invoice whose newest state has just been remembered. */
export function setOverdueTimer(
  world: World,
  invoice: KnownObject,
  { facts, event, now }: { facts: Facts; event: SourceEvent; now: Date },
): void {
  const { memory, snapshot } = invoice
  const input = { ...bareInput(event, snapshot.object, facts), memory }
  const isOwing = !memory.flags.overdue && isReadablyTrue(overdueTimer.when, input)
  const read = isOwing ? readIfReadable(overdueTimer.at, input) : null
  const date = typeof read === 'number' && read > 0 && read < YEAR_10000_SECONDS ? read : undefined
  if (date === memory.due) return
  memory.due = date
  const at = date === undefined ? null : new Date(date * 1000 > now.getTime() ? date * 1000 : now.getTime() + GRACE_MS)
  world.dirty.timers.set(objectKeyOf(invoice), { sourceEventId: event.id, at })
}

/** Writes the timers that a batch has changed. */
export async function saveOverdueTimers(tx: Queryable, { clientId, dirty }: World): Promise<void> {
  const timers = [...dirty.timers].map(([key, timer]) => ({ ...splitKey(key), ...timer }))
  // Set before accounts and modes were told apart, a timer has the invoice's bare id as its key.
  const keys = timers.flatMap(({ sourceId, id, at }) => {
    const { account, livemode, id: bare } = splitRealm(id)
    const stale = [...(at === null ? [id] : []), ...(bare === id ? [] : [bare])]
    return stale.map((invoiceId) => ({ sourceId, invoiceId, account, livemode }))
  })
  const set = timers.filter(({ at }) => at !== null)
  if (keys.length > 0)
    await tx.query(
      `delete from invoice_dues d
        using unnest($2::uuid[], $3::text[], $4::text[], $5::bool[]) s(source_id, invoice_id, account, livemode)
        where d.client_id = $1 and d.source_id = s.source_id and d.invoice_id = s.invoice_id and d.account = s.account
          and d.livemode = s.livemode`,
      [
        clientId,
        keys.map(({ sourceId }) => sourceId),
        keys.map(({ invoiceId }) => invoiceId),
        keys.map(({ account }) => account),
        keys.map(({ livemode }) => livemode),
      ],
    )
  if (set.length > 0) {
    const { rows } = await tx.query<{ id: string; account: string; livemode: boolean; lane: number }>(
      'select id, account, livemode, lane from source_events where client_id = $1 and id = any($2)',
      [clientId, set.map(({ sourceEventId }) => sourceEventId)],
    )
    const settingEvents = new Map(rows.map((row) => [row.id, row]))
    await insertTimers(
      tx,
      set.flatMap(({ sourceId, id: invoiceId, sourceEventId, at: dueAt }) => {
        const event = settingEvents.get(sourceEventId)
        return event ? [{ clientId, sourceId, invoiceId, dueAt, event }] : []
      }),
    )
  }
}

interface NewTimer {
  clientId: string
  sourceId: string
  invoiceId: string
  dueAt: Date | null
  /** The event that sets it. */
  event: { account: string; livemode: boolean; lane: number }
}

const insertTimers = createRowInsert<NewTimer>({
  name: 'normalize.invoice_dues',
  table: 'invoice_dues',
  columns: {
    client_id: ({ clientId }) => clientId,
    source_id: ({ sourceId }) => sourceId,
    invoice_id: ({ invoiceId }) => invoiceId,
    account: ({ event }) => event.account,
    livemode: ({ event }) => event.livemode,
    lane: ({ event }) => event.lane,
    due_at: ({ dueAt }) => dueAt,
  },
  end: 'on conflict (client_id, source_id, invoice_id) do update set due_at = excluded.due_at',
})

/** What timers of a client have come to: the source events of those that have gone off, and when the `next` one will (milliseconds). */
export interface FiredTimers {
  fired: StoredSourceEvent[]
  next: number
}

/** Makes source events of the timers in these lanes of clients of one group that have gone off; answers what came of each client's. */
export async function fireOverdueTimers(
  deps: { db: Db; now: () => Date },
  lanesOfClients: ReadonlyMap<string, readonly number[]>,
): Promise<ReadonlyMap<string, FiredTimers>> {
  const results = new Map<string, FiredTimers>()
  for (const [clientId, lanes] of lanesOfClients) results.set(clientId, await fireTimersOf(deps, clientId, lanes))
  return results
}

function fireTimersOf(
  { db, now }: { db: Db; now: () => Date },
  clientId: string,
  lanes: readonly number[],
): Promise<FiredTimers> {
  return inTransaction(db, async (tx) => {
    const { rows } = await tx.query<DueTimer>(
      `delete from invoice_dues where client_id = $1 and (source_id, invoice_id) in (
         select source_id, invoice_id from invoice_dues
          where client_id = $1 and due_at <= $2 and lane = any($3) order by due_at limit ${TIMER_LIMIT} for update skip locked)
       returning source_id, invoice_id, account, livemode, lane, due_at`,
      [clientId, now(), lanes],
    )
    const timers = rows.map((timer) => ({ ...timer, invoice_id: splitRealm(timer.invoice_id).id }))
    const fired = timers.length > 0 ? await insertTimerEvents(tx, timers, { clientId, arrivedAt: now().getTime() }) : []
    const { rows: first } = await tx.query<{ next: Date | null }>(
      'select min(due_at) as next from invoice_dues where client_id = $1 and lane = any($2)',
      [clientId, lanes],
    )
    return { fired, next: firstRow(first).next?.getTime() ?? Number.POSITIVE_INFINITY }
  })
}

interface DueTimer {
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
  { clientId, arrivedAt }: { clientId: string; arrivedAt: number },
): Promise<StoredSourceEvent[]> {
  const events = timers.map((timer) => ({ ...timer, clientId, id: newId() }))
  const inserted = new Set((await insertRowsOfEvents(tx, events)).map(({ id }) => id))
  const stored = events.filter(({ id }) => inserted.has(id))
  await insertBodies(tx, stored)
  return stored.map(({ id, source_id: sourceId, invoice_id }) => ({
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
