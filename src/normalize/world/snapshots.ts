import { isDeepStrictEqual } from 'node:util'
import type { Json } from '../../domain/json.ts'
import type { ObservationTime } from '../../language/memory.ts'
import { priorStateOf } from './previous-attributes.ts'
import { charsOf, isSameState } from './same-state.ts'

/** What one event shows of its object, and when. */
export interface Observation {
  eventId: string
  type: string
  /** Unix seconds of the event, Stripe's resolution. */
  created: number
  object: Json
  previous: Json | null
  /** Unix seconds of the state that it shows, where that is not the event's: it was fetched later. */
  asOf?: number
  /** Not Stripe's: our own timer looks at the object as it is known (overdue-timer.ts). */
  isTimer?: true
}

/** What is known of an object's states: the newest one, and enough to place any other observation among those known. */
export interface Snapshot {
  /** The newest state. */
  object: Json
  /** The observations of the newest moment: which of them is the last is settled anew with each that joins. */
  tied: Observation[]
  /** The observations of the moment before: the state that the newest moment started from. */
  base: Observation[]
}

/** Where an observation stands among those known. */
export interface Placement {
  snapshot: Snapshot
  /** It shows the newest state. */
  isNewest: boolean
  /** It does not, but what the newest one started from is another since, or it settled a tie: the newest is to be judged again. */
  overturnsNewest: boolean
}

/**
 * Places an observation among those known (docs/stripe.md 2.7): a state that cannot be left for an earlier one is the newer;
 * else the later `created` is; within one second the causal chain of `previous_attributes` decides, then the type's rank. The
 * snapshot is a function of the set of observations alone: any order with any duplicates gives the same one.
 */
export function placeObservation(snapshot: Snapshot | null, observation: Observation): Placement {
  const known = snapshot ? [...snapshot.tied, ...snapshot.base] : []
  const all = known.some(({ eventId }) => eventId === observation.eventId) ? known : [...known, observation]
  const tied = latestObservations(all)
  const base = latestObservations(all.filter((one) => !tied.includes(one)))
  const before = lastObservationOf(base, null)
  const newest = lastObservationOf(tied, before?.object ?? null)
  const isNewest =
    tied.some(({ eventId }) => eventId === observation.eventId) && isDeepStrictEqual(observation.object, newest?.object)
  const surfaced = snapshot !== null && newestObservationOf(snapshot)?.eventId !== newest?.eventId
  const rebased = snapshot !== null && lastObservationOf(snapshot.base, null)?.eventId !== before?.eventId
  return {
    snapshot: { object: fillStub(newest, before), tied, base },
    isNewest,
    overturnsNewest: !isNewest && (surfaced || rebased),
  }
}

/** A deleted object may be sent as a stub: what was known of it still stands. */
const fillStub = (newest: Observation | null, before: Observation | null): Json =>
  newest?.object.deleted === true ? { ...before?.object, ...newest.object } : (newest?.object ?? null)

/** When an observation was made: the stage and the second of its state. */
export const momentOf = (observation: Observation): ObservationTime => ({
  eventId: observation.eventId,
  stage: stageOf(observation.object),
  created: observation.asOf ?? observation.created,
})

const compareMoments = (a: ObservationTime, b: ObservationTime) => a.stage - b.stage || a.created - b.created

/**
 * Is it certain that the moment was after the observation? Within one second that is where changes lead from the observation's state to
 * its own, and none back: what else `lastObservationOf` goes by is a guess, which an
 * observation that is still on its way may prove wrong.
 */
export function isAfter(moment: ObservationTime, observation: Observation, { tied, base }: Snapshot): boolean {
  const distance = compareMoments(moment, momentOf(observation))
  if (distance !== 0) return distance > 0
  const known = [...tied, ...base]
  const other = known.find(({ eventId }) => eventId === moment.eventId)
  return other !== undefined && leadsTo(observation, other, known) && !leadsTo(other, observation, known)
}

/** Do changes lead from one observed state to the other? Each leads from the state in its `previous_attributes` to its own. */
function leadsTo(from: Observation, to: Observation, known: readonly Observation[]): boolean {
  const reached = [from.object]
  const left = new Set(known.filter(({ previous }) => previous !== null))
  for (const state of reached)
    for (const change of left) {
      if (!isSameState(priorStateOf(change.object, change.previous), state)) continue
      if (isSameState(change.object, to.object)) return true
      reached.push(change.object)
      left.delete(change)
    }
  return false
}

/** The state that the newest moment started from, null when nothing older was seen. */
export const baseStateOf = ({ base }: Snapshot): Json | null => lastObservationOf(base, null)?.object ?? null

/** The observation of the newest state. */
export const newestObservationOf = (snapshot: Snapshot): Observation | null =>
  lastObservationOf(snapshot.tied, baseStateOf(snapshot))

/** A snapshot as it is stored: the newest state is one of the observations and need not be written twice. */
export const packSnapshot = (snapshot: Snapshot) =>
  snapshot.tied.length > 0 ? { tied: snapshot.tied, base: snapshot.base } : snapshot

/** A stored snapshot with its newest state. */
export function unpackSnapshot(stored: ReturnType<typeof packSnapshot>): Snapshot {
  if ('object' in stored) return stored
  const before = lastObservationOf(stored.base, null)
  return { object: fillStub(lastObservationOf(stored.tied, before?.object ?? null), before), ...stored }
}

/** Dashboard test events all share one second and one object: more of them than this say nothing new. */
const MAX_TIED = 32
/** All of them are read and written with each event of the object: of large ones fewer are kept, and two whatever their size. */
const MAX_TIED_CHARS = 1024 * 1024

/** The observations of the latest moment, in an order of their own. A moment is a second within one stage. */
function latestObservations(observations: Observation[]): Observation[] {
  const timed = observations.map((observation) => ({ observation, moment: momentOf(observation) }))
  const latest = timed.reduce<ObservationTime | null>(
    (best, { moment }) => (best === null || compareMoments(moment, best) > 0 ? moment : best),
    null,
  )
  const tied = timed
    .filter(({ moment }) => latest !== null && compareMoments(moment, latest) === 0)
    .map(({ observation }) => observation)
    .sort((a, b) => (a.eventId < b.eventId ? -1 : 1))
    .slice(-MAX_TIED)
  return tied.length > 2 ? withinChars(tied) : tied
}

/** The last of them, as many as are not too long together. */
function withinChars(tied: readonly Observation[]): Observation[] {
  let chars = 0
  const first = tied.findLastIndex(({ object, previous }, at) => {
    chars += charsOf(object) + charsOf(previous)
    return chars > MAX_TIED_CHARS && at < tied.length - 2
  })
  return tied.slice(first + 1)
}

/** How far an object has come on a road that Stripe's objects never walk back. */
function stageOf(object: Json): number {
  if (object.deleted === true) return 4
  if (object.object === 'subscription') {
    if (object.status === 'incomplete') return 0
    return object.status === 'canceled' || object.status === 'incomplete_expired' ? 2 : 1
  }
  if (object.object === 'invoice') {
    if (object.status === 'paid' || object.status === 'void' || object.paid === true) return 3
    return object.status === 'draft' ? 0 : object.status === 'uncollectible' ? 2 : 1
  }
  return 0
}

/** The last of the observations of one moment, a function of the set alone; `before` is the state that they started from. */
function lastObservationOf(tied: readonly Observation[], before: Json | null): Observation | null {
  if (tied.length < 2) return tied[0] ?? null
  const ends = chainEnds(tied, before)
  const unfollowed = ends.filter((end) => !ends.some((other) => cameAfter(other, end)))
  return (unfollowed.length > 0 ? unfollowed : ends).reduce((a, b) =>
    (typeRankOf(b) - typeRankOf(a) || (b.eventId > a.eventId ? 1 : -1)) > 0 ? b : a,
  )
}

/**
 * The observations where chains of changes end. Each change leads from the state in its `previous_attributes` to its own: the
 * state that was entered more often than left is the end, also when the way went through it before. When every state was
 * left as often as entered, the way was a circle and ends where it started: in the state that was created or, else, `before`.
 */
function chainEnds(tied: readonly Observation[], before: Json | null): readonly Observation[] {
  const states: { object: Json; changes: number; entered: number; observations: Observation[] }[] = []
  const stateOf = (object: Json) => {
    const known = states.find((state) => isSameState(state.object, object))
    if (known) return known
    const state = { object, changes: 0, entered: 0, observations: [] }
    states.push(state)
    return state
  }
  for (const observation of tied) {
    const to = stateOf(observation.object)
    to.observations.push(observation)
    if (observation.previous === null) continue
    const from = stateOf(priorStateOf(observation.object, observation.previous))
    for (const state of [from, to]) state.changes += 1
    from.entered -= 1
    to.entered += 1
  }
  const ends = states.filter(
    ({ entered, changes, observations }) => observations.length > 0 && (entered > 0 || changes === 0),
  )
  const origin = tied.find((observation) => typeRankOf(observation) === 0)?.object ?? before
  const touched = [...new Set(tied.flatMap(({ previous }) => Object.keys(previous ?? {})))]
  const start = states.filter(
    ({ object }) => origin !== null && touched.every((key) => isSameState(object[key], origin[key])),
  )
  const chosen = [ends, start].find((some) => some.some(({ observations }) => observations.length > 0)) ?? states
  return chosen.flatMap(({ observations }) => observations)
}

/** b came after a: a shows what b changed from, on the keys that b names, and not the other way round. */
function cameAfter(b: Observation, a: Observation): boolean {
  const startsFrom = (later: Observation, earlier: Observation) => {
    if (later.previous === null) return false
    const prior = priorStateOf(later.object, later.previous)
    return Object.keys(later.previous).every((key) => isSameState(earlier.object[key] ?? null, prior[key] ?? null))
  }
  return startsFrom(b, a) && !startsFrom(a, b)
}

/** What Stripe sends last of what it sends at once. */
function typeRankOf({ type }: Observation): number {
  const action = type.slice(type.lastIndexOf('.') + 1)
  if (action === 'created') return 0
  if (action === 'deleted') return 3
  return ['paid', 'paused', 'resumed', 'completed'].includes(action) ? 2 : 1
}
