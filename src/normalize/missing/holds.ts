import { type Db, inTransaction, type Tx } from '../../database/db.ts'
import { splitRealm } from '../../domain/realm.ts'
import type { Hold, WaitLimits } from '../source-event.ts'
import { keyIn, type SourceRealm, splitKey, type World } from '../world/world.ts'

/**
 * Releases the held events that miss one of these facts, which have come from outside the event stream (a user was registered,
 * say). Facts read `client_user_id:<customer>`, `subscription:<id>` or `checkout:<id>`. Answers how many were released; wake
 * the normalizer then.
 */
export const releaseHeldFor = (db: Db, clientId: string, facts: readonly string[]): Promise<number> =>
  inTransaction(db, async (tx) => {
    // A batch that looked for the fact before it was there, and has yet to commit what it holds for it, comes first. The
    // lock is taken where the client's rows are, as by the batch: on Citus, without a table, it would be taken elsewhere.
    await tx.query(
      `select 1 from (select pg_advisory_xact_lock(${FACT_LOCK}, hashtext($1::uuid::text))) arriving
         left join (select id from source_events where client_id = $1 limit 1) one on true`,
      [clientId],
    )
    const { rowCount } = await tx.query(
      `update source_events set due_at = now()
        where client_id = $1 and state = 'held' and held_for && $2::text[] and due_at > now()`,
      [clientId, facts],
    )
    return rowCount ?? 0
  })

/** Releases, in the transaction of a batch, the held events whose missing fact has arrived with it; keys are those of `keyOf`. */
export async function releaseArrived(tx: Tx, clientId: string, keys: readonly string[]): Promise<boolean> {
  if (keys.length === 0) return false
  const facts = keys.map((key) => ({ ...splitKey(key), ...splitRealm(splitKey(key).id) }))
  const { rowCount } = await tx.query(
    `update source_events e set due_at = now()
       from unnest($2::uuid[], $3::text[], $4::bool[], $5::text[]) f(source_id, account, livemode, fact)
      where e.client_id = $1 and e.state = 'held' and e.source_id = f.source_id and e.account = f.account
        and e.livemode = f.livemode and f.fact = any(e.held_for) and e.due_at > now()`,
    [
      clientId,
      facts.map(({ sourceId }) => sourceId),
      facts.map(({ account }) => account),
      facts.map(({ livemode }) => livemode),
      facts.map(({ id }) => id),
    ],
  )
  return (rowCount ?? 0) > 0
}

// Any number, the same in every process.
const FACT_LOCK = 7_061_003

/**
 * A lock as a table of the statement that begins a batch, which names the client as `clientId`: a fact that arrives while the
 * batch looks for it is recorded after the batch has ended, and finds what the batch holds.
 */
export const factLockSql = (clientId: string) =>
  `(select pg_advisory_xact_lock_shared(${FACT_LOCK}, hashtext(${clientId}::text))) fact_lock`

/** One deadline per missing fact, started by the first event that misses it; null when nothing is waited for any more. */
export function holdForFacts(
  world: World,
  at: SourceRealm,
  missing: readonly string[],
  { now, holdSeconds }: Pick<WaitLimits, 'now' | 'holdSeconds'>,
): Hold | null {
  if (holdSeconds === 0) return null
  const waiting = [...new Set(missing)]
    .map((fact) => ({ fact, until: deadlineOf(world, keyIn(at, fact), { now, holdSeconds }) }))
    .filter(({ until }) => until > now)
  if (waiting.length === 0) return null
  return {
    until: new Date(Math.max(...waiting.map(({ until }) => until.getTime()))),
    facts: waiting.map(({ fact }) => fact),
  }
}

function deadlineOf(world: World, key: string, { now, holdSeconds }: Pick<WaitLimits, 'now' | 'holdSeconds'>): Date {
  const known = world.holds.get(key)
  if (known) return known
  const until = new Date(now.getTime() + holdSeconds * 1000)
  world.holds.set(key, until)
  world.dirty.holds.set(key, until)
  return until
}
