import { mappings } from '../../mappings/index.ts'
import { evaluateMapping, type Verdict } from '../language/evaluate.ts'
import type { Mapping } from '../language/mapping.ts'
import { memoizeByKey } from '../language/memoized.ts'
import type { Memory } from '../language/memory.ts'
import type { Facts, Trace } from '../language/read.ts'
import { priorStateOf } from './world/previous-attributes.ts'
import {
  baseStateOf,
  isAfter,
  momentOf,
  newestObservationOf,
  type Observation,
  type Snapshot,
} from './world/snapshots.ts'

type Json = any

/** What one mapping says of a sight, and for which contract. */
export interface MappingVerdict {
  contract: string
  mapping: Mapping
  verdict: Verdict
}

type ContractMapping = { contract: string; mapping: Mapping }

const mappingsByType = memoizeByKey((all: typeof mappings) => {
  const found = new Map<string, ContractMapping[]>()
  for (const [contract, list] of Object.entries(all))
    for (const mapping of list)
      for (const type of mapping.on.types) found.set(type, [...(found.get(type) ?? []), { contract, mapping }])
  return found
})

/** The mappings that read an event type, of all contracts that were offered before the first event. */
export const mappingsReading = (type: string): readonly ContractMapping[] => mappingsByType(mappings).get(type) ?? []

/** What is known around a sight: all of its object with it, its state, the one stored before it, and whether a newer one is. */
export interface ObservationContext {
  snapshot: Snapshot
  object: Json
  stored: Json | null
  late: boolean
  memory: Memory
  facts: Facts
  /** The event's time as ISO 8601, where it is known finer than by the second. */
  at?: string
  trace?: Trace | undefined
}

/** What every mapping says of a sight, and the memory of its object afterwards. Throws MappingError. */
export function judgeObservation(
  sight: Observation,
  { snapshot, object, stored, late, memory, facts, at, trace: listen }: ObservationContext,
): { said: MappingVerdict[]; memory: Memory } {
  const prior = sight.previous ? priorStateOf(object, sight.previous) : late ? null : stored
  // Our own timer brings no state: it speaks of the newest.
  const seen = (sight.isTimer && newestObservationOf(snapshot)) || sight
  let remembered = memory
  const said = mappingsReading(sight.type).map(({ contract, mapping }) => {
    const { type, created } = sight
    const event = {
      id: sight.isTimer ? null : sight.eventId,
      type,
      created,
      at: at ?? new Date(created * 1000).toISOString(),
    }
    const told = remembered.said[mapping.name]
    const overtaken = !sight.isTimer && told !== undefined && isAfter(told, sight, snapshot)
    const input = { event, object, prior, stored, isLate: late, memory: remembered, facts, trace: listen }
    const verdict = evaluateMapping(mapping, input, { observedAt: momentOf(seen), isOvertaken: overtaken })
    remembered = verdict.memory ?? remembered
    return { contract, mapping, verdict }
  })
  return { said, memory: remembered }
}

/**
 * A sight arrived that sheds another light on the newest one: what that started from is another now, or a tie is settled.
 * What the newest would have said, had all come in order, and did not say, is said now: the end, say, of a subscription
 * whose first payment arrived after it. `known` is the object as it was before the sight.
 */
export function judgeNewestAgain(
  known: { snapshot: Snapshot; memory: Memory },
  snapshot: Snapshot,
  memory: Memory,
  facts: Facts,
  listen?: Trace,
): { said: MappingVerdict[]; memory: Memory } {
  const newest = newestObservationOf(snapshot)
  if (!newest) return { said: [], memory }
  const { object } = snapshot
  const late = newestObservationOf(known.snapshot)?.eventId !== newest.eventId
  const stored = late ? known.snapshot.object : baseStateOf(known.snapshot)
  const then = judgeObservation(newest, { snapshot: known.snapshot, object, stored, late, memory: known.memory, facts })
  const now = judgeObservation(newest, {
    snapshot,
    object,
    stored: baseStateOf(snapshot),
    late: false,
    memory,
    facts,
    trace: listen,
  })
  const keys = new Set(
    then.said.flatMap(({ verdict }) => (verdict.kind === 'emit' ? verdict.drafts : [])).map(({ key }) => key),
  )
  const said = now.said.flatMap(({ contract, mapping, verdict }) => {
    if (verdict.kind !== 'emit') return []
    const emissions = verdict.drafts.filter(({ key }) => !keys.has(key))
    return emissions.length > 0 ? [{ contract, mapping, verdict: { ...verdict, drafts: emissions } }] : []
  })
  return { said, memory: said.length > 0 ? now.memory : memory }
}
