import type { SkippedFetch, StripeFetch } from '../stripe-fetch.ts'
import { failedOutcome, heldOutcome, ignoredOutcome, notMappedOutcome } from '../outcomes.ts'
import type { SourceEvent, SourceEventOutcome, WaitLimits } from '../source-event.ts'
import { keyOf, type World } from '../world/world.ts'
import { listFetchesOf } from './stripe-fetches.ts'
import { asSnapshotEvent, isThin, snapshotTypeOf, thinFetch, twinOf } from './thin-events.ts'
import { fetchStateOf, hydrationFact, type Unfetched, unfetchedOf } from './unfetched.ts'

/** What has to be looked up of an event before it can be read. */
export function fetchesOf(world: World, due: SourceEvent): StripeFetch[] {
  const thin = isThin(due) ? thinFetch(due) : null
  const snapshot = snapshotEventOf(world, due)
  return [...(thin ? [thin] : []), ...(snapshot ? listFetchesOf(snapshot).map(({ need }) => need) : [])]
}

const snapshotEventOf = (world: World, due: SourceEvent): SourceEvent | null =>
  isThin(due) ? asSnapshotEvent(due, fetchStateOf(world, due, thinFetch(due))) : due

/** The event with all that was fetched for it; null: a thin event whose object is not there (yet). */
export function fillIn(world: World, due: SourceEvent): SourceEvent | null {
  const snapshot = snapshotEventOf(world, due)
  const lists = snapshot
    ? listFetchesOf(snapshot).flatMap(({ need, into }) => {
        const list = fetchStateOf(world, due, need)?.result
        return list ? [[into, { ...list, has_more: false }] as const] : []
      })
    : []
  if (!snapshot || lists.length === 0) return snapshot
  const object = { ...snapshot.body.data.object, ...Object.fromEntries(lists) }
  return { ...snapshot, body: { ...snapshot.body, data: { ...snapshot.body.data, object } } }
}

/** The event in full and what it has to do without, or what becomes of it while it cannot be read. */
export function completeEvent(
  world: World,
  due: SourceEvent,
  patience: WaitLimits,
): { whole: SourceEvent; without: SkippedFetch[] } | { outcome: SourceEventOutcome } {
  const outcome = isThin(due) ? thinOutcomeOf(world, due, patience) : null
  const whole = fillIn(world, due)
  if (outcome || !whole) return { outcome: outcome ?? notFetchedOutcome(due, []) }
  const needs = listFetchesOf(whole).map(({ need }) => need)
  const lack = unfetchedOf(world, due, needs, patience)
  return lack.waiting.length > 0 ? { outcome: heldOutcome(due, fetchHoldOf(lack)!) } : { whole, without: lack.skipped }
}

/** Until when an event waits for what it lacks; null when it does not. */
export const fetchHoldOf = ({ waiting }: Unfetched): { until: Date; facts: string[] } | null =>
  waiting.length === 0
    ? null
    : {
        until: new Date(Math.max(...waiting.map(({ until }) => until.getTime()))),
        facts: waiting.map(({ fetch: need }) => hydrationFact(need)),
      }

/** What becomes of a thin event; null: its object is there. */
function thinOutcomeOf(world: World, due: SourceEvent, patience: WaitLimits): SourceEventOutcome | null {
  const twin = twinOf(due)
  if (twin && world.twins.has(keyOf(due.sourceId, twin)))
    return ignoredOutcome(due, 'snapshot_speaks', 'The same event has arrived as a snapshot event, which carries more.')
  if (!world.sources.get(due.sourceId)?.hasApiKey)
    return ignoredOutcome(
      due,
      'needs_api_key',
      'A thin event carries no object: with an API key on the source it can be fetched.',
    )
  const need = thinFetch(due)
  if (!need) return notMappedOutcome({ ...due, type: snapshotTypeOf(due) })
  if (fillIn(world, due)) return null
  const lack = unfetchedOf(world, due, [need], patience)
  const hold = fetchHoldOf(lack)
  return hold ? heldOutcome(due, hold) : notFetchedOutcome(due, lack.skipped)
}

const notFetchedOutcome = (due: SourceEvent, without: readonly SkippedFetch[]): SourceEventOutcome =>
  failedOutcome(due, 'not_hydrated', without[0]?.reason ?? 'Its object has not been fetched.')
