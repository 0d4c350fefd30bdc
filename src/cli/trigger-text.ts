import { CONTRACTS } from '../../simulator/scenario.ts'
import { scenarios } from '../../simulator/scenarios.ts'
import { bad, columnLines, faint, good, strong, truthSign, warning } from './paint.ts'
import type { TriggerOutcome } from './trigger-outcome.ts'
import { shortestStories } from './trigger-story.ts'

/** All that can be asked for in an API version. */
export function listText(apiVersion: string): string {
  return [
    ...CONTRACTS.flatMap((contract) => [
      strong(`Events of ${contract}`),
      ...columnLines(
        [...shortestStories(apiVersion, contract)]
          .sort(([a], [b]) => a.localeCompare(b))
          .map(([type, { name }]) => [type, faint(`by ${name}`)]),
        { indent: 2 },
      ),
      '',
    ]),
    strong('Scenarios'),
    ...columnLines(
      scenarios.map(({ name, about }) => [name, about]),
      { indent: 2 },
    ),
  ].join('\n')
}

/** What went in, line by line, and under each what came out and where it went. */
export const outcomesText = (outcomes: readonly TriggerOutcome[]): string => outcomes.flatMap(outcomeText).join('\n')

function outcomeText({ eventId, type, state, reason, client, events }: TriggerOutcome): string[] {
  const became = state === 'normalized' ? (events.length > 0 ? '' : faint('nothing to tell')) : stateText(state, reason)
  return [
    `→ ${type}  ${faint(client === null ? eventId : `${eventId} of ${client}`)}  ${became}`.trimEnd(),
    ...events.flatMap(({ id, contract, type, deliveries }) => [
      `    ${good('✓')} ${strong(type)}  ${faint(`${contract}  ${id}`)}`,
      ...(deliveries.length === 0 ? [`        ${faint('no endpoint wants it')}`] : []),
      ...columnLines(
        deliveries.map(({ url, state, attempts, reason }) => [
          `${truthSign(state === 'delivered')} ${url}`,
          `${state === 'pending' && attempts > 0 ? 'will be tried again' : state}${reason ? ` (${reason})` : ''}`,
        ]),
        { indent: 8, most: 60 },
      ),
    ]),
  ]
}

const stateText = (state: string, reason: string | null) =>
  (state === 'failed' ? bad : state === 'ignored' ? faint : warning)(`${state}${reason ? `: ${reason}` : ''}`)
