import { setTimeout as delay } from 'node:timers/promises'
import type { Queryable } from '../database/db.ts'
import { purgePageOfRows, type RowPurge } from './rows.ts'

/** A round through all clients starts about a day after the last one did. */
const ROUND_HOURS = 20

interface RoundPosition {
  clientId: string
  reached: string[] | null
}

/**
 * Continues a table's round, client by client, until it has ended or the time is up, and saves its position. Pauses for as long
 * as it works: live traffic needs the database more. Returns how many rows it has deleted.
 */
export async function purgeRound(db: Queryable, purge: RowPurge, isOver: () => boolean): Promise<number> {
  let deleted = 0
  for (let position = await beginRound(db, purge.name); position; ) {
    const started = performance.now()
    const page = await purgePageOfRows(db, position.clientId, purge, position.reached)
    deleted += page.deleted
    const next: RoundPosition | null = page.reached
      ? { clientId: position.clientId, reached: page.reached }
      : await findNextClient(db, position.clientId)
    const isTimeUp = isOver()
    // Most clients have nothing to delete: saving each step would cost more than looking again.
    if (page.deleted > 0 || page.reached || !next || isTimeUp) await savePosition(db, purge.name, next)
    if (isTimeUp) break
    if (page.deleted > 0) await delay(performance.now() - started)
    position = next
  }
  return deleted
}

/** Where to continue, or where a new round begins; null: the last round is over, and it is too early for the next one. */
async function beginRound(db: Queryable, name: string): Promise<RoundPosition | null> {
  const { rows } = await db.query(
    `select client_id as "clientId", reached, begun_at < now() - make_interval(hours => $2) as old from purges where what = $1`,
    [name, ROUND_HOURS],
  )
  const [last] = rows
  if (last?.clientId) return last
  if (last && !last.old) return null
  const first = await findNextClient(db, null)
  await db.query(
    `insert into purges (what, client_id) values ($1, $2)
     on conflict (what) do update set begun_at = now(), client_id = excluded.client_id, reached = null`,
    [name, first?.clientId ?? null],
  )
  return first
}

async function findNextClient(db: Queryable, clientId: string | null): Promise<RoundPosition | null> {
  const { rows } = await db.query('select id from clients where $1::uuid is null or id > $1 order by id limit 1', [
    clientId,
  ])
  return rows[0] ? { clientId: rows[0].id, reached: null } : null
}

async function savePosition(db: Queryable, name: string, position: RoundPosition | null): Promise<void> {
  await db.query('update purges set client_id = $2, reached = $3 where what = $1', [
    name,
    position?.clientId ?? null,
    position?.reached ?? null,
  ])
}
