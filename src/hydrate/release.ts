import { createClientStatement } from '../database/client-statement.ts'
import { type Db, inTransaction, type Queryable } from '../database/db.ts'
import { splitRealm } from '../domain/realm.ts'

interface EndedFetch {
  clientId: string
  sourceId: string
  need: string
  account: string
}

const THIN = 'thin:'

/**
 * Lets the events go on that are held for a fetch. A thin event whose deadline has passed, and which failed for lack of its
 * object, is normalised after all; once the object is known (`lane` not null) it joins the lane of its customer.
 */
export async function releaseWaitingEvents(
  tx: Queryable,
  { clientId, sourceId, need: key, account }: EndedFetch,
  lane: number | null,
): Promise<void> {
  const { id: need } = splitRealm(key)
  if (need.startsWith(THIN))
    await tx.query(
      `update source_events
          set due_at = now(), lane = coalesce($6, lane), held_until = case when state = 'held' then held_until end,
              state = case when state = 'held' then 'held' else 'received' end,
              held_for = case when state = 'held' then held_for end
        where client_id = $1 and source_id = $2 and account = $3 and livemode = any('{t,f}') and event_id = $4
          and (state = 'held' and due_at > now() and due_at < 'infinity' or $5 and state = 'failed' and reason_code = 'not_hydrated')`,
      [clientId, sourceId, account, need.slice(THIN.length), lane !== null, lane],
    )
  else
    await tx.query(
      `update source_events set due_at = now()
        where client_id = $1 and source_id = $2 and account = $4 and state = 'held' and $3 = any(held_for) and due_at > now()`,
      [clientId, sourceId, `hydration:${need}`, account],
    )
}

/** How long a fetch that was given up without an answer is not made again. */
export const FAILED_SECONDS = 60

const selectOptional = createClientStatement<{ clientId: string }>({
  name: 'hydrate.optional',
  text: (tie) => `
    select distinct c.client_id as "clientId"
      from unnest($1::uuid[]) w(client_id)
     cross join lateral (
       select o.client_id, o.source_id from hydration_circuits o
        where o.client_id = w.client_id and o.open_until > now() ${tie('o.client_id')} offset 0) c
     cross join lateral (
       select from hydrations h
        where h.client_id = c.client_id and h.source_id = c.source_id and h.state = 'pending' and not h.essential
          ${tie('h.client_id')} limit 1) h`,
})

/**
 * Lets the events of sources that are left alone at present go on without what they can do without. (A need may have been
 * asked for just before, or while a call was under way that found Stripe answering no more.) Answers the clients that had any.
 */
export async function giveUpOptionalFetches(db: Db, clientIds: readonly string[]): Promise<string[]> {
  const { rows } = await selectOptional(db, clientIds, [clientIds])
  // Seldom, and with a client's own locks only: one after another.
  for (const { clientId } of rows) await giveUpOfClient(db, clientId)
  return rows.map(({ clientId }) => clientId)
}

const giveUpOfClient = (db: Db, clientId: string): Promise<void> =>
  inTransaction(db, async (tx) => {
    const { rows } = await tx.query<EndedFetch>(
      `update hydrations h
          set state = 'failed', next_attempt_at = null, reason_code = c.reason_code, reason_message = c.reason_message,
              ask_again_at = now() + make_interval(secs => ${FAILED_SECONDS})
         from hydration_circuits c
        where h.client_id = $1 and h.state = 'pending' and not h.essential
          and c.client_id = h.client_id and c.source_id = h.source_id and c.open_until > now()
        returning h.client_id as "clientId", h.source_id as "sourceId", h.need, h.account`,
      [clientId],
    )
    for (const landed of rows) await releaseWaitingEvents(tx, landed, null)
  })
