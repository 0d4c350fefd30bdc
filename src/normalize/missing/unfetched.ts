import type { SourceEvent, WaitLimits } from '../source-event.ts'
import type { SkippedFetch, StripeFetch } from '../stripe-fetch.ts'
import { type FetchState, keyIn, type SourceRealm, type World } from '../world/world.ts'

/** What has not been fetched for an event: what it waits for, until when, and what it goes on without, and why. */
export interface Unfetched {
  waiting: { fetch: StripeFetch; until: Date }[]
  skipped: SkippedFetch[]
}

/** The fact that an event is held for until `fetch` has an answer. */
export const hydrationFact = (fetch: StripeFetch): string => `hydration:${fetch.key}`

/** How far a fetch is in the event's source, account and mode; undefined: it was never requested. */
export const fetchStateOf = (world: World, at: SourceRealm, fetch: StripeFetch | null): FetchState | undefined =>
  fetch ? world.fetchStates.get(keyIn(at, fetch.key)) : undefined

/**
 * Sorts fetches by whether they are worth waiting for, and requests those that have not been requested. One deadline per fetch,
 * started by the first event that needs it. A source without an API key lacks nothing: its events are read as they come, and
 * so are all where nothing is fetched (`hydrateSeconds` undefined).
 */
export function unfetchedOf(
  world: World,
  sourceEvent: SourceEvent,
  fetches: readonly StripeFetch[],
  { now, hydrateSeconds }: Pick<WaitLimits, 'now' | 'hydrateSeconds'>,
): Unfetched {
  const unfetched: Unfetched = { waiting: [], skipped: [] }
  const source = world.sources.get(sourceEvent.sourceId)
  if (!source?.hasApiKey || hydrateSeconds === undefined) return unfetched
  for (const fetch of fetches) {
    // Not looked up: it would be requested again and again.
    if (!world.loaded.fetches.has(keyIn(sourceEvent, fetch.key))) continue
    const known = fetchStateOf(world, sourceEvent, fetch)
    // What was fetched long ago serves until it is there anew.
    const hasResult = known !== undefined && known.result !== null
    const isWorthAsking = !known || (known.askAgainAt !== null && known.askAgainAt <= now)
    if (isWorthAsking && (hasResult || !source.openCircuitReason || fetch.isEssential)) {
      const waitUntil = new Date(now.getTime() + (hasResult ? 0 : hydrateSeconds * 1000))
      requestFetch(world, { fetch, sourceEvent, waitUntil })
    }
    if (hasResult) continue
    const state = fetchStateOf(world, sourceEvent, fetch)
    if (state)
      world.dirty.fetchRequests.set(keyIn(sourceEvent, fetch.key), {
        fetch,
        sourceEvent,
        waitUntil: state.waitUntil,
      })
    if (state?.state === 'pending' && state.waitUntil > now) unfetched.waiting.push({ fetch, until: state.waitUntil })
    else {
      const reason = state?.message ?? source.openCircuitReason ?? 'Stripe has not answered in time.'
      unfetched.skipped.push({ fetch, reason })
    }
  }
  return unfetched
}

/** Has something fetched once the batch is committed; what was fetched before stays until then. */
function requestFetch(world: World, request: { fetch: StripeFetch; sourceEvent: SourceEvent; waitUntil: Date }): void {
  const { fetch, sourceEvent, waitUntil } = request
  const key = keyIn(sourceEvent, fetch.key)
  const known = world.fetchStates.get(key)
  world.dirty.fetchRequests.set(key, request)
  world.fetchStates.set(key, {
    state: 'pending',
    waitUntil,
    askAgainAt: null,
    fetchedAt: known?.fetchedAt ?? null,
    result: known?.result ?? null,
    code: null,
    message: null,
  })
}
