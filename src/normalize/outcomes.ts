import { ignored } from '../../mappings/ignored.ts'
import type { Without } from './need.ts'
import type { Due, Outcome } from './source-event.ts'

/** It led to events; `without` is what could not be fetched for them. */
export const normalized = (due: Due, without: readonly Without[] = []): Outcome =>
  without.length === 0
    ? outcome(due, 'normalized', null, null)
    : outcome(
        due,
        'normalized',
        'without_hydration',
        `Told without ${without.map(({ need }) => need.key).join(', ')}: ${without[0]!.reason}`,
      )
/** It says nothing to anybody, and `message` says why. */
export const ignoredAs = (due: Due, code: string, message: string): Outcome => outcome(due, 'ignored', code, message)
/** It holds what no mapping knows; it can be normalised again after a fix. */
export const failed = (due: Due, code: string, message: string): Outcome => outcome(due, 'failed', code, message)
/** It waits for facts until a deadline. */
export const held = (due: Due, { until, facts }: { until: Date; facts: string[] }): Outcome => ({
  ...outcome(
    due,
    'held',
    'waiting_for',
    `Waits for ${facts.join(', ')}: sent without at the deadline, at once when it arrives.`,
  ),
  heldUntil: until,
  heldFor: facts,
})

/** No mapping reads its type: the reason of the longest family in mappings/ignored.ts, else that we do not know it. */
export function notMapped(due: Due): Outcome {
  const families = Object.keys(ignored).filter((prefix) => due.type === prefix || due.type.startsWith(`${prefix}.`))
  const [longest] = families.sort((a, b) => b.length - a.length)
  return longest === undefined
    ? ignoredAs(due, 'unknown_type', 'No mapping reads this event type.')
    : ignoredAs(due, 'not_mapped', ignored[longest]!)
}

const outcome = (due: Due, state: Outcome['state'], code: string | null, message: string | null): Outcome => ({
  id: due.id,
  state,
  code,
  message,
  heldUntil: null,
  heldFor: null,
})
