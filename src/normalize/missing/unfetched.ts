import type { SkippedFetch, StripeFetch } from '../stripe-fetch.ts'
import type { SourceEvent } from '../source-event.ts'
import { type FetchState, keyOf, type World } from '../world/world.ts'

/** What an event lacks: what it waits for, until when, and what it has to do without, and why. */
export interface Unfetched {
  waiting: { fetch: StripeFetch; until: Date }[]
  skipped: SkippedFetch[]
}

/** How long events are held for what is fetched; undefined: nothing is asked for, and nothing waited for. */
interface FetchLimits {
  now: Date
  hydrateSeconds?: number | undefined
}

/** What an event is held for, until `need` is fetched. */
export const hydrationFact = (need: StripeFetch): string => `hydration:${need.key}`

/** What is known of a need of the event's source. */
export const fetchStateOf = (world: World, due: SourceEvent, need: StripeFetch | null): FetchState | undefined =>
  need ? world.fetchStates.get(keyOf(due.sourceId, need.key)) : undefined

/**
 * Sorts needs by whether they are worth waiting for, and asks for those that nobody has asked for. One deadline per need,
 * started by the first event that has it. A source without an API key lacks nothing: its events are read as they come.
 */
export function unfetchedOf(
  world: World,
  due: SourceEvent,
  needs: readonly StripeFetch[],
  { now, hydrateSeconds }: FetchLimits,
): Unfetched {
  const lack: Unfetched = { waiting: [], skipped: [] }
  const source = world.sources.get(due.sourceId)
  if (!source?.hasApiKey || hydrateSeconds === undefined) return lack
  for (const need of needs) {
    // Not looked up: to ask for it would be to ask again and again.
    if (!world.loaded.fetches.has(need.key)) continue
    const known = fetchStateOf(world, due, need)
    // What was fetched long ago serves until it is there anew.
    const has = known !== undefined && known.result !== null
    const worthAsking = !known || (known.askAgainAt !== null && known.askAgainAt <= now)
    if (worthAsking && (has || !source.shutReason || need.isEssential))
      requestFetch(world, due, need, {
        ...known,
        waitUntil: new Date(now.getTime() + (has ? 0 : hydrateSeconds * 1000)),
      })
    if (has) continue
    const fetched = fetchStateOf(world, due, need)
    if (fetched)
      world.dirty.fetchRequests.set(keyOf(due.sourceId, need.key), {
        fetch: need,
        sourceEvent: due,
        waitUntil: fetched.waitUntil,
      })
    if (fetched?.state === 'pending' && fetched.waitUntil > now)
      lack.waiting.push({ fetch: need, until: fetched.waitUntil })
    else
      lack.skipped.push({
        fetch: need,
        reason: fetched?.message ?? source.shutReason ?? 'Stripe has not answered in time.',
      })
  }
  return lack
}

function requestFetch(
  world: World,
  due: SourceEvent,
  need: StripeFetch,
  { result = null, fetchedAt = null, waitUntil }: Asked,
) {
  const key = keyOf(due.sourceId, need.key)
  world.dirty.fetchRequests.set(key, { fetch: need, sourceEvent: due, waitUntil })
  world.fetchStates.set(key, {
    state: 'pending',
    waitUntil,
    askAgainAt: null,
    fetchedAt,
    result,
    code: null,
    message: null,
  })
}
type Asked = Partial<FetchState> & { waitUntil: Date }
