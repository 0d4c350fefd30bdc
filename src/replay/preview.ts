import type { Queryable } from '../database/db.ts'
import { idTime } from '../domain/ids.ts'
import { type Asked, type Deps, planned } from './start.ts'
import { walk } from './walk.ts'

/** What a replay would do. */
export interface Preview {
  since: Date | null
  until: Date | null
  count: number
  /** Would be replayed, but for their bodies, which are past their retention. */
  expired: number
  byType: Record<string, number>
  /** The first ones, by the ids of their events. */
  sample: { eventId: string; eventType: string; createdAt: Date }[]
  /** Where the count ended because it took too long: what was made later is not in it. null: all is counted. */
  countedUntil: Date | null
}

const SCAN = 5_000
const SAMPLE = 10
const BUDGET_MS = 2_000

/** Counts what `startReplay` would replay, and stores nothing. Runs inside a transaction. Throws as it does, `invalid` and `not_found`. */
export async function previewReplay(
  deps: Deps & { budgetMs?: number },
  tx: Queryable,
  clientId: string,
  asked: Asked,
): Promise<Preview> {
  const { which, after, since, until } = await planned(deps, tx, clientId, asked)
  const patientUntil = performance.now() + (deps.budgetMs ?? BUDGET_MS)
  const preview: Preview = { since, until, count: 0, expired: 0, byType: {}, sample: [], countedUntil: null }
  for (let from = after; ; ) {
    const { events, expired, reached, all } = await walk(tx, which, { after: from, scan: SCAN, most: SCAN })
    preview.count += events.length
    preview.expired += expired
    for (const { type } of events) preview.byType[type] = (preview.byType[type] ?? 0) + 1
    const shown = events.slice(0, SAMPLE - preview.sample.length)
    preview.sample.push(...shown.map(({ id, type }) => ({ eventId: id, eventType: type, createdAt: idTime(id) })))
    if (all) return preview
    from = reached
    if (performance.now() > patientUntil) return { ...preview, countedUntil: idTime(from) }
  }
}
