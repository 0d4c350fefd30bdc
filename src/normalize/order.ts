import { isDeepStrictEqual } from 'node:util'
import { priorOf } from './previous.ts'

type Json = any

/** One event as a sight of its object. */
export interface Sight {
  eventId: string
  type: string
  /** Unix seconds of the event, Stripe's resolution. */
  created: number
  object: Json
  previous: Json | null
}

/** The newest sight of an object, with what is needed to place the next one. */
export interface Snapshot {
  object: Json
  created: number
  /** Every sight that shares the newest one's second: a tie is settled among all of them, so arrival does not matter. */
  tied: Sight[]
  /** The state before that second, where a chain of tied changes starts. */
  base: { object: Json; created: number } | null
}

/**
 * Places a sight among those known (stripe.md 2.7): a terminal state is never left; else the later `created` is newer;
 * within one second the state that cannot go back, then the causal chain of `previous_attributes`, then the type's rank.
 * Any permutation of the same sights, with any duplicates, gives the same snapshot.
 */
export function placed(snapshot: Snapshot | null, sight: Sight): { snapshot: Snapshot; newest: boolean } {
  if (!snapshot) return { snapshot: alone(sight, null), newest: true }
  if (snapshot.tied.some(({ eventId }) => eventId === sight.eventId))
    return { snapshot, newest: head(snapshot.tied, snapshot.base?.object ?? null).eventId === sight.eventId }
  const newer = classOf(sight.object, sight.created) - classOf(snapshot.object, snapshot.created)
  if (newer > 0 || (newer === 0 && sight.created > snapshot.created))
    return { snapshot: alone(sight, { object: snapshot.object, created: snapshot.created }), newest: true }
  if (newer < 0 || sight.created < snapshot.created) {
    const older = !snapshot.base || sight.created > snapshot.base.created
    return {
      snapshot: older ? { ...snapshot, base: { object: sight.object, created: sight.created } } : snapshot,
      newest: false,
    }
  }
  const tied = [...snapshot.tied, sight].sort((a, b) => (a.eventId < b.eventId ? -1 : 1))
  const first = head(tied, snapshot.base?.object ?? null)
  return { snapshot: { ...snapshot, object: first.object, tied }, newest: first === sight }
}

const alone = (sight: Sight, base: Snapshot['base']): Snapshot => ({
  object: sight.object,
  created: sight.created,
  tied: [sight],
  base,
})

const classOf = (object: Json, _created: number) => (isTerminal(object) ? 1 : 0)

/** States that no later event leaves: a canceled subscription, a void or paid invoice, a deleted object. */
function isTerminal(object: Json): boolean {
  if (object?.deleted === true) return true
  if (object?.object === 'subscription') return object.status === 'canceled' || object.status === 'incomplete_expired'
  if (object?.object === 'invoice') return object.status === 'paid' || object.status === 'void' || object.paid === true
  return false
}

/** The newest of sights that share a second. */
function head(tied: Sight[], base: Json): Sight {
  let best = tied.filter(
    (sight) => statusRank(sight.object) === Math.max(...tied.map(({ object }) => statusRank(object))),
  )
  if (best.length > 1) best = chainEnds(best, base)
  return best.reduce((a, b) =>
    (rankOf(b.type) - rankOf(a.type) ||
      (followsBy(b, a) ? 1 : followsBy(a, b) ? -1 : 0) ||
      (b.eventId > a.eventId ? 1 : -1)) > 0
      ? b
      : a,
  )
}

/** The ends of the causal chains: states that no other tied event started from. */
function chainEnds(tied: Sight[], base: Json): Sight[] {
  const startOf = new Map(tied.map((sight) => [sight, sight.previous ? priorOf(sight.object, sight.previous) : null]))
  const leads = (a: Sight, b: Sight) =>
    a !== b && startOf.get(b) !== null && isDeepStrictEqual(a.object, startOf.get(b))
  const ends = tied.filter((sight) => !tied.some((other) => leads(sight, other)))
  if (ends.length > 0) return ends
  // A circle (there and back within a second): walk it from the state before.
  let at = tied.find((sight) => base !== null && isDeepStrictEqual(startOf.get(sight), base)) ?? tied[0]!
  for (let steps = 1; steps < tied.length; steps += 1) at = tied.find((sight) => leads(at, sight)) ?? at
  return [at]
}

/** b came after a: a's state matches what b says it changed from, on the keys that b names. */
function followsBy(b: Sight, a: Sight): boolean {
  if (!b.previous) return false
  const matches = (sight: Sight, other: Sight) =>
    other.previous !== null &&
    Object.keys(other.previous).every((key) =>
      isDeepStrictEqual(sight.object?.[key] ?? null, priorOf(other.object, other.previous)[key] ?? null),
    )
  return matches(a, b) && !matches(b, a)
}

const statusRank = (object: Json): number =>
  object?.object === 'invoice'
    ? ({ draft: 0, open: 1, uncollectible: 2 }[object.status as string] ?? 1)
    : object?.object === 'subscription' && object.status === 'incomplete'
      ? 0
      : 1

const rankOf = (type: string): number => {
  const action = type.slice(type.lastIndexOf('.') + 1)
  if (action === 'created') return 0
  if (action === 'deleted') return 3
  return ['paid', 'paused', 'resumed', 'completed'].includes(action) ? 2 : 1
}
