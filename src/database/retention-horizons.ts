import type { Queryable } from './db.ts'

/** What is kept for different times: payloads are bodies and attempts, metadata are the rows that say that they existed. */
export type RetainedKind = 'payload' | 'metadata'
export type RetentionHorizons = Readonly<Record<RetainedKind, Date>>

/** From when on everything is still there: what is older may be gone. 1970 when nothing was ever purged. */
export async function readHorizons(db: Queryable): Promise<RetentionHorizons> {
  const { rows } = await db.query<{ what: RetainedKind; before: Date }>('select what, before from retention')
  const never = new Date(0)
  return { payload: never, metadata: never, ...Object.fromEntries(rows.map(({ what, before }) => [what, before])) }
}
