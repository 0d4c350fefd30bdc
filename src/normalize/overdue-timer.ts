import { overdueTimer } from '../../mappings/timers.ts'
import { createClientStatement } from '../database/client-statement.ts'
import type { Queryable } from '../database/db.ts'
import { createRowInsert } from '../database/insert-rows.ts'
import { splitRealm } from '../domain/realm.ts'
import { isReadablyTrue, readIfReadable } from '../language/read.ts'
import type { Facts } from '../language/scope.ts'
import { inLockOrder } from './lock-order.ts'
import type { SourceEvent } from './source-event.ts'
import { bareInput } from './world/bare-input.ts'
import { type KnownObject, objectKeyOf, splitKey, type World } from './world/world.ts'

// Stripe says that an invoice is overdue only to accounts that have set up an automation for it. Otherwise our own timer does,
// by an event of its own that goes the way of all others: same rules, same key, so it is sent once (docs/stripe.md 4.11).

/** An invoice that is due already when we learn of it may have a payment on its way to us. */
const GRACE_MS = 3_600_000
/** From here on PostgreSQL and JavaScript write dates differently. */
const YEAR_10000_SECONDS = 253_402_300_800

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

const runStopTimers = createClientStatement({
  name: 'normalize.stop_timers',
  text: (tie) => `
    delete from invoice_dues d
     using unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bool[]) s(client_id, source_id, invoice_id, account, livemode)
     where d.client_id = s.client_id and d.source_id = s.source_id and d.invoice_id = s.invoice_id and d.account = s.account
       and d.livemode = s.livemode ${tie('d.client_id')}`,
})

const runSettingEvents = createClientStatement<{ id: string; account: string; livemode: boolean; lane: number }>({
  name: 'normalize.setting_events',
  text: (tie) => `
    select e.* from unnest($1::uuid[], $2::uuid[]) w(client_id, id)
     cross join lateral (
       select id, account, livemode, lane from source_events e
        where e.client_id = w.client_id and e.id = w.id ${tie('e.client_id')} offset 0) e`,
})

/** Writes the timers that a batch has changed in the worlds of its clients. */
export async function saveOverdueTimers(tx: Queryable, worlds: readonly World[]): Promise<void> {
  const timers = inLockOrder(
    worlds.flatMap(({ clientId, dirty }) =>
      [...dirty.timers].map(([key, timer]) => ({ clientId, ...splitKey(key), ...timer })),
    ),
    ({ sourceId, id }) => `${sourceId} ${id}`,
  )
  // Set before accounts and modes were told apart, a timer has the invoice's bare id as its key.
  const stale = timers.flatMap(({ clientId, sourceId, id, at }) => {
    const { account, livemode, id: bare } = splitRealm(id)
    const ids = [...(at === null ? [id] : []), ...(bare === id ? [] : [bare])]
    return ids.map((invoiceId) => ({ clientId, sourceId, invoiceId, account, livemode }))
  })
  if (stale.length > 0) {
    const clientIds = stale.map(({ clientId }) => clientId)
    await runStopTimers(tx, clientIds, [
      clientIds,
      stale.map(({ sourceId }) => sourceId),
      stale.map(({ invoiceId }) => invoiceId),
      stale.map(({ account }) => account),
      stale.map(({ livemode }) => livemode),
    ])
  }
  const set = timers.filter(({ at }) => at !== null)
  if (set.length === 0) return
  const clientIds = set.map(({ clientId }) => clientId)
  const { rows } = await runSettingEvents(tx, clientIds, [clientIds, set.map(({ sourceEventId }) => sourceEventId)])
  const settingEvents = new Map(rows.map((row) => [row.id, row]))
  await insertTimers(
    tx,
    set.flatMap(({ clientId, sourceId, id: invoiceId, sourceEventId, at: dueAt }) => {
      const event = settingEvents.get(sourceEventId)
      return event ? [{ clientId, sourceId, invoiceId, dueAt, event }] : []
    }),
  )
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
