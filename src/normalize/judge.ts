import type { ContractMappings } from '../../mappings/offer.ts'
import type { Json } from '../domain/json.ts'
import { evaluateMapping, type Verdict } from '../language/evaluate.ts'
import type { Memory } from '../language/memory.ts'
import { newReadings } from '../language/readings.ts'
import type { Facts, Trace } from '../language/scope.ts'
import type { Strides } from '../language/strides.ts'
import { type ContractMapping, mappingsReading } from './contract-mappings.ts'
import { priorStateOf } from './world/previous-attributes.ts'
import {
  baseStateOf,
  isAfter,
  momentOf,
  newestObservationOf,
  type Observation,
  type Snapshot,
} from './world/snapshots.ts'

/** What one mapping says of an observation, and for which contract. */
export interface MappingVerdict extends ContractMapping {
  verdict: Verdict
}

/** What every mapping says of an observation, and the memory of its object afterwards. */
export interface Judgement {
  verdicts: MappingVerdict[]
  memory: Memory
}

/** What is known around an observation. */
export interface ObservationContext {
  /** All that is known of its object, with this observation. */
  snapshot: Snapshot
  /** The object's state at the observation. */
  object: Json
  /** The state that was stored before it; null: the object was not known. */
  stored: Json | null
  /** A newer state is known. */
  isLate: boolean
  memory: Memory
  facts: Facts
  /** The event's time as ISO 8601, where it is known finer than by the second. */
  at?: string
  trace?: Trace | undefined
}

/** Evaluates every mapping that reads the observation's event type. Throws MappingError. */
export function* judgeObservation(
  mappings: ContractMappings,
  observation: Observation,
  context: ObservationContext,
): Strides<Judgement> {
  const { isTimer, type, created } = observation
  const { snapshot, object, stored, isLate, facts, at, trace } = context
  const prior = observation.previous ? priorStateOf(object, observation.previous) : isLate ? null : stored
  const event = {
    id: isTimer ? null : observation.eventId,
    type,
    created,
    at: at ?? new Date(created * 1000).toISOString(),
  }
  // Our own timer brings no state: it is about the newest.
  const observedAt = momentOf((isTimer && newestObservationOf(snapshot)) || observation)
  const readings = newReadings()
  let { memory } = context
  const verdicts: MappingVerdict[] = []
  for (const { contract, mapping } of mappingsReading(mappings, type)) {
    yield
    const last = memory.said[mapping.name]
    const isOvertaken = !isTimer && last !== undefined && isAfter(last, observation, snapshot)
    const input = { event, object, prior, stored, isLate, memory, facts, trace, readings }
    const verdict = yield* evaluateMapping(mapping, input, { observedAt, isOvertaken })
    memory = verdict.memory ?? memory
    verdicts.push({ contract, mapping, verdict })
  }
  return { verdicts, memory }
}

/**
 * An observation arrived that sheds another light on the newest one: the state that the newest started from is another now, or
 * a tie is settled. The events that the newest would have made, had all come in order, and did not make, are made now: that of the
 * end, say, of a subscription whose first payment arrived after it. `before` is the object as it was known before the
 * observation, `after` with it, and `eventId` the event that brought it: what is remembered anew is remembered of that one.
 */
export function* judgeNewestAgain(
  mappings: ContractMappings,
  before: { snapshot: Snapshot; memory: Memory },
  after: { snapshot: Snapshot; memory: Memory },
  { facts, trace, eventId }: Pick<ObservationContext, 'facts' | 'trace'> & { eventId: string },
): Strides<Judgement> {
  const { snapshot, memory } = after
  const newest = newestObservationOf(snapshot)
  if (!newest) return { verdicts: [], memory }
  const { object } = snapshot
  const wasLate = newestObservationOf(before.snapshot)?.eventId !== newest.eventId
  const storedThen = wasLate ? before.snapshot.object : baseStateOf(before.snapshot)
  const then = yield* judgeObservation(mappings, newest, {
    ...before,
    object,
    stored: storedThen,
    isLate: wasLate,
    facts,
  })
  const stored = baseStateOf(snapshot)
  const now = yield* judgeObservation(mappings, newest, { ...after, object, stored, isLate: false, facts, trace })
  const keysThen = new Set(
    then.verdicts.flatMap(({ verdict }) => (verdict.kind === 'emit' ? verdict.drafts : [])).map(({ key }) => key),
  )
  const verdicts = now.verdicts.flatMap(({ contract, mapping, verdict }) => {
    if (verdict.kind !== 'emit') return []
    const drafts = verdict.drafts.filter(({ key }) => !keysThen.has(key))
    return drafts.length > 0 ? [{ contract, mapping, verdict: { ...verdict, drafts } }] : []
  })
  return { verdicts, memory: verdicts.length > 0 ? flaggedBy(eventId, memory, now.memory) : memory }
}

/** A memory in which the flags that were not set before are set by an event. */
function flaggedBy(eventId: string, before: Memory, after: Memory): Memory {
  const fresh = Object.keys(after.flags).filter((flag) => !before.flags[flag])
  if (fresh.length === 0) return after
  return { ...after, flaggedBy: { ...after.flaggedBy, ...Object.fromEntries(fresh.map((flag) => [flag, eventId])) } }
}
