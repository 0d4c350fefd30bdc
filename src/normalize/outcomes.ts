import { ignoredTypes } from '../../mappings/ignored.ts'
import type { Hold, SourceEvent, SourceEventOutcome } from './source-event.ts'
import type { SkippedFetch } from './stripe-fetch.ts'

/** Why a source event that led to events is not told in full: its list goes on beyond what the event shows. */
export const LINES_UNTOLD = 'lines_untold'

/** It led to events; `skipped` is what could not be fetched for them, `shortLists` what is not fetched without an API key. */
export function normalizedOutcome(
  sourceEvent: SourceEvent,
  { skipped = [], shortLists = [] }: { skipped?: readonly SkippedFetch[]; shortLists?: readonly string[] } = {},
): SourceEventOutcome {
  const [first] = skipped
  if (!first && shortLists.length > 0) {
    const message = `Sent with the first page of ${shortLists.join(', ')} alone: what is beyond it is fetched where the source has a Stripe API key.`
    return newOutcome(sourceEvent, { state: 'normalized', code: LINES_UNTOLD, message })
  }
  if (!first) return newOutcome(sourceEvent, { state: 'normalized' })
  const keys = skipped.map(({ fetch }) => fetch.key).join(', ')
  const message = `Sent without ${keys}: ${first.reason}`
  return newOutcome(sourceEvent, { state: 'normalized', code: 'without_hydration', message })
}

/** It makes no event, and `message` says why. */
export const ignoredOutcome = (sourceEvent: SourceEvent, code: string, message: string): SourceEventOutcome =>
  newOutcome(sourceEvent, { state: 'ignored', code, message })

/** It holds what no mapping knows; it can be normalised again after a fix. */
export const failedOutcome = (sourceEvent: SourceEvent, code: string, message: string): SourceEventOutcome =>
  newOutcome(sourceEvent, { state: 'failed', code, message })

/** The code of a source event whose evaluation ends the process. */
export const PROCESS_DIED = 'process_died'

/** It was alone in work at several deaths of a process. */
export const deadlyOutcome = (sourceEvent: SourceEvent): SourceEventOutcome =>
  failedOutcome(
    sourceEvent,
    PROCESS_DIED,
    'The process died again and again while this event alone was in work. It is not evaluated any more; after a fix it can be normalised again.',
  )

/** It waits for facts until a deadline. */
export const heldOutcome = (sourceEvent: SourceEvent, { until, facts }: Hold): SourceEventOutcome => ({
  ...newOutcome(sourceEvent, {
    state: 'held',
    code: 'waiting_for',
    message: `Waits for ${facts.join(', ')}: sent without at the deadline, at once when it arrives.`,
  }),
  heldUntil: until,
  heldFor: facts,
})

/** No mapping reads its type: the reason of the longest family in mappings/ignored.ts, else that we do not know it. */
export function notMappedOutcome(sourceEvent: SourceEvent): SourceEventOutcome {
  const { type } = sourceEvent
  const families = Object.entries(ignoredTypes).filter(([family]) => type === family || type.startsWith(`${family}.`))
  const [longest] = families.sort(([a], [b]) => b.length - a.length)
  if (!longest) return ignoredOutcome(sourceEvent, 'unknown_type', 'No mapping reads this event type.')
  const [, because] = longest
  return ignoredOutcome(sourceEvent, 'not_mapped', because)
}

const newOutcome = (
  { id }: SourceEvent,
  { state, code = null, message = null }: Partial<SourceEventOutcome> & Pick<SourceEventOutcome, 'state'>,
): SourceEventOutcome => ({
  id,
  state,
  code,
  message: message && storableText(message),
  heldUntil: null,
  heldFor: null,
})

const MAX_MESSAGE_LENGTH = 1_000
/** A message may cite the event, which may hold what PostgreSQL has no place for. */
const storableText = (text: string) => text.slice(0, MAX_MESSAGE_LENGTH).replaceAll('\0', '').toWellFormed()
