import type { SourceEventDifference } from '../normalize/diff/differences.ts'
import { bad, columnLines, countText, faint, good, jsonText, momentText, strong, warning } from './paint.ts'

/** What a comparison came to; `events` counts our events, `sourceEvents` those of Stripe that would become something else. */
export interface DiffSummary {
  since: Date
  until: Date
  examined: number
  withoutBody: number
  sourceEvents: number
  /** Of these: possibly no difference, since what was known before the window is not kept. */
  unsure: number
  events: { same: number; added: number; removed: number; changed: number }
  /** Events that differ in a user alone who was registered since: not counted as changed. */
  registeredSince: number
}

/** One source event with what would be told more, no longer, or otherwise. */
export function differenceText({
  sourceEvent,
  outcome,
  added,
  removed,
  changed,
  unsure,
}: SourceEventDifference): string {
  const { type, eventId, id, receivedAt } = sourceEvent
  return [
    `${strong(type)}  ${eventId}  ${faint(`source event ${id}, received ${momentText(receivedAt)}`)}`,
    ...(outcome ? [`  ${outcome.stored} → ${outcome.now}`] : []),
    ...added.map((event) => `  ${good('+')} ${event.type}  ${faint(event.key)}`),
    ...removed.map((event) => `  ${bad('-')} ${event.type}  ${faint(event.key)}`),
    ...changed.flatMap((event) => [
      `  ${warning('~')} ${event.type}  ${faint(event.key)}`,
      ...columnLines(
        event.fields.map(({ field, stored, now }) => [field, `${bad(jsonText(stored))} → ${good(jsonText(now))}`]),
        { indent: 6 },
      ),
    ]),
    ...(unsure ? [`  ${warning('unsure')} ${unsure}`] : []),
  ].join('\n')
}

/** The end of a comparison. */
export function summaryText(summary: DiffSummary, shownCount: number): string {
  const { since, until, examined, withoutBody, sourceEvents, unsure, events, registeredSince } = summary
  const { same, added, removed, changed } = events
  return [
    `${countText(examined, 'source event')}, received from ${momentText(since)} to ${momentText(until)}: ${countText(same, 'event')} as they are.`,
    ...(withoutBody > 0 ? [`${withoutBody} more are past the retention of their bytes.`] : []),
    ...(registeredSince > 0
      ? [`${registeredSince} differ in the user alone, who was registered since: not counted.`]
      : []),
    sourceEvents === 0
      ? good('Nothing would change.')
      : strong(
          `${countText(sourceEvents, 'source event')} would become something else: ${countText(added, 'event')} added, ${removed} removed, ${changed} changed.`,
        ),
    ...(unsure > 0 ? [warning(`${unsure} of them are unsure: --since further back tells.`)] : []),
    ...(shownCount < sourceEvents ? [faint(`${shownCount} are shown; --limit shows more.`)] : []),
  ].join('\n')
}
