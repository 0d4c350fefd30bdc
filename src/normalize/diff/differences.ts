import { keyWithoutOwner } from '../new-events.ts'
import type { ScratchOutcome } from './scratch-world.ts'
import type { WindowRow } from './window.ts'

/** A source event that would become something else. */
export interface SourceEventDifference {
  sourceEvent: { id: string; sourceId: string; eventId: string; type: string; receivedAt: Date }
  /** How it ended and would end, where one of them is a failure: `failed (unmapped_value)`. */
  outcome: { stored: string; now: string } | null
  added: (NamedEvent & { body: unknown })[]
  removed: NamedEvent[]
  changed: (NamedEvent & { fields: { field: string; stored: unknown; now: unknown }[] })[]
  /** Why it may be no difference after all; null: it is one. */
  unsure: string | null
}
interface NamedEvent {
  contract: string
  type: string
  key: string
}

interface PendingDifference extends SourceEventDifference {
  state: WindowRow['state']
  code: string | null
  hasEnded: boolean
}

/** Gathers what differs by source event, and tells of each once nothing of it is open any more. */
export function collectDifferences(onDifference: (difference: SourceEventDifference) => void) {
  const pending = new Map<string, PendingDifference>()
  return {
    addStored({ sourceEvent: { id, sourceId, eventId, type, receivedAt }, state, code }: WindowRow) {
      const sourceEvent = { id, sourceId, eventId, type, receivedAt }
      const nothing = { outcome: null, added: [], removed: [], changed: [], unsure: null }
      pending.set(id, { sourceEvent, state, code, hasEnded: false, ...nothing })
    },
    /** Answers whether the source event takes part: what has not come to its end yet has nothing to be compared with. */
    setOutcome({ sourceEvent, outcome, unsure }: ScratchOutcome): boolean {
      const one = pending.get(sourceEvent.id)
      if (!one || one.state === 'received' || one.state === 'held') return false
      const [stored, now] = [outcomeWords(one.state, one.code), outcomeWords(outcome.state, outcome.code)]
      if (stored !== now && (one.state === 'failed' || outcome.state === 'failed')) one.outcome = { stored, now }
      one.unsure = unsure
      one.hasEnded = true
      return true
    },
    addAdded(id: string, { body, ...event }: NamedEvent & { body: string }) {
      pending.get(id)?.added.push({ ...withoutSourceId(event), body: JSON.parse(body) })
    },
    addRemoved(id: string, event: NamedEvent): boolean {
      const one = pending.get(id)
      one?.removed.push(withoutSourceId(event))
      return one !== undefined
    },
    addChanged(id: string, event: NamedEvent, fields: SourceEventDifference['changed'][number]['fields']) {
      pending.get(id)?.changed.push({ ...withoutSourceId(event), fields })
    },
    /** Tells of all that have come to their end and are not among the open ones; at last of all. */
    reportAllBut(open: ReadonlySet<string>) {
      for (const [id, { state, code: _, hasEnded: ended, ...one }] of pending) {
        if (open.has(id) || (!ended && state !== 'received' && state !== 'held')) continue
        pending.delete(id)
        if (one.outcome || one.added.length + one.removed.length + one.changed.length > 0) onDifference(one)
      }
    },
  }
}

/** Business keys begin with whose they are, which everybody knows here. */
const withoutSourceId = ({ contract, type, key }: NamedEvent): NamedEvent => ({
  contract,
  type,
  key: keyWithoutOwner(key),
})

const outcomeWords = (state: string, code: string | null) =>
  state === 'normalized' || code === null ? state : `${state} (${code})`
