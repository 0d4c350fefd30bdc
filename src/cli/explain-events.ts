import type { ExplainedDelivery, ExplainedEvent, ExplainedField, ReadValue } from '../normalize/explain/explanation.ts'
import { bad, columns, counted, faint, good, moment, odd, shown, sign, strong } from './paint.ts'

/** One event: its key, its fields with what they were made of, and its way. */
export function eventText(event: ExplainedEvent, { brief }: { brief: boolean }): string[] {
  const { type, key, stored, toldBefore, fields, differs } = event
  return [
    `  ${strong(type)}  ${faint(`${stored ? `event ${stored.id}, ` : ''}key ${key}`)}`,
    ...(toldBefore
      ? [
          `    ${odd('told before')} by ${toldBefore.eventId ?? 'an earlier event'} (${toldBefore.type ?? 'no longer kept'})`,
        ]
      : []),
    ...(brief || toldBefore ? [] : fieldsText(fields)),
    ...differs.map(
      ({ field, stored: then, now }) => `    ${odd('today')} ${field} would be ${shown(now)}, sent was ${shown(then)}`,
    ),
    ...wayText(event),
  ]
}

/** Fields that have a value, one a line; those that are null together, since most of them say nothing. */
function fieldsText(fields: readonly ExplainedField[]): string[] {
  const present = fields.filter(({ value }) => value !== null)
  const absent = fields.filter(({ value }) => value === null)
  return [
    ...columns(
      present.map(({ field, value, reads, absent, through }) => [
        field,
        shown(value, 44),
        faint(sourceText({ reads, absent, through })),
      ]),
      { indent: 4 },
    ),
    ...(absent.length > 0 ? [`    ${faint('null:')} ${faint(absent.map(nullText).join(', '))}`] : []),
  ]
}

function sourceText({ reads, absent, through }: Pick<ExplainedField, 'reads' | 'absent' | 'through'>): string {
  const told = reads.map((read) => (read.path === 'always' ? 'always so' : `${place(read)} ${shown(read.value, 40)}`))
  return [
    `← ${[told.join(', '), ...through].filter(Boolean).join(' → ')}`,
    ...(absent.length > 0 ? [`(absent: ${[...new Set(absent.map(place))].join(', ')})`] : []),
  ].join('  ')
}

const nullText = ({ field, absent, reads }: ExplainedField): string => {
  const looked = [...new Set([...absent, ...reads].map(place))]
  return looked.length > 0 ? `${field} (${looked.join(', ')})` : field
}

const place = ({ path, object, until }: ReadValue): string => {
  if (object?.id === null) return `no ${object.kind}`
  return `${path}${object ? ` of the ${object.kind} ${object.id}` : ''}${until ? ` (before ${until})` : ''}`
}

function wayText({ deliveries, passedOver, wouldGoTo }: ExplainedEvent): string[] {
  return [
    ...columns(
      deliveries.map((one) => [`${arrow(one)} ${one.url}`, deliveryText(one)]),
      { indent: 4, most: 60 },
    ),
    ...columns(
      wouldGoTo.map(({ url }) => [`${faint('→')} ${url}`, 'would get it']),
      { indent: 4, most: 60 },
    ),
    ...columns(
      passedOver.map(({ url, message }) => [`${sign(false)} ${url}`, message]),
      { indent: 4, most: 60 },
    ),
  ]
}

const waitText = ({ for: what, until, message }: NonNullable<ExplainedDelivery['waitsFor']>): string =>
  what === 'schedule' && until ? `next at ${moment(until)}` : message.replace(/\.$/, '')

const arrow = ({ state }: ExplainedDelivery) =>
  state === 'delivered' ? good('→') : state === 'failed' ? bad('→') : odd('→')

function deliveryText({ id, state, reason, attempts, origin, waitsFor, lastAttempt }: ExplainedDelivery): string {
  return [
    `${state}${reason ? ` (${reason})` : ''}`,
    attempts === 0 ? 'no attempt yet' : counted(attempts, 'attempt'),
    ...(lastAttempt
      ? [
          `last ${lastAttempt.outcome}${lastAttempt.message ? ` ${lastAttempt.message}` : ''} at ${moment(lastAttempt.at)}`,
        ]
      : []),
    ...(waitsFor ? [waitText(waitsFor)] : []),
    ...(origin === 'fanout' ? [] : [origin === 'replay' ? 'replayed' : 'sent again']),
    faint(`delivery ${id}`),
  ].join(', ')
}
