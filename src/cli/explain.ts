import type { Queryable } from '../database/db.ts'
import { isUuid } from '../domain/ids.ts'
import { explainSourceEvent } from '../normalize/explain/explain.ts'
import { defineCommand, UsageError } from './command.ts'
import { withDatabase } from './database.ts'
import { explanationText } from './explain-text.ts'
import { findClients } from './option-values.ts'

export default defineCommand({
  name: 'explain',
  summary: 'Explain what became of a Stripe event, why, and where it was delivered',
  about:
    'Shows every rule that was tried with the values it read, every field with its origin, every delivery, and every endpoint that did not get the event with the reason.',
  args: [{ name: 'id', about: 'the id of a source event, or its eventId: Stripe’s own (evt_…), or an app event’s' }],
  options: {
    client: { type: 'string', value: '<id|name>', about: 'whose event it is, where several clients have it' },
    all: {
      type: 'boolean',
      about: 'also show the parts of conditions that decided nothing, and the rules that were not tried',
    },
    brief: { type: 'boolean', about: 'leave out rules and fields' },
    json: { type: 'boolean', about: 'print the answer of GET /v1/source-events/{id}/explain' },
  },
  examples: ['explain evt_1TKx2v', 'explain evt_1TKx2v --json | jq .events'],
  run: ({ args, options, printLine }) =>
    withDatabase(async (db, _config, { mappings }, now) => {
      const [id = ''] = args
      const found = await findSourceEvents(db, id, options.client)
      const explanations = []
      for (const { clientId, sourceEventId } of found)
        explanations.push(await explainSourceEvent({ db, mappings, now }, clientId, sourceEventId))
      if (options.json) printLine(JSON.stringify(explanations.length === 1 ? explanations[0] : explanations, null, 2))
      else printLine(explanations.map((one) => explanationText(one, options)).join('\n\n'))
      return 0
    }),
})

interface SourceEventKey {
  clientId: string
  sourceEventId: string
}

/** The source events that an id names: one of ours, all that came with Stripe's id, or an app event by its own. */
async function findSourceEvents(db: Queryable, id: string, client: string | undefined) {
  const clients = await findClients(db, client)
  const named = isUuid(id)
    ? `(id = $2::uuid or source_id = client_id and account = '' and livemode and event_id = $2::text)`
    : 'event_id = $2'
  const found: SourceEventKey[] = []
  for (const one of clients) {
    const { rows } = await db.query<SourceEventKey>(
      `select client_id as "clientId", id as "sourceEventId" from source_events where client_id = $1 and ${named}`,
      [one.id, id],
    )
    found.push(...rows)
  }
  if (found.length === 0)
    throw new UsageError(
      `No source event has the id "${id}"${client ? ' there' : ''}: it was not received, or is past its retention. Check in Stripe that the webhook is subscribed to its type.`,
    )
  return found.sort((a, b) => (a.sourceEventId < b.sourceEventId ? -1 : 1))
}
