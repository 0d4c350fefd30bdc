import { randomBytes } from 'node:crypto'
import { NEWEST } from '../../simulator/versions.ts'
import type { Config } from '../config.ts'
import type { Db } from '../database/db.ts'
import { isUuid } from '../domain/ids.ts'
import { ROUTING_KEY, type Routing } from '../domain/routing.ts'
import { newLog } from '../log.ts'
import { loadKeyRing } from '../secrets/keyring.ts'
import { type CommandCall, defineCommand, UsageError } from './command.ts'
import { withDatabase } from './database.ts'
import { parseCount } from './option-values.ts'
import { bad, faint, good } from './paint.ts'
import { awaitOutcomes, isSettled, type TriggerOutcome } from './trigger-outcome.ts'
import { eventsUntilNow, postEvent } from './trigger-post.ts'
import { storyOf, versionOf } from './trigger-story.ts'
import { listText, outcomesText } from './trigger-text.ts'

const options = {
  source: { type: 'string', value: '<id>', about: 'the source that the events come from' },
  'api-version': { type: 'string', value: '<version>', about: `the shape of the events; ${NEWEST} by default` },
  customer: { type: 'string', value: '<cus_…>', about: 'use this Stripe customer instead of a new one' },
  'client-user-id': { type: 'string', value: '<id>', about: 'your own id of the user, sent in the metadata' },
  client: {
    type: 'string',
    value: '<name>',
    about: 'for a source that routes: the client, as flo_client in the metadata of customer, subscription and session',
  },
  account: { type: 'string', value: '<acct_…>', about: 'the connected account that the events are about' },
  seed: { type: 'string', value: '<text>', about: 'the same seed makes the same amounts and names; random by default' },
  url: { type: 'string', value: '<url>', about: 'where the gateway listens; http://HOST:PORT by default' },
  wait: { type: 'string', value: '<seconds>', about: 'how long to wait for the events and deliveries; 60 by default' },
  list: { type: 'boolean', about: 'show every event and scenario' },
} as const

export default defineCommand({
  name: 'trigger',
  summary: 'Send simulated Stripe events that lead to an event or play a scenario',
  about:
    'The events are signed with the source’s secret and posted to the running gateway, as Stripe would. Exits with 1 when an expected event did not come.',
  args: [{ name: 'what?', about: 'an event (subscription.renewed) or a scenario (trial-converts)' }],
  options,
  examples: [
    'trigger --list',
    'trigger subscription.renewed --source 0190a5c2-…',
    'trigger checkout-payment --source 0190a5c2-… --api-version 2020-08-27 --client-user-id user_7',
    'trigger subscription.renewed --source 0190a5c2-… --client tenant_42',
  ],
  async run(call) {
    const apiVersion = versionOf(call.options['api-version'] ?? NEWEST)
    if (call.options.list) {
      call.printLine(listText(apiVersion))
      return 0
    }
    const [what] = call.args
    if (what === undefined) throw new UsageError('<what> is missing: an event or a scenario; --list shows all.')
    const choice = storyOf(what, apiVersion)
    const { source } = call.options
    if (source === undefined)
      throw new UsageError('--source is missing: the id of the source that the events come from.')
    return withDatabase((db, config) =>
      runTrigger({ ...call, db, config }, { ...choice, sourceId: source, apiVersion }),
    )
  },
})

type TriggerChoice = ReturnType<typeof storyOf> & { sourceId: string; apiVersion: string }

async function runTrigger(
  { db, config, options: asked, printLine, printNote }: CommandCall<typeof options> & { db: Db; config: Config },
  { scenario, expects, sourceId, apiVersion }: TriggerChoice,
): Promise<number> {
  const waitSeconds = parseCount(asked.wait, 'wait') ?? 60
  const source = await findSource(db, config, sourceId)
  const { metadata, account } = namesOf(source, asked)
  if (source.routing && metadata === undefined && account === null)
    printNote(faint('The source routes its events, and neither --client nor --account says whose these are.'))
  const seed = asked.seed ?? randomBytes(4).toString('hex')
  const events = eventsUntilNow(scenario, {
    seed,
    apiVersion,
    clientUserId: asked['client-user-id'] ?? null,
    customer: asked.customer,
    metadata: metadata ?? {},
    account,
    now: new Date(),
  })
  printNote(faint(`${scenario.name}, ${events.length} events of ${apiVersion}, seed ${seed}: ${scenario.about}`))
  const webhookUrl = `${(asked.url ?? gatewayUrl(config)).replace(/\/+$/, '')}/webhooks/stripe/${source.id}`
  // One after another: whoever looks at the gateway sees the story in its order.
  for (const event of events) await postEvent(webhookUrl, event, source.secret)
  const ids = events.map(({ id }) => id)
  const outcomes = await awaitOutcomes(db, source, ids, { waitMs: waitSeconds * 1000 })
  printLine(outcomesText(outcomes))
  return reportOutcomes(outcomes, expects, printLine)
}

/** How the events say whose they are, to a source that routes them. Throws a UsageError for what the source would not heed. */
function namesOf({ routing }: { routing: Routing | null }, { client, account }: { client?: string; account?: string }) {
  if (account !== undefined && !/^acct_\w+$/.test(account))
    throw new UsageError(`"${account}" is not the id of a connected account: write one such as acct_1TKx2u.`)
  if (client === undefined) return { metadata: undefined, account: account ?? null }
  if (!routing?.by.includes('metadata'))
    throw new UsageError(
      routing
        ? 'This source routes by connected accounts alone: name one with --account.'
        : 'This source belongs to one client: --client is for a source that routes its events by metadata.',
    )
  return { metadata: { [routing.key ?? ROUTING_KEY]: client }, account: account ?? null }
}

const gatewayUrl = ({ host, port }: Config) => `http://${host.includes(':') ? `[${host}]` : host}:${port}`

function reportOutcomes(
  outcomes: readonly TriggerOutcome[],
  expects: readonly string[],
  printLine: (text: string) => void,
): number {
  const came = outcomes.flatMap(({ events }) => events.map(({ type }) => type))
  const missing = [...new Set(expects)].filter((type) => !came.includes(type))
  const waiting = outcomes.filter((one) => !isSettled(one)).length
  printLine('')
  if (waiting > 0)
    printLine(`${waiting} ${waiting === 1 ? 'event is' : 'events are'} still under way: --wait waits longer.`)
  printLine(
    missing.length > 0
      ? bad(`Did not come: ${missing.join(', ')}. flo-gateway explain <evt_…> tells why.`)
      : good(`${came.length} ${came.length === 1 ? 'event' : 'events'} came of ${outcomes.length} Stripe events.`),
  )
  return missing.length > 0 ? 1 : 0
}

async function findSource(db: Db, config: Config, id: string) {
  const { rows } = isUuid(id)
    ? await db.query<{ client_id: string; sealed: string; routing: Routing | null }>(
        'select client_id, signing_secrets[1] as sealed, routing from sources where id = $1',
        [id],
      )
    : { rows: [] }
  if (!rows[0]) throw new UsageError(`No source has the id "${id}": GET /v1/sources lists them.`)
  const ring = await loadKeyRing(config, newLog('warn'))
  const { client_id: clientId, sealed, routing } = rows[0]
  return { id, clientId, routing, secret: ring.decrypt(sealed) }
}
