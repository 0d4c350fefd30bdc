import type { ExplainedDelivery, ExplainedEvent, ExplainedField, ReadValue } from '../normalize/explain/explanation.ts'
import { bad, columnLines, countText, faint, good, jsonText, momentText, strong, warning } from './paint.ts'

/** One event: its key, its fields with what they were made of, and its way. */
export function eventText(event: ExplainedEvent, { brief }: { brief: boolean }): string[] {
  const { type, key, stored, toldBefore, fields, differs } = event
  return [
    `  ${strong(type)}  ${faint(`${stored ? `event ${stored.id}, ` : ''}key ${key}`)}`,
    ...(toldBefore
      ? [
          `    ${warning('told before')} by ${toldBefore.eventId ?? 'an earlier event'} (${toldBefore.type ?? 'no longer kept'})`,
        ]
      : []),
    ...(brief || toldBefore ? [] : fieldsText(fields)),
    ...differs.map(
      ({ field, stored: then, now }) =>
        `    ${warning('today')} ${field} would be ${jsonText(now)}, sent was ${jsonText(then)}`,
    ),
    ...wayText(event),
  ]
}

/** Fields that have a value, one a line; those that are null together, since most of them say nothing. */
function fieldsText(fields: readonly ExplainedField[]): string[] {
  const present = fields.filter(({ value }) => value !== null)
  const absent = fields.filter(({ value }) => value === null)
  return [
    ...columnLines(
      present.map((one) => [one.field, jsonText(one.value, 44), faint(sourceText(one))]),
      { indent: 4 },
    ),
    ...(absent.length > 0 ? [`    ${faint('null:')} ${faint(absent.map(nullText).join(', '))}`] : []),
  ]
}

function sourceText({ reads, absent, through, leftOut = 0 }: ExplainedField): string {
  const conditions = reads.filter(isConditionRead)
  const told = reads
    .filter((read) => !isConditionRead(read))
    .map((read) => (read.role === 'constant' ? constantText(read) : readText(read)))
  const because = conditions.length > 0 ? ` since ${conditions.map(readText).join(', ')}` : ''
  const more = leftOut > 0 ? `and ${leftOut} more` : ''
  return [
    `← ${[told.join(', ') + because, more, ...through].filter(Boolean).join(' → ')}`,
    ...(absent.length > 0 ? [`(absent: ${[...new Set(absent.map(readPlace))].join(', ')})`] : []),
  ].join('  ')
}

const isConditionRead = ({ role }: ReadValue) => role === 'condition' || role === 'condition_before'

const readText = (read: ReadValue): string => `${readPlace(read)} ${jsonText(read.value, 40)}`

const constantText = ({ path, value }: ReadValue): string =>
  path === 'always' ? `always ${jsonText(value, 40)}` : path

const nullText = ({ field, absent, reads }: ExplainedField): string => {
  const looked = [...new Set([...absent, ...reads].map(readPlace))]
  return looked.length > 0 ? `${field} (${looked.join(', ')})` : field
}

const readPlace = ({ path, object, until, role }: ReadValue): string => {
  if (object?.id === null) return `no ${object.kind}`
  const then = role === 'before' || role === 'condition_before' ? ' as it was before the event' : ''
  return `${path}${then}${object ? ` of the ${object.kind} ${object.id}` : ''}${until ? ` (before ${until})` : ''}`
}

function wayText({ deliveries, passedOver, wouldGoTo }: ExplainedEvent): string[] {
  return [
    ...columnLines(
      deliveries.map((one) => [`${deliveryArrow(one)} ${one.url}`, deliveryText(one)]),
      { indent: 4, most: 60 },
    ),
    ...columnLines(
      wouldGoTo.map(({ url }) => [`${faint('→')} ${url}`, 'would get it']),
      { indent: 4, most: 60 },
    ),
    ...columnLines(
      passedOver.map(({ url, message }) => [`${bad('✗')} ${url}`, message]),
      { indent: 4, most: 60 },
    ),
  ]
}

const waitText = ({ for: what, until, message }: NonNullable<ExplainedDelivery['waitsFor']>): string =>
  what === 'schedule' && until ? `next at ${momentText(until)}` : message.replace(/\.$/, '')

const deliveryArrow = ({ state }: ExplainedDelivery) =>
  state === 'delivered' ? good('→') : state === 'failed' ? bad('→') : warning('→')

function deliveryText({ id, state, reason, attempts, origin, waitsFor, lastAttempt }: ExplainedDelivery): string {
  return [
    `${state}${reason ? ` (${reason})` : ''}`,
    attempts === 0 ? 'no attempt yet' : countText(attempts, 'attempt'),
    ...(lastAttempt
      ? [
          `last ${lastAttempt.outcome}${lastAttempt.message ? ` ${lastAttempt.message}` : ''} at ${momentText(lastAttempt.at)}`,
        ]
      : []),
    ...(waitsFor ? [waitText(waitsFor)] : []),
    ...(origin === 'fanout' ? [] : [origin === 'replay' ? 'replayed' : 'sent again']),
    faint(`delivery ${id}`),
  ].join(', ')
}
