import type { ExplainedSourceEvent, Explanation, ExplainedLookup } from '../normalize/explain/explanation.ts'
import { eventText } from './explain-events.ts'
import { mappingText } from './explain-rules.ts'
import { bad, columns, faint, good, moment, odd, strong } from './paint.ts'

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
    ...[pastRetention, differs].flatMap((words) => (words ? ['', `  ${odd(words)}`] : [])),
    ...section(
      'What to do',
      hints.map((hint) => `  ${hint}`),
    ),
    ...(brief
      ? []
      : section(
          'What the mappings said',
          mappings.flatMap((mapping) => mappingText(mapping, all)),
        )),
    ...section(
      'What it became, and where that went',
      events.flatMap((event) => eventText(event, { brief })),
    ),
    ...(brief ? [] : section('What was looked up', lookupText(lookups))),
  ].join('\n')
}

function headText({ sourceEvent, about }: Explanation): string[] {
  const { type, eventId, id, receivedAt, createdAt, apiVersion, livemode, account, origin } = sourceEvent
  const made = {
    stripe: `made ${moment(createdAt)}`,
    timer: 'made by the gateway’s own timer',
    app: `of ${moment(createdAt)}, published by the application`,
  }[origin]
  const before = {
    previous_attributes: 'its state before is in previous_attributes',
    snapshot: 'its state before was known',
    unknown: 'its state before is not known',
  }
  return [
    `${strong(type)}  ${eventId}`,
    faint(`  source event ${id}, received ${moment(receivedAt)}, ${made}`),
    ...(origin === 'app'
      ? []
      : [
          faint(
            `  API version ${apiVersion ?? 'not told'}, ${livemode ? 'live' : 'test mode'}${account ? `, account ${account}` : ''}`,
          ),
        ]),
    ...(about ? [faint(`  about the ${about.kind} ${about.id}; ${before[about.before]}`)] : []),
  ]
}

function stateWord({ state }: ExplainedSourceEvent): string {
  const colour = { normalized: good, ignored: odd, held: odd, received: odd, failed: bad }[state]
  return colour(strong(state.toUpperCase()))
}

const lookupText = (lookups: readonly ExplainedLookup[]): string[] =>
  columns(
    // Most things are tied to nothing: that is no news.
    lookups
      .filter(({ kind, known }) => known || kind !== 'link')
      .map(({ kind, id, known, words }) => [`${kind} ${id}`, known ? words : odd(words)]),
    { indent: 2 },
  )

const section = (title: string, lines: readonly string[]) => (lines.length > 0 ? ['', strong(title), ...lines] : [])
