import type { Queryable } from '../database/db.ts'
import type { Json } from '../domain/json.ts'
import type { Routing } from '../domain/routing.ts'

/** An event of a routed source whose client is looked for. */
export interface WaitingEvent {
  id: string
  sourceId: string
  account: string
  livemode: boolean
  eventId: string
  state: 'waiting' | 'unrouted'
  type: string
  apiVersion: string | null
  lane: number
  createdAt: Date
  receivedAt: Date
  /** Until when it waits; null: it is unrouted. */
  heldUntil: Date | null
  /** null: its bytes are past their retention, or it was expunged. */
  body: Buffer | null
  /** How its source routes; null: not any more. */
  routing: Routing | null
  canFetch: boolean
  /** Stripe was asked for it while it waits. */
  hasAsked: boolean
}

/** Events of one transaction, and their bytes: bodies are parsed into several times their size. */
export const EVENTS_AT_ONCE = 200
const BYTES_AT_ONCE = 8 * 1024 * 1024

type ClaimedRow = Omit<WaitingEvent, 'type'> & { type: string | null; eventState: string | null }

/**
 * Locks and reads what is to be looked at of the operator's client, the longest due first; what another transaction has locked is passed
 * over. `orphans`: ids of events that are not there any more, or not to be routed any more.
 */
export async function claimWaitingEvents(
  tx: Queryable,
  clientId: string,
): Promise<{ events: WaitingEvent[]; orphans: string[] }> {
  const { rows } = await tx.query<ClaimedRow>({
    name: 'route.claim',
    text: `select * from (
       select r.id, r.source_id as "sourceId", r.account, r.livemode, r.event_id as "eventId", r.state, e.type,
              e.api_version as "apiVersion", e.lane, e.created_at as "createdAt", e.received_at as "receivedAt",
              e.held_until as "heldUntil", coalesce(array_to_string(e.held_for, ' ') ~ '(^| )fetch:', false) as "hasAsked", e.state as "eventState", b.body, s.routing, s.api_key is not null as "canFetch",
              coalesce(sum(octet_length(b.body)) over (
                order by r.due_at, r.id rows between unbounded preceding and 1 preceding), 0) as before
         from (select source_event_id as id, source_id, account, livemode, event_id, state, due_at from routings
                where client_id = $1 and due_at <= now()
                order by due_at, source_event_id limit ${EVENTS_AT_ONCE} for update skip locked) r
         left join lateral (
           select * from source_events where client_id = $1 and id = r.id offset 0) e on true
         left join lateral (
           select body from source_event_bodies where client_id = $1 and source_event_id = r.id offset 0) b on true
         left join sources s on s.id = r.source_id) claimed
      where before < ${BYTES_AT_ONCE}`,
    values: [clientId],
  })
  const isOpen = ({ eventState }: ClaimedRow) => eventState === 'held' || eventState === 'unrouted'
  return {
    events: rows.filter(isOpen).map(({ type, ...row }) => ({ ...row, type: type ?? '' })),
    orphans: rows.filter((row) => !isOpen(row)).map(({ id }) => id),
  }
}

/** The body as JSON; null when it is not there, or none. */
export function parseEventBody(body: Buffer | null): Json | null {
  if (body === null) return null
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return null
  }
}

/**
 * Makes those events due that wait for what is known by now: news, and answers of Stripe. Answers whether there may be more of it.
 */
export async function releaseTold(tx: Queryable, clientId: string): Promise<boolean> {
  const news = await tx.query<{ sourceId: string; key: string }>({
    name: 'route.news',
    text: `select source_id as "sourceId", key from routing_news where client_id = $1
            order by source_id, key limit ${NEWS_AT_ONCE} for update skip locked`,
    values: [clientId],
  })
  if (news.rows.length > 0) {
    const keys = [news.rows.map(({ sourceId }) => sourceId), news.rows.map(({ key }) => key)]
    const waiting = await tx.query<{ id: string }>({
      name: 'route.told',
      text: `select distinct w.source_event_id as id from unnest($2::uuid[], $3::text[]) k(source_id, key)
              cross join lateral (
                select source_event_id from routing_waits
                 where client_id = $1 and source_id = k.source_id and key = k.key offset 0) w`,
      values: [clientId, ...keys],
    })
    await makeDue(
      tx,
      clientId,
      waiting.rows.map(({ id }) => id),
    )
    await tx.query({
      name: 'route.news_told',
      text: `delete from routing_news n using unnest($2::uuid[], $3::text[]) k(source_id, key)
              where n.client_id = $1 and n.source_id = k.source_id and n.key = k.key`,
      values: [clientId, ...keys],
    })
  }
  await releaseAnswered(tx, clientId)
  return news.rows.length === NEWS_AT_ONCE
}

const NEWS_AT_ONCE = 500

/** As SQL: a wait `w` of the client `$1` is for a fetch `h` that has ended. */
const ANSWERED_SQL = `w.client_id = $1 and w.key >= 'fetch:' and w.key < 'fetch;' and h.client_id = $1
  and h.source_id = w.source_id and h.need = substr(w.key, 7) and h.state <> 'pending'`

async function releaseAnswered(tx: Queryable, clientId: string): Promise<void> {
  const { rows } = await tx.query<{ id: string }>({
    name: 'route.answered',
    text: `delete from routing_waits w using hydrations h where ${ANSWERED_SQL} returning w.source_event_id as id`,
    values: [clientId],
  })
  await makeDue(
    tx,
    clientId,
    rows.map(({ id }) => id),
  )
}

async function makeDue(tx: Queryable, clientId: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await tx.query({
    name: 'route.make_due',
    text: `update routings set due_at = now()
            where client_id = $1 and source_event_id = any($2::uuid[]) and state in ('waiting', 'unrouted')
              and (due_at is null or due_at > now())`,
    values: [clientId, ids],
  })
}

/** When something of the client is to be looked at next, in milliseconds; null: nothing is. */
export async function readNextLook(db: Queryable, clientId: string): Promise<number | null> {
  const { rows } = await db.query<{ at: Date | null }>({
    name: 'route.next',
    text: `select least(
              (select min(due_at) from routings where client_id = $1 and due_at is not null),
              (select now() from routing_news where client_id = $1 limit 1),
              (select now() from routing_waits w join hydrations h on h.client_id = w.client_id where ${ANSWERED_SQL} limit 1)) as at`,
    values: [clientId],
  })
  return rows[0]?.at?.getTime() ?? null
}
