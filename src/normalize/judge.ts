import { mappings } from '../../mappings/index.ts'
import { evaluate, type Verdict } from '../language/evaluate.ts'
import type { Mapping } from '../language/mapping.ts'
import { onceFor } from '../language/memoized.ts'
import type { Memory } from '../language/memory.ts'
import type { Facts, Listener } from '../language/read.ts'
import { priorOf } from './world/previous-attributes.ts'
import { baseOf, isAfter, momentOf, newestOf, type Sight, type Snapshot } from './world/snapshots.ts'

type Json = any

/** What one mapping says of a sight, and for which contract. */
export interface Judged {
  contract: string
  mapping: Mapping
  verdict: Verdict
}

type Reader = { contract: string; mapping: Mapping }

const readers = onceFor((all: typeof mappings) => {
  const found = new Map<string, Reader[]>()
  for (const [contract, list] of Object.entries(all))
    for (const mapping of list)
      for (const type of mapping.on.types) found.set(type, [...(found.get(type) ?? []), { contract, mapping }])
  return found
})

/** The mappings that read an event type, of all contracts that were offered before the first event. */
export const readersOf = (type: string): readonly Reader[] => readers(mappings).get(type) ?? []

/** What is known around a sight: all of its object with it, its state, the one stored before it, and whether a newer one is. */
export interface Place {
  snapshot: Snapshot
  object: Json
  stored: Json | null
  late: boolean
  memory: Memory
  facts: Facts
  /** The event's time as ISO 8601, where it is known finer than by the second. */
  at?: string
  listen?: Listener | undefined
}

/** What every mapping says of a sight, and the memory of its object afterwards. Throws MappingError. */
export function judge(
  sight: Sight,
  { snapshot, object, stored, late, memory, facts, at, listen }: Place,
): { said: Judged[]; memory: Memory } {
  const prior = sight.previous ? priorOf(object, sight.previous) : late ? null : stored
  // Our own timer brings no state: it speaks of the newest.
  const seen = (sight.own && newestOf(snapshot)) || sight
  let remembered = memory
  const said = readersOf(sight.type).map(({ contract, mapping }) => {
    const { type, created } = sight
    const event = {
      id: sight.own ? null : sight.eventId,
      type,
      created,
      at: at ?? new Date(created * 1000).toISOString(),
    }
    const told = remembered.said[mapping.name]
    const overtaken = !sight.own && told !== undefined && isAfter(told, sight, snapshot)
    const input = { event, object, prior, stored, late, memory: remembered, facts, listen }
    const verdict = evaluate(mapping, input, { moment: momentOf(seen), overtaken })
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
export function judgeAgain(
  known: { snapshot: Snapshot; memory: Memory },
  snapshot: Snapshot,
  memory: Memory,
  facts: Facts,
  listen?: Listener,
): { said: Judged[]; memory: Memory } {
  const newest = newestOf(snapshot)
  if (!newest) return { said: [], memory }
  const { object } = snapshot
  const late = newestOf(known.snapshot)?.eventId !== newest.eventId
  const stored = late ? known.snapshot.object : baseOf(known.snapshot)
  const then = judge(newest, { snapshot: known.snapshot, object, stored, late, memory: known.memory, facts })
  const now = judge(newest, { snapshot, object, stored: baseOf(snapshot), late: false, memory, facts, listen })
  const keys = new Set(
    then.said.flatMap(({ verdict }) => (verdict.kind === 'emit' ? verdict.emissions : [])).map(({ key }) => key),
  )
  const said = now.said.flatMap(({ contract, mapping, verdict }) => {
    if (verdict.kind !== 'emit') return []
    const emissions = verdict.emissions.filter(({ key }) => !keys.has(key))
    return emissions.length > 0 ? [{ contract, mapping, verdict: { ...verdict, emissions } }] : []
  })
  return { said, memory: said.length > 0 ? now.memory : memory }
}
