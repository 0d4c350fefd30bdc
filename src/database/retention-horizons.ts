import type { Queryable } from './db.ts'

/** What ages apart: payloads are bodies and attempts, metadata is what says that there was something. */
export type RetainedKind = 'payload' | 'metadata'
export type RetentionHorizons = Readonly<Record<RetainedKind, Date>>

/** Since when everything is kept: what is older may be gone, or goes soon. 1970 where nothing was ever taken away. */
export async function readHorizons(db: Queryable): Promise<RetentionHorizons> {
  const { rows } = await db.query<{ what: RetainedKind; before: Date }>('select what, before from retention')
  const never = new Date(0)
  return { payload: never, metadata: never, ...Object.fromEntries(rows.map(({ what, before }) => [what, before])) }
}
