import type { SourceEventOutcome } from '../source-event.ts'
import type { EventOutline } from './events.ts'
import type { ExplainedSourceEvent, Explanation } from './explanation.ts'
import { factWords } from './hints.ts'
import { joinTypes, joinWords, MAX_NAMED } from './joined-words.ts'

/** The answer in a sentence or two. */
export function summaryOf(
  row: ExplainedSourceEvent,
  events: readonly EventOutline[],
  { heldFor, deliveryStates }: { heldFor: readonly string[]; deliveryStates: ReadonlyMap<string, number> },
): string {
  const types = joinTypes(events.map(({ type }) => type))
  switch (row.state) {
    case 'normalized': {
      const stored = joinTypes(events.filter((event) => event.stored).map(({ type }) => type))
      return `It became ${stored || 'events whose records are past their retention'}. ${deliveryWords(deliveryStates)}`
    }
    case 'ignored': {
      const before = row.reason?.code === 'already_emitted' ? events.find(({ toldBefore }) => toldBefore) : undefined
      if (before?.toldBefore?.eventId)
        return `It became no event: ${before.toldBefore.eventId} (${before.toldBefore.type}) said the same before.`
      return `It became no event (${row.reason?.code}). ${row.reason?.message ?? ''}`.trimEnd()
    }
    case 'held':
      return `It waits for ${joinWords(heldFor.map(factWords))}, until ${row.heldUntil?.toISOString()} at the latest. ${
        types ? `Then it becomes ${types}, with or without them.` : ''
      }`.trimEnd()
    case 'failed':
      return `It could not be mapped (${row.reason?.code}). ${row.reason?.message ?? ''}`.trimEnd()
    case 'unrouted':
      return routingSummary(row)
    case 'received':
      return `It waits to be normalised.${types ? ` It would become ${types}.` : ''}`
  }
}

/** Why an event has no client: it waits, or nobody has told. */
export const routingSummary = ({ state, reason, heldUntil }: ExplainedSourceEvent): string =>
  state === 'held'
    ? `It waits for its client to be known, until ${heldUntil?.toISOString()} at the latest. ${reason?.message ?? ''}`.trimEnd()
    : `It is nobody's (${reason?.code}). ${reason?.message ?? ''}`.trimEnd()

const deliveryWords = (states: ReadonlyMap<string, number>): string =>
  states.size === 0
    ? 'No endpoint wanted it.'
    : `Deliveries: ${[...states].map(([state, count]) => `${count} ${state}`).join(', ')}.`

/** What the event would come to today, where that is not what is stored; null: it is the same. */
export function differenceOf(
  row: ExplainedSourceEvent,
  today: SourceEventOutcome,
  events: readonly EventOutline[],
): Explanation['differs'] {
  if (row.state === 'received' || row.state === 'held') return null
  const added = events.filter(({ stored, toldBefore, isSaidToday }) => !stored && !toldBefore && isSaidToday)
  const removed = events.filter(({ stored, isSaidToday }) => stored && !isSaidToday)
  const isToldBefore = events.length > 0 && events.every(({ toldBefore }) => toldBefore !== null)
  const [state, code] = isToldBefore ? ['ignored', 'already_emitted'] : [today.state, today.code]
  const was = `${row.state}${row.state === 'normalized' ? '' : ` (${row.reason?.code})`}`
  const because = 'What it reads has changed since then, or the mappings have.'
  if (state !== row.state || (state !== 'normalized' && code !== row.reason?.code))
    return `Judged today it would be ${state}${state === 'normalized' ? ` (${joinTypes(added.map(({ type }) => type))})` : ` (${code})`}; it was ${was}. ${because}`
  if (added.length + removed.length > 0)
    return `Judged today it would ${[
      ...(added.length > 0 ? [`also become ${joinTypes(added.map(({ type }) => type))}`] : []),
      ...(removed.length > 0 ? [`no longer become ${joinTypes(removed.map(({ type }) => type))}`] : []),
    ].join(' and ')}. ${because}`
  const fields = [...new Set(events.flatMap(({ differs }) => differs.map(({ field }) => field)))]
  const named = fields.slice(0, MAX_NAMED).join(', ')
  const others = fields.length > MAX_NAMED ? ` and ${fields.length - MAX_NAMED} more` : ''
  return fields.length > 0 ? `Judged today some fields would have other values: ${named}${others}. ${because}` : null
}
