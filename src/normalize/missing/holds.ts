import { createClientStatement } from '../../database/client-statement.ts'
import { type Db, inTransaction, type Queryable } from '../../database/db.ts'
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

const runReleaseArrived = createClientStatement<{ client_id: string }>({
  name: 'normalize.release_arrived',
  // Locked in one order: two batches that release the same wait for each other in a line, not in a ring.
  text: (tie) => `
    update source_events e set due_at = now()
      from (
        select w.client_id, locked.id from (
          select distinct f.client_id, h.id
            from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bool[], $5::text[]) f(client_id, source_id, account, livemode, fact)
           cross join lateral (
             select s.id from source_events s
              where s.client_id = f.client_id and s.state = 'held' and s.source_id = f.source_id and s.account = f.account
                and s.livemode = f.livemode and f.fact = any(s.held_for) and s.due_at > now() ${tie('s.client_id')} offset 0) h
           order by 1, 2) w
         cross join lateral (
           select s.id from source_events s
            where s.client_id = w.client_id and s.id = w.id and s.state = 'held' and s.due_at > now() ${tie('s.client_id')}
              for update) locked) r
     where e.client_id = r.client_id and e.id = r.id ${tie('e.client_id')}
    returning e.client_id`,
})

/**
 * Releases, in the transaction of a batch, the held events whose missing fact has arrived with it; keys are those of `keyOf`. Answers the
 * clients of which any was released.
 */
export async function releaseArrived(
  tx: Queryable,
  arrived: readonly { clientId: string; key: string }[],
): Promise<ReadonlySet<string>> {
  if (arrived.length === 0) return new Set()
  const facts = arrived.map(({ clientId, key }) => {
    const { sourceId, id } = splitKey(key)
    return { clientId, sourceId, fact: splitRealm(id) }
  })
  const clientIds = facts.map(({ clientId }) => clientId)
  const { rows } = await runReleaseArrived(tx, clientIds, [
    clientIds,
    facts.map(({ sourceId }) => sourceId),
    facts.map(({ fact }) => fact.account),
    facts.map(({ fact }) => fact.livemode),
    facts.map(({ fact }) => fact.id),
  ])
  return new Set(rows.map(({ client_id }) => client_id))
}

// Any number, the same in every process.
const FACT_LOCK = 7_061_003

/**
 * Locks as a table of the statement that begins a batch, one for each of `clientIds`, in one order in every process. Its column `count` is
 * there when all are held: what is read after it depends on it. A fact that arrives while the batch looks for it is recorded after the
 * batch has ended, and finds what the batch holds.
 */
export const factLocksSql = (clientIds: string) =>
  `(select count(x.lock) as count
      from (select pg_advisory_xact_lock_shared(${FACT_LOCK}, hashtext(c.id::text))::text as lock
              from (select distinct unnest(${clientIds}) as id order by 1) c) x) fact_locks`

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
