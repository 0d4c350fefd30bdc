import type { SourceEventOutcome } from '../source-event.ts'
import type { ExplainedEvent, ExplainedSourceEvent, Explanation } from './explanation.ts'
import { factWords } from './hints.ts'

/** The answer in a sentence or two. */
export function summaryOf(
  row: ExplainedSourceEvent,
  events: readonly ExplainedEvent[],
  heldFor: readonly string[],
): string {
  const types = joinWords(events.map(({ type }) => type))
  switch (row.state) {
    case 'normalized': {
      const stored = joinWords(events.filter((event) => event.stored).map(({ type }) => type))
      return `It became ${stored || 'events whose records are past their retention'}. ${deliveryWords(events)}`
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
    case 'received':
      return `It waits to be normalised.${types ? ` It would become ${types}.` : ''}`
  }
}

function deliveryWords(events: readonly ExplainedEvent[]): string {
  const states = events.flatMap(({ deliveries }) => deliveries.map(({ state }) => state))
  if (states.length === 0) return 'No endpoint wanted it.'
  const counts = new Map<string, number>()
  for (const state of states) counts.set(state, (counts.get(state) ?? 0) + 1)
  return `Deliveries: ${[...counts].map(([state, count]) => `${count} ${state}`).join(', ')}.`
}

/** What the event would come to today, where that is not what is stored; null: it is the same. */
export function differenceOf(
  row: ExplainedSourceEvent,
  today: SourceEventOutcome,
  events: readonly ExplainedEvent[],
): Explanation['differs'] {
  if (row.state === 'received' || row.state === 'held') return null
  const added = events.filter(({ stored, toldBefore, fields }) => !stored && !toldBefore && fields.length > 0)
  const removed = events.filter(({ stored, fields }) => stored && fields.length === 0)
  const isToldBefore = events.length > 0 && events.every(({ toldBefore }) => toldBefore !== null)
  const [state, code] = isToldBefore ? ['ignored', 'already_emitted'] : [today.state, today.code]
  const was = `${row.state}${row.state === 'normalized' ? '' : ` (${row.reason?.code})`}`
  const because = 'What it reads has changed since then, or the mappings have.'
  if (state !== row.state || (state !== 'normalized' && code !== row.reason?.code))
    return `Judged today it would be ${state}${state === 'normalized' ? ` (${joinWords(added.map(({ type }) => type))})` : ` (${code})`}; it was ${was}. ${because}`
  if (added.length + removed.length > 0)
    return `Judged today it would ${[
      ...(added.length > 0 ? [`also become ${joinWords(added.map(({ type }) => type))}`] : []),
      ...(removed.length > 0 ? [`no longer become ${joinWords(removed.map(({ type }) => type))}`] : []),
    ].join(' and ')}. ${because}`
  const fields = events.flatMap(({ differs }) => differs.map(({ field }) => field))
  return fields.length > 0
    ? `Judged today some fields would have other values: ${[...new Set(fields)].join(', ')}. ${because}`
    : null
}

const joinWords = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
