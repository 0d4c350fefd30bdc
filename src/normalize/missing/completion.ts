import type { Need, Without } from '../need.ts'
import { failed, held, ignoredAs, notMapped } from '../outcomes.ts'
import type { Due, Outcome, Patience } from '../source-event.ts'
import { keyOf, type World } from '../world/world.ts'
import { listNeeds } from './needs.ts'
import { isThin, snapshotOf, snapshotType, thinNeed, twinOf } from './thin-events.ts'
import { fetchedFor, hydrationFact, type Lack, lackOf } from './unfetched.ts'

/** What has to be looked up of an event before it can be read. */
export function needsOf(world: World, due: Due): Need[] {
  const thin = isThin(due) ? thinNeed(due) : null
  const snapshot = snapshotIn(world, due)
  return [...(thin ? [thin] : []), ...(snapshot ? listNeeds(snapshot).map(({ need }) => need) : [])]
}

const snapshotIn = (world: World, due: Due): Due | null =>
  isThin(due) ? snapshotOf(due, fetchedFor(world, due, thinNeed(due))) : due

/** The event with all that was fetched for it; null: a thin event whose object is not there (yet). */
export function filled(world: World, due: Due): Due | null {
  const snapshot = snapshotIn(world, due)
  const lists = snapshot
    ? listNeeds(snapshot).flatMap(({ need, into }) => {
        const list = fetchedFor(world, due, need)?.result
        return list ? [[into, { ...list, has_more: false }] as const] : []
      })
    : []
  if (!snapshot || lists.length === 0) return snapshot
  const object = { ...snapshot.body.data.object, ...Object.fromEntries(lists) }
  return { ...snapshot, body: { ...snapshot.body, data: { ...snapshot.body.data, object } } }
}

/** The event in full and what it has to do without, or what becomes of it while it cannot be read. */
export function completed(
  world: World,
  due: Due,
  patience: Patience,
): { whole: Due; without: Without[] } | { outcome: Outcome } {
  const outcome = isThin(due) ? outcomeOfThin(world, due, patience) : null
  const whole = filled(world, due)
  if (outcome || !whole) return { outcome: outcome ?? notFetched(due, []) }
  const needs = listNeeds(whole).map(({ need }) => need)
  const lack = lackOf(world, due, needs, patience)
  return lack.waiting.length > 0 ? { outcome: held(due, holdOf(lack)!) } : { whole, without: lack.without }
}

/** Until when an event waits for what it lacks; null when it does not. */
export const holdOf = ({ waiting }: Lack): { until: Date; facts: string[] } | null =>
  waiting.length === 0
    ? null
    : {
        until: new Date(Math.max(...waiting.map(({ until }) => until.getTime()))),
        facts: waiting.map(({ need }) => hydrationFact(need)),
      }

/** What becomes of a thin event; null: its object is there. */
function outcomeOfThin(world: World, due: Due, patience: Patience): Outcome | null {
  const twin = twinOf(due)
  if (twin && world.twins.has(keyOf(due.sourceId, twin)))
    return ignoredAs(due, 'snapshot_speaks', 'The same event has arrived as a snapshot event, which carries more.')
  if (!world.sources.get(due.sourceId)?.hydrates)
    return ignoredAs(
      due,
      'needs_api_key',
      'A thin event carries no object: with an API key on the source it can be fetched.',
    )
  const need = thinNeed(due)
  if (!need) return notMapped({ ...due, type: snapshotType(due) })
  if (filled(world, due)) return null
  const lack = lackOf(world, due, [need], patience)
  const hold = holdOf(lack)
  return hold ? held(due, hold) : notFetched(due, lack.without)
}

const notFetched = (due: Due, without: readonly Without[]): Outcome =>
  failed(due, 'not_hydrated', without[0]?.reason ?? 'Its object has not been fetched.')
