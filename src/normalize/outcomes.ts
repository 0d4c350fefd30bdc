import { ignoredTypes } from '../../mappings/ignored.ts'
import type { SkippedFetch } from './stripe-fetch.ts'
import type { SourceEvent, SourceEventOutcome } from './source-event.ts'

/** It led to events; `without` is what could not be fetched for them. */
export const normalizedOutcome = (due: SourceEvent, without: readonly SkippedFetch[] = []): SourceEventOutcome =>
  without.length === 0
    ? newOutcome(due, 'normalized', null, null)
    : newOutcome(
        due,
        'normalized',
        'without_hydration',
        `Told without ${without.map(({ fetch: need }) => need.key).join(', ')}: ${without[0]!.reason}`,
      )
/** It says nothing to anybody, and `message` says why. */
export const ignoredOutcome = (due: SourceEvent, code: string, message: string): SourceEventOutcome =>
  newOutcome(due, 'ignored', code, message)
/** It holds what no mapping knows; it can be normalised again after a fix. */
export const failedOutcome = (due: SourceEvent, code: string, message: string): SourceEventOutcome =>
  newOutcome(due, 'failed', code, message)
/** It waits for facts until a deadline. */
export const heldOutcome = (
  due: SourceEvent,
  { until, facts }: { until: Date; facts: string[] },
): SourceEventOutcome => ({
  ...newOutcome(
    due,
    'held',
    'waiting_for',
    `Waits for ${facts.join(', ')}: sent without at the deadline, at once when it arrives.`,
  ),
  heldUntil: until,
  heldFor: facts,
})

/** No mapping reads its type: the reason of the longest family in mappings/ignored.ts, else that we do not know it. */
export function notMappedOutcome(due: SourceEvent): SourceEventOutcome {
  const families = Object.keys(ignoredTypes).filter(
    (prefix) => due.type === prefix || due.type.startsWith(`${prefix}.`),
  )
  const [longest] = families.sort((a, b) => b.length - a.length)
  return longest === undefined
    ? ignoredOutcome(due, 'unknown_type', 'No mapping reads this event type.')
    : ignoredOutcome(due, 'not_mapped', ignoredTypes[longest]!)
}

const newOutcome = (
  due: SourceEvent,
  state: SourceEventOutcome['state'],
  code: string | null,
  message: string | null,
): SourceEventOutcome => ({
  id: due.id,
  state,
  code,
  message,
  heldUntil: null,
  heldFor: null,
})
