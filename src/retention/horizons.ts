import type { Queryable } from '../database/db.ts'
import type { RetainedKind } from '../database/retention-horizons.ts'

const DAY_MS = 86_400_000

/** For how many days payloads and metadata are kept, at least: they are deleted by whole days of UTC. */
export type RetentionDays = Readonly<Record<RetainedKind, number>>

/** Records what is past its retention from now on. A horizon never moves back: what is before it may be deleted already. */
export async function moveHorizons(db: Queryable, days: RetentionDays, now: Date): Promise<void> {
  const startOfDay = (time: number) => new Date(time - (time % DAY_MS))
  const before = (['payload', 'metadata'] as const).map((what) => startOfDay(now.getTime() - days[what] * DAY_MS))
  await db.query(
    `update retention r set before = n.before, moved_at = now()
       from unnest($1::text[], $2::timestamptz[]) n(what, before)
      where r.what = n.what and r.before < n.before`,
    [['payload', 'metadata'], before],
  )
}

/** Reads the horizons that were recorded so long ago that nothing before them is still in use. */
export async function readSettledHorizons(
  db: Queryable,
  graceSeconds: number,
): Promise<Partial<Record<RetainedKind, Date>>> {
  const { rows } = await db.query<{ what: RetainedKind; before: Date }>(
    `select what, before from retention where before > 'epoch' and moved_at <= now() - make_interval(secs => $1)`,
    [graceSeconds],
  )
  return Object.fromEntries(rows.map(({ what, before }) => [what, before]))
}
