import type { Queryable } from '../database/db.ts'
import { idTime } from '../domain/ids.ts'
import { selectEvents } from './select-events.ts'
import { planReplay, type ReplayPlanDeps, type ReplayRequest } from './start.ts'

/** What a replay would do. */
export interface ReplayPreview {
  since: Date | null
  until: Date | null
  count: number
  /** Events that match, but whose bodies are past their retention. */
  expired: number
  byType: Record<string, number>
  /** The first ones, by the ids of their events. */
  sample: { eventId: string; eventType: string; createdAt: Date }[]
  /** Where the count was given up because it took too long: later events are not in it. null: everything is counted. */
  countedUntil: Date | null
}

const SCAN_LIMIT = 5_000
const SAMPLE_SIZE = 10
const BUDGET_MS = 2_000

/** Counts what `startReplay` would replay, and stores nothing. Runs inside a transaction. Throws `invalid` and `not_found`. */
export async function previewReplay(
  deps: ReplayPlanDeps & { budgetMs?: number },
  tx: Queryable,
  clientId: string,
  request: ReplayRequest,
): Promise<ReplayPreview> {
  const { selection, after, since, until } = await planReplay(deps, tx, clientId, request)
  const countUntil = performance.now() + (deps.budgetMs ?? BUDGET_MS)
  const preview: ReplayPreview = { since, until, count: 0, expired: 0, byType: {}, sample: [], countedUntil: null }
  for (let from = after; ; ) {
    const { events, expired, reached, isComplete } = await selectEvents(tx, selection, {
      after: from,
      scanLimit: SCAN_LIMIT,
      limit: SCAN_LIMIT,
    })
    preview.count += events.length
    preview.expired += expired
    for (const { type } of events) preview.byType[type] = (preview.byType[type] ?? 0) + 1
    const shown = events.slice(0, SAMPLE_SIZE - preview.sample.length)
    preview.sample.push(...shown.map(({ id, type }) => ({ eventId: id, eventType: type, createdAt: idTime(id) })))
    if (isComplete) return preview
    from = reached
    if (performance.now() > countUntil) return { ...preview, countedUntil: idTime(from) }
  }
}
