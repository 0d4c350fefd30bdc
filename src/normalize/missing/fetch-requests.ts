import { createClientStatement } from '../../database/client-statement.ts'
import type { Queryable } from '../../database/db.ts'
import { createRowInsert } from '../../database/insert-rows.ts'
import { idInRealm } from '../../domain/realm.ts'
import type { SourceEventOutcome } from '../source-event.ts'
import type { FetchRequest } from '../stripe-fetch.ts'
import { keyIn } from '../world/world.ts'

/** Thin events are of use for longer than anybody waits: an outage of Stripe may last. */
const KEEP_TRYING_MS = 86_400_000

/** What is to be fetched for a client's source event. */
export type ClientRequest = FetchRequest & { clientId: string }

const runAnswered = createClientStatement<{ client_id: string }>({
  name: 'normalize.release_answered',
  text: (tie) => `
    update source_events e
       set due_at = now(), state = case when e.state = 'failed' then 'received' else e.state end
      from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) a(client_id, source_id, need, key)
     cross join lateral (
       select h.account, h.livemode, h.state from hydrations h
        where h.client_id = a.client_id and h.source_id = a.source_id and h.need = a.need and h.state <> 'pending' ${tie('h.client_id')}
       offset 0) h
     where e.client_id = a.client_id and e.id = any($5::uuid[]) and e.source_id = a.source_id and e.account = h.account
       and e.livemode = coalesce(h.livemode, e.livemode)
       and (e.state = 'held' and 'hydration:' || a.key = any(e.held_for)
            or e.state = 'failed' and h.state = 'done' and a.key = 'thin:' || e.event_id) ${tie('e.client_id')}
    returning e.client_id`,
})

/**
 * Writes down requests that have not been made yet, or not lately: they are fetched once this transaction is committed. Whoever
 * records an answer waits for the commit: either it finds the events that were saved as held, or its answer is there already,
 * and they are due at once. Answers the clients of which any are.
 */
export async function saveFetchRequests(
  tx: Queryable,
  requests: readonly ClientRequest[],
  outcomes: readonly SourceEventOutcome[],
): Promise<ReadonlySet<string>> {
  if (requests.length === 0) return new Set()
  // Always in one order: two batches that ask for the same wait for each other in a line, not in a ring.
  const ordered = requests.toSorted((a, b) => (lockOrderOf(a) < lockOrderOf(b) ? -1 : 1))
  await insertRequests(tx, ordered)
  const clientIds = ordered.map(({ clientId }) => clientId)
  const { rows } = await runAnswered(tx, clientIds, [
    clientIds,
    ordered.map(({ sourceEvent }) => sourceEvent.sourceId),
    ordered.map(({ sourceEvent, fetch }) => idInRealm(sourceEvent, fetch.key)),
    ordered.map(({ fetch }) => fetch.key),
    outcomes.flatMap(({ id, state, code }) => (state === 'held' || code === 'not_hydrated' ? [id] : [])),
  ])
  return new Set(rows.map(({ client_id }) => client_id))
}

const insertRequests = createRowInsert<ClientRequest>({
  name: 'normalize.hydrations',
  table: 'hydrations',
  columns: {
    client_id: ({ clientId }) => clientId,
    source_id: ({ sourceEvent }) => sourceEvent.sourceId,
    need: ({ sourceEvent, fetch }) => idInRealm(sourceEvent, fetch.key),
    account: ({ sourceEvent }) => sourceEvent.account ?? '',
    livemode: ({ sourceEvent }) => sourceEvent.livemode ?? true,
    paths: ({ fetch }) => fetch.paths,
    list: ({ fetch }) => fetch.isList,
    essential: ({ fetch }) => fetch.isEssential,
    api_version: ({ sourceEvent }) => apiVersionOf(sourceEvent.apiVersion),
    wait_until: ({ waitUntil }) => waitUntil,
    give_up_at: ({ fetch, waitUntil }) => new Date(waitUntil.getTime() + (fetch.isEssential ? KEEP_TRYING_MS : 0)),
  },
  end: `on conflict (client_id, source_id, need) do update
          set state = excluded.state, asked_at = excluded.asked_at, wait_until = excluded.wait_until,
              give_up_at = excluded.give_up_at, attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at,
              ask_again_at = null, reason_code = null, reason_message = null,
              account = excluded.account, livemode = excluded.livemode, paths = excluded.paths,
              result = case when hydrations.account = excluded.account then hydrations.result end
        where hydrations.state <> 'pending' and hydrations.ask_again_at <= excluded.asked_at
           or hydrations.account <> excluded.account`,
})

const lockOrderOf = ({ clientId, sourceEvent, fetch }: ClientRequest) => `${clientId} ${keyIn(sourceEvent, fetch.key)}`

// Beta versions have a suffix that only the account which sent it may ask for.
const apiVersionOf = (version: string | null | undefined) =>
  /^\d{4}-\d{2}-\d{2}(\.[a-z]+)?/.exec(version ?? '')?.[0] ?? null
