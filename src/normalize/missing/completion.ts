import type { ContractMappings } from '../../../mappings/offer.ts'
import { failedOutcome, heldOutcome, ignoredOutcome, notMappedOutcome } from '../outcomes.ts'
import type { Hold, SourceEvent, SourceEventOutcome, WaitLimits } from '../source-event.ts'
import type { Completion, SkippedFetch } from '../stripe-fetch.ts'
import { keyIn, type World } from '../world/world.ts'
import { listFetchesOf } from './stripe-fetches.ts'
import { asSnapshotEvent, isThin, snapshotTypeOf, thinFetch, twinOf } from './thin-events.ts'
import { fetchStateOf, hydrationFact, type Unfetched, unfetchedOf } from './unfetched.ts'

interface CompletionDeps {
  world: World
  mappings: ContractMappings
}

/** An event with what has been fetched for it: computed once, and once more when more of what was fetched has been loaded. */
export function completionOf(deps: CompletionDeps, sourceEvent: SourceEvent): Completion {
  const { completions } = deps.world
  const completion = completions.get(sourceEvent) ?? computeCompletion(deps, sourceEvent)
  completions.set(sourceEvent, completion)
  return completion
}

function computeCompletion({ world, mappings }: CompletionDeps, sourceEvent: SourceEvent): Completion {
  const thin = isThin(sourceEvent) ? thinFetch(mappings, sourceEvent) : null
  const snapshotEvent = isThin(sourceEvent)
    ? asSnapshotEvent(mappings, sourceEvent, fetchStateOf(world, sourceEvent, thin))
    : sourceEvent
  const lists = snapshotEvent ? listFetchesOf(snapshotEvent) : []
  const found = lists.flatMap(({ fetch, into }) => {
    const list = fetchStateOf(world, sourceEvent, fetch)?.result
    return list ? [{ fetch, into, list: { ...list, has_more: false } }] : []
  })
  return {
    complete: snapshotEvent && putLists(snapshotEvent, found),
    fetches: [...(thin ? [thin] : []), ...lists.map(({ fetch }) => fetch)],
    missingLists: lists.flatMap(({ fetch }) => (found.some((one) => one.fetch === fetch) ? [] : [fetch])),
  }
}

/** The event with these lists in the fields of its object where they belong. */
function putLists(event: SourceEvent, lists: readonly { into: string; list: object }[]): SourceEvent {
  if (lists.length === 0) return event
  const object = { ...event.body.data.object, ...Object.fromEntries(lists.map(({ into, list }) => [into, list])) }
  return { ...event, body: { ...event.body, data: { ...event.body.data, object } } }
}

/** The event in full and what it goes on without, or what becomes of it while it cannot be read. */
export function completeEvent(
  deps: CompletionDeps & { limits: WaitLimits },
  sourceEvent: SourceEvent,
): { complete: SourceEvent; skipped: SkippedFetch[] } | { outcome: SourceEventOutcome } {
  const outcome = isThin(sourceEvent) ? thinOutcomeOf(deps, sourceEvent) : null
  if (outcome) return { outcome }
  const { complete, missingLists } = completionOf(deps, sourceEvent)
  if (!complete) return { outcome: notFetchedOutcome(sourceEvent, []) }
  const unfetched = unfetchedOf(deps.world, sourceEvent, missingLists, deps.limits)
  const hold = fetchHoldOf(unfetched)
  return hold ? { outcome: heldOutcome(sourceEvent, hold) } : { complete, skipped: unfetched.skipped }
}

/** Until when an event waits for what has not been fetched; null: it does not. */
export const fetchHoldOf = ({ waiting }: Unfetched): Hold | null =>
  waiting.length === 0
    ? null
    : {
        until: new Date(Math.max(...waiting.map(({ until }) => until.getTime()))),
        facts: waiting.map(({ fetch }) => hydrationFact(fetch)),
      }

/** What becomes of a thin event; null: its object is there. */
function thinOutcomeOf(
  deps: CompletionDeps & { limits: WaitLimits },
  sourceEvent: SourceEvent,
): SourceEventOutcome | null {
  const { world, mappings, limits } = deps
  const twin = twinOf(sourceEvent)
  if (twin && world.twins.has(keyIn(sourceEvent, twin)))
    return ignoredOutcome(
      sourceEvent,
      'snapshot_speaks',
      'The same event has arrived as a snapshot event, which carries more.',
    )
  if (!world.sources.get(sourceEvent.sourceId)?.hasApiKey)
    return ignoredOutcome(
      sourceEvent,
      'needs_api_key',
      'A thin event carries no object: with an API key on the source it can be fetched.',
    )
  const fetch = thinFetch(mappings, sourceEvent)
  if (!fetch) return notMappedOutcome({ ...sourceEvent, type: snapshotTypeOf(mappings, sourceEvent) })
  if (completionOf(deps, sourceEvent).complete) return null
  const unfetched = unfetchedOf(world, sourceEvent, [fetch], limits)
  const hold = fetchHoldOf(unfetched)
  return hold ? heldOutcome(sourceEvent, hold) : notFetchedOutcome(sourceEvent, unfetched.skipped)
}

const notFetchedOutcome = (sourceEvent: SourceEvent, skipped: readonly SkippedFetch[]): SourceEventOutcome =>
  failedOutcome(sourceEvent, 'not_hydrated', skipped[0]?.reason ?? 'Its object has not been fetched.')
