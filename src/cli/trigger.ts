import { randomBytes } from 'node:crypto'
import { NEWEST } from '../../simulator/versions.ts'
import type { Config } from '../config.ts'
import type { Db } from '../database/db.ts'
import { isUuid } from '../domain/ids.ts'
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
  const seed = asked.seed ?? randomBytes(4).toString('hex')
  const events = eventsUntilNow(scenario, {
    seed,
    apiVersion,
    clientUserId: asked['client-user-id'] ?? null,
    customer: asked.customer,
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
    ? await db.query('select client_id, signing_secrets[1] as sealed from sources where id = $1', [id])
    : { rows: [] }
  if (!rows[0]) throw new UsageError(`No source has the id "${id}": GET /v1/sources lists them.`)
  const ring = await loadKeyRing(config, newLog('warn'))
  return { id, clientId: rows[0].client_id as string, secret: ring.decrypt(rows[0].sealed) }
}
