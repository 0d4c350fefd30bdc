import type { Told } from './scratch.ts'
import type { Row } from './window.ts'

/** A source event that would become something else. */
export interface Difference {
  sourceEvent: { id: string; sourceId: string; eventId: string; type: string; receivedAt: Date }
  /** How it ended and would end, where one of them is a failure: `failed (unmapped_value)`. */
  outcome: { stored: string; now: string } | null
  added: (Named & { body: unknown })[]
  removed: Named[]
  changed: (Named & { fields: { field: string; stored: unknown; now: unknown }[] })[]
  /** Why it may be no difference after all; null: it is one. */
  unsure: string | null
}
interface Named {
  contract: string
  type: string
  key: string
}

interface Pending extends Difference {
  state: Row['state']
  code: string | null
  ended: boolean
}

/** Gathers what differs by source event, and tells of each once nothing of it is open any more. */
export function differences(found: (difference: Difference) => void) {
  const pending = new Map<string, Pending>()
  return {
    stored({ due: { id, sourceId, eventId, type, receivedAt }, state, code }: Row) {
      const sourceEvent = { id, sourceId, eventId, type, receivedAt }
      const nothing = { outcome: null, added: [], removed: [], changed: [], unsure: null }
      pending.set(id, { sourceEvent, state, code, ended: false, ...nothing })
    },
    /** Answers whether the source event takes part: what has not come to its end yet has nothing to be compared with. */
    told({ due, outcome, unsure }: Told): boolean {
      const one = pending.get(due.id)
      if (!one || one.state === 'received' || one.state === 'held') return false
      const [stored, now] = [wayOf(one.state, one.code), wayOf(outcome.state, outcome.code)]
      if (stored !== now && (one.state === 'failed' || outcome.state === 'failed')) one.outcome = { stored, now }
      one.unsure = unsure
      one.ended = true
      return true
    },
    added(id: string, { body, ...event }: Named & { body: string }) {
      pending.get(id)?.added.push({ ...named(event), body: JSON.parse(body) })
    },
    removed(id: string, event: Named): boolean {
      const one = pending.get(id)
      one?.removed.push(named(event))
      return one !== undefined
    },
    changed(id: string, event: Named, fields: Difference['changed'][number]['fields']) {
      pending.get(id)?.changed.push({ ...named(event), fields })
    },
    /** Tells of all that have come to their end and are not among the open ones; at last of all. */
    tellAllBut(open: ReadonlySet<string>) {
      for (const [id, { state, code: _, ended, ...one }] of pending) {
        if (open.has(id) || (!ended && state !== 'received' && state !== 'held')) continue
        pending.delete(id)
        if (one.outcome || one.added.length + one.removed.length + one.changed.length > 0) found(one)
      }
    },
  }
}

/** Business keys begin with the source's id, which everybody knows here. */
const named = ({ contract, type, key }: Named): Named => ({ contract, type, key: key.slice(37) })

const wayOf = (state: string, code: string | null) =>
  state === 'normalized' || code === null ? state : `${state} (${code})`
