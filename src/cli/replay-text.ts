import type { ReplayPreview } from '../replay/preview.ts'
import type { ReplayProgress } from '../replay/progress.ts'
import { bar } from './follow.ts'
import { columns, counted, moment, strong } from './paint.ts'

/** One line of a running replay: a bar, how far it is, what became of its deliveries. Cut to `width`. */
export function statusLine({ found, replayed, deliveries }: ReplayProgress, width: number): string {
  if (found === null) return 'counting …'
  const share = found === 0 ? 1 : Math.min(1, replayed / found)
  return [bar(share), `${replayed} of ${found} made`, states(deliveries)].join('  ').slice(0, width - 1)
}

/** What a replay has come to. */
export function report({ found, replayed, skipped, expired, deliveries }: ReplayProgress): string[] {
  const gone = expiredWords(expired)
  if (!found) return [strong('There is nothing to replay.'), ...gone]
  const passed = skipped > 0 ? ` ${counted(skipped, 'event')} had come by another way meanwhile.` : ''
  return [
    strong(`${replayed} of ${counted(found, 'event')} ${replayed === 1 ? 'is' : 'are'} on the way once more.${passed}`),
    ...(replayed > 0 ? [`Deliveries: ${states(deliveries)}.`] : []),
    ...gone,
  ]
}

/** What a replay would send. */
export function previewed({ count, expired, byType, sample, countedUntil }: ReplayPreview): string[] {
  if (count === 0 && countedUntil === null) return [strong('There is nothing to replay.'), ...expiredWords(expired)]
  const types = Object.entries(byType).toSorted(([, a], [, b]) => b - a)
  const more = countedUntil === null ? '' : `, and what was made after ${moment(countedUntil)}: counting took too long`
  return [
    ...columns([['type', 'events'], ...types.map(([type, events]) => [type, String(events)])]),
    '',
    ...columns([
      ['first', 'event'],
      ...sample.map(({ createdAt, eventType, eventId }) => [moment(createdAt), `${eventType}  ${eventId}`]),
    ]),
    '',
    strong(`${counted(count, 'event')} would be sent${more}. Nothing is stored.`),
    ...expiredWords(expired),
  ]
}

const expiredWords = (expired: number): string[] =>
  expired > 0 ? [`${counted(expired, 'event')} cannot be sent any more: the body is past its retention.`] : []

const states = (deliveries: ReplayProgress['deliveries']) =>
  Object.entries(deliveries)
    .map(([state, count]) => `${count} ${state}`)
    .join(', ')
