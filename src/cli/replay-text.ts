import type { ReplayPreview } from '../replay/preview.ts'
import type { ReplayProgress } from '../replay/progress.ts'
import { progressBar } from './follow.ts'
import { columnLines, countText, momentText, strong } from './paint.ts'

/** One line of a running replay: a bar, how far it is, what became of its deliveries. Cut to `width`. */
export function replayStatusLine({ found, replayed, deliveries }: ReplayProgress, width: number): string {
  if (found === null) return 'counting …'
  const share = found === 0 ? 1 : Math.min(1, replayed / found)
  return [progressBar(share), `${replayed} of ${found} made`, stateCounts(deliveries)].join('  ').slice(0, width - 1)
}

/** What a replay has come to. */
export function replayReportLines({ found, replayed, skipped, expired, deliveries }: ReplayProgress): string[] {
  const gone = expiredWords(expired)
  if (!found) return [strong('There is nothing to replay.'), ...gone]
  const passed = skipped > 0 ? ` ${countText(skipped, 'event')} had come by another way meanwhile.` : ''
  return [
    strong(
      `${replayed} of ${countText(found, 'event')} ${replayed === 1 ? 'is' : 'are'} on the way once more.${passed}`,
    ),
    ...(replayed > 0 ? [`Deliveries: ${stateCounts(deliveries)}.`] : []),
    ...gone,
  ]
}

/** What a replay would send. */
export function previewLines({ count, expired, byType, sample, countedUntil }: ReplayPreview): string[] {
  if (count === 0 && countedUntil === null) return [strong('There is nothing to replay.'), ...expiredWords(expired)]
  const types = Object.entries(byType).toSorted(([, a], [, b]) => b - a)
  const more =
    countedUntil === null ? '' : `, and what was made after ${momentText(countedUntil)}: counting took too long`
  return [
    ...columnLines([['type', 'events'], ...types.map(([type, events]) => [type, String(events)])]),
    '',
    ...columnLines([
      ['first', 'event'],
      ...sample.map(({ createdAt, eventType, eventId }) => [momentText(createdAt), `${eventType}  ${eventId}`]),
    ]),
    '',
    strong(`${countText(count, 'event')} would be sent${more}. Nothing is stored.`),
    ...expiredWords(expired),
  ]
}

const expiredWords = (expired: number): string[] =>
  expired > 0 ? [`${countText(expired, 'event')} cannot be sent any more: the body is past its retention.`] : []

const stateCounts = (deliveries: ReplayProgress['deliveries']) =>
  Object.entries(deliveries)
    .map(([state, count]) => `${count} ${state}`)
    .join(', ')
