import type { Db } from '../../src/database/db.ts'

/** What a client has beside its events: `many` users and checkouts, and some replays and backfills that have ended. */
export async function newState(
  db: Db,
  { clientId, endpointId, sourceId, many }: { clientId: string; endpointId: string; sourceId: string; many: number },
): Promise<void> {
  const idOf = (kind: string) => `('${kind.repeat(8)}-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid`
  const at = `now() - n * interval '1 minute'`
  const some = [clientId, Math.ceil(many)]
  const few = [clientId, Math.min(2_000, Math.ceil(many))]
  await db.query(
    `insert into users (client_id, id, client_user_id, registered, created_at)
     select $1, ${idOf('1')}, 'user_' || n, true, ${at} from generate_series(1, $2::int) n`,
    some,
  )
  await db.query(
    `insert into user_customers (client_id, customer_id, user_id) select $1, 'cus_' || n, ${idOf('1')} from generate_series(1, $2::int) n`,
    some,
  )
  await db.query(
    `insert into checkouts (client_id, id, stripe_session_id, client_user_id, items, subscriptions, created_at)
     select $1, ${idOf('2')}, 'cs_' || n, 'user_' || n % 1000, '[]', '[]', ${at} from generate_series(1, $2::int) n`,
    some,
  )
  await db.query(
    `insert into replays (client_id, id, endpoint_id, mode, state, found, reached, upto, finished_at)
     select $1, ${idOf('3')}, $3, 'failed', 'done', 0, ${idOf('3')}, ${idOf('3')}, now() from generate_series(1, $2::int) n`,
    [...few, endpointId],
  )
  await db.query(
    `insert into backfills (client_id, id, source_id, since, until, state, read_until, next_attempt_at, finished_at)
     select $1, ${idOf('4')}, $3, now() - interval '1 day', now(), 'completed', now(), null, now() from generate_series(1, $2::int) n`,
    [...few, sourceId],
  )
}
