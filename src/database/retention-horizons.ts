import type { Queryable } from './db.ts'

/** What ages apart: payloads are bodies and attempts, metadata is what says that there was something. */
export type Aging = 'payload' | 'metadata'
export type Horizons = Readonly<Record<Aging, Date>>

/** Since when everything is kept: what is older may be gone, or goes soon. 1970 where nothing was ever taken away. */
export async function horizons(db: Queryable): Promise<Horizons> {
  const { rows } = await db.query<{ what: Aging; before: Date }>('select what, before from retention')
  const never = new Date(0)
  return { payload: never, metadata: never, ...Object.fromEntries(rows.map(({ what, before }) => [what, before])) }
}
