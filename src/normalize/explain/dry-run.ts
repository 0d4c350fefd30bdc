import type { Queryable } from '../../database/db.ts'
import { originOf } from '../../domain/event-origin.ts'
import { newId } from '../../domain/ids.ts'
import type { Due, Outcome } from '../source-event.ts'
import { explained } from './explain.ts'
import type { Explained, Explanation } from './explanation.ts'
import { judgedToday } from './judged.ts'

/** A Stripe event as it would be sent, of which only a type is asked for. */
export type Tried = { id?: unknown; type: string; created?: unknown; [field: string]: unknown }

/** What a Stripe event would become if a source sent it now: explained like one that is stored, and nothing is stored. */
export async function dryRun(
  { db, now, holdSeconds }: { db: Queryable; now: () => Date; holdSeconds: number },
  clientId: string,
  sourceId: string,
  event: Tried,
): Promise<Explanation> {
  const at = now()
  const due = dueOf(event, sourceId, at)
  const { result } = await judgedToday({ db, now: at, holdSeconds }, clientId, due, null)
  const { outcome } = result
  // What waits is shown as it would be told at the deadline.
  const judged = await judgedToday({ db, now: at }, clientId, due, null)
  const explanation = await explained({ db, now }, clientId, {
    row: rowOf(clientId, event, due, outcome),
    due,
    heldFor: outcome.heldFor ?? [],
    stored: [],
    judged,
  })
  const { rows } = await db.query(
    'select id from source_events where client_id = $1 and source_id = $2 and event_id = $3 limit 1',
    [clientId, sourceId, due.eventId],
  )
  const received = rows.map(
    ({ id }) => `It was received already, as the source event ${id}: sent once more it is a duplicate.`,
  )
  return { ...explanation, hints: [...explanation.hints, ...received] }
}

function dueOf(event: Tried, sourceId: string, now: Date): Due {
  const { id, type, created } = event
  const at = new Date(
    typeof created === 'number' ? Math.round(created * 1000) : typeof created === 'string' ? created : Number.NaN,
  )
  return {
    id: newId(),
    sourceId,
    eventId: typeof id === 'string' && id !== '' ? id : 'evt_dry_run',
    type,
    account: typeof event.account === 'string' ? event.account : '',
    apiVersion: typeof event.api_version === 'string' ? event.api_version : null,
    createdAt: Number.isNaN(at.getTime()) ? now : at,
    receivedAt: now,
    body: event,
  }
}

const rowOf = (clientId: string, event: Tried, due: Due, { state, code, message, heldUntil }: Outcome): Explained => ({
  id: null,
  sourceId: due.sourceId,
  eventId: due.eventId,
  type: due.type,
  apiVersion: due.apiVersion ?? null,
  account: due.account || null,
  livemode: event.livemode === true,
  createdAt: due.createdAt,
  receivedAt: due.receivedAt,
  origin: originOf({ clientId, ...due }),
  state,
  reason: code === null ? null : { code, message },
  heldUntil,
})
