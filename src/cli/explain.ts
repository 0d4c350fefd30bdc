import type { Queryable } from '../database/db.ts'
import { isUuid } from '../domain/ids.ts'
import { explainSourceEvent } from '../normalize/explain/explain.ts'
import { defineCommand, UsageError } from './command.ts'
import { withDatabase } from './database.ts'
import { explanationText } from './explain-text.ts'
import { findClients } from './option-values.ts'

export default defineCommand({
  name: 'explain',
  summary: 'Tell why a Stripe event became what it became, and where that went',
  about:
    'Every rule that was tried with the values it looked at, every field with what it was read from, every delivery, every endpoint that was passed over and why.',
  args: [{ name: 'id', about: 'the id of a source event, or its eventId: Stripe’s own (evt_…), or an app event’s' }],
  options: {
    client: { type: 'string', value: '<id|name>', about: 'whose event it is, where several have it' },
    all: { type: 'boolean', about: 'show the parts of conditions that settled nothing, and rules that were not tried' },
    brief: { type: 'boolean', about: 'leave out rules and fields' },
    json: { type: 'boolean', about: 'print what GET /v1/source-events/{id}/explain answers' },
  },
  examples: ['explain evt_1TKx2v', 'explain evt_1TKx2v --json | jq .events'],
  run: ({ args, options, printLine: out }) =>
    withDatabase(async (db, _config, { mappings }) => {
      const found = await findSourceEvents(db, args[0]!, options.client)
      const explanations = []
      for (const { client_id, id } of found)
        explanations.push(await explainSourceEvent({ db, mappings, now: () => new Date() }, client_id, id))
      if (options.json) out(JSON.stringify(explanations.length === 1 ? explanations[0] : explanations, null, 2))
      else out(explanations.map((one) => explanationText(one, options)).join('\n\n'))
      return 0
    }),
})

/** The source events that an id names: one of ours, all that came with Stripe's id, or an app event by its own. */
async function findSourceEvents(db: Queryable, id: string, client: string | undefined) {
  const clients = await findClients(db, client)
  const named = isUuid(id)
    ? `(id = $2::uuid or source_id = client_id and account = '' and livemode and event_id = $2::text)`
    : 'event_id = $2'
  const found: { client_id: string; id: string }[] = []
  for (const one of clients) {
    const { rows } = await db.query(`select client_id, id from source_events where client_id = $1 and ${named}`, [
      one.id,
      id,
    ])
    found.push(...rows)
  }
  if (found.length === 0)
    throw new UsageError(
      `No source event has the id "${id}"${client ? ' there' : ''}: it was not received, or is past its retention. In Stripe, look whether the webhook is subscribed to its type.`,
    )
  return found.sort((a, b) => (a.id < b.id ? -1 : 1))
}
