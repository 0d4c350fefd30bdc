import type {
  ExplainedLookup,
  ExplainedRouting,
  ExplainedSourceEvent,
  Explanation,
} from '../normalize/explain/explanation.ts'
import { eventText } from './explain-events.ts'
import { mappingText } from './explain-rules.ts'
import { bad, columnLines, faint, good, momentText, strong, warning } from './paint.ts'

/** An explanation for a person at a terminal. */
export function explanationText(
  explanation: Explanation,
  { all = false, brief = false }: { all?: boolean; brief?: boolean } = {},
): string {
  const { sourceEvent, summary, pastRetention, differs, mappings, events, lookups, hints } = explanation
  return [
    ...headText(explanation),
    '',
    `  ${stateWord(sourceEvent)}  ${summary}`,
    ...[pastRetention, differs].flatMap((words) => (words ? ['', `  ${warning(words)}`] : [])),
    ...sectionLines('What tells of its client', answersText(explanation.routing)),
    ...sectionLines(
      'What to do',
      hints.map((hint) => `  ${hint}`),
    ),
    ...(brief
      ? []
      : sectionLines(
          'What the mappings decided',
          mappings.flatMap((mapping) => mappingText(mapping, { all })),
        )),
    ...sectionLines(
      'Events and their deliveries',
      events.flatMap((event) => eventText(event, { brief })),
    ),
    ...(brief ? [] : sectionLines('Lookups', lookupText(lookups))),
  ].join('\n')
}

function headText({ sourceEvent, about, routing }: Explanation): string[] {
  const { type, eventId, id, receivedAt, createdAt, apiVersion, livemode, account, origin } = sourceEvent
  const made = {
    stripe: `made ${momentText(createdAt)}`,
    timer: 'made by the gateway’s own timer',
    app: `of ${momentText(createdAt)}, published by the application`,
  }[origin]
  const before = {
    previous_attributes: 'its state before is in previous_attributes',
    snapshot: 'its state before was known',
    unknown: 'its state before is not known',
  }
  return [
    `${strong(type)}  ${eventId}`,
    faint(`  source event ${id}, received ${momentText(receivedAt)}, ${made}`),
    ...(origin === 'app'
      ? []
      : [
          faint(
            `  API version ${apiVersion ?? 'unknown'}, ${livemode ? 'live' : 'test mode'}${account ? `, account ${account}` : ''}`,
          ),
        ]),
    ...routedText(routing),
    ...(about ? [faint(`  about the ${about.kind} ${about.id}; ${before[about.before]}`)] : []),
  ]
}

function stateWord({ state }: ExplainedSourceEvent): string {
  const colour = { normalized: good, ignored: warning, held: warning, received: warning, failed: bad, unrouted: bad }[
    state
  ]
  return colour(strong(state.toUpperCase()))
}

/** By what it was given to its client. */
const routedText = (routing: ExplainedRouting | null): string[] =>
  routing?.state === 'shared'
    ? [faint('  belongs to nobody: all clients of its source know it')]
    : routing?.routedBy
      ? [faint(`  routed by ${clueText(routing.routedBy)}`)]
      : []

const answersText = (routing: ExplainedRouting | null): string[] =>
  routing === null
    ? []
    : [
        ...columnLines(
          [
            ...routing.answers.map((one) => [
              clueText(one),
              one.clientId ? `client ${one.clientId}` : warning('no client'),
            ]),
            ...routing.unknown.map(({ kind, id }) => [`${kind} ${id}`, warning('not known')]),
          ],
          { indent: 2, most: 60 },
        ),
        ...(routing.leftOut ? [faint(`  and ${routing.leftOut} more`)] : []),
      ]

const clueText = ({ by, value, of, toldBy }: NonNullable<ExplainedRouting['routedBy']>): string =>
  by === 'account'
    ? `account ${value}`
    : by === 'metadata'
      ? `"${value}" in the metadata of ${of}`
      : `${of}, which ${toldBy === 'stripe' ? 'Stripe' : (toldBy ?? 'an earlier event')} told is "${value}"`

const lookupText = (lookups: readonly ExplainedLookup[]): string[] =>
  columnLines(
    // Most objects have no link: not worth a line.
    lookups
      .filter(({ kind, known }) => known || kind !== 'link')
      .map(({ kind, id, known, words }) => [`${kind} ${id}`, known ? words : warning(words)]),
    { indent: 2 },
  )

const sectionLines = (title: string, lines: readonly string[]) =>
  lines.length > 0 ? ['', strong(title), ...lines] : []
