import type { SourceEventDifference } from '../normalize/diff/differences.ts'
import { bad, columns, counted, faint, good, moment, odd, shown, strong } from './paint.ts'

/** What a comparison came to; `events` counts our events, `sourceEvents` those of Stripe that would become something else. */
export interface Summary {
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
export function differenceText({ sourceEvent, outcome, added, removed, changed, unsure }: SourceEventDifference): string {
  const { type, eventId, id, receivedAt } = sourceEvent
  return [
    `${strong(type)}  ${eventId}  ${faint(`source event ${id}, received ${moment(receivedAt)}`)}`,
    ...(outcome ? [`  ${outcome.stored} → ${outcome.now}`] : []),
    ...added.map((event) => `  ${good('+')} ${event.type}  ${faint(event.key)}`),
    ...removed.map((event) => `  ${bad('-')} ${event.type}  ${faint(event.key)}`),
    ...changed.flatMap((event) => [
      `  ${odd('~')} ${event.type}  ${faint(event.key)}`,
      ...columns(
        event.fields.map(({ field, stored, now }) => [field, `${bad(shown(stored))} → ${good(shown(now))}`]),
        { indent: 6 },
      ),
    ]),
    ...(unsure ? [`  ${odd('unsure')} ${unsure}`] : []),
  ].join('\n')
}

/** The end of a comparison. */
export function summaryText(summary: Summary, told: number): string {
  const { since, until, examined, withoutBody, sourceEvents, unsure, events, registeredSince } = summary
  const { same, added, removed, changed } = events
  return [
    `${counted(examined, 'source event')}, received from ${moment(since)} to ${moment(until)}: ${counted(same, 'event')} as they are.`,
    ...(withoutBody > 0 ? [`${withoutBody} more are past the retention of their bytes.`] : []),
    ...(registeredSince > 0
      ? [`${registeredSince} differ in the user alone, who was registered since: not counted.`]
      : []),
    sourceEvents === 0
      ? good('Nothing would change.')
      : strong(
          `${counted(sourceEvents, 'source event')} would become something else: ${counted(added, 'event')} added, ${removed} removed, ${changed} changed.`,
        ),
    ...(unsure > 0 ? [odd(`${unsure} of them are unsure: --since further back tells.`)] : []),
    ...(told < sourceEvents ? [faint(`${told} are shown; --limit shows more.`)] : []),
  ].join('\n')
}
