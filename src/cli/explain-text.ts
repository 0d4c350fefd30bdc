import type { ExplainedLookup, ExplainedSourceEvent, Explanation } from '../normalize/explain/explanation.ts'
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

function headText({ sourceEvent, about }: Explanation): string[] {
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
    ...(about ? [faint(`  about the ${about.kind} ${about.id}; ${before[about.before]}`)] : []),
  ]
}

function stateWord({ state }: ExplainedSourceEvent): string {
  const colour = { normalized: good, ignored: warning, held: warning, received: warning, failed: bad }[state]
  return colour(strong(state.toUpperCase()))
}

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
