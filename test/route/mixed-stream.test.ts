import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../simulator/random.ts'
import { ledgerAddsUp, readLedgerReport } from '../../src/cli/ledger-report.ts'
import { OPERATOR_CLIENT } from '../../src/domain/ids.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import {
  type Arrival,
  type ClientStory,
  firmFactsOf,
  isRoutedAtOnce,
  mixStories,
  type NamedBy,
  readEmitted,
  readEnded,
  tellStories,
  withoutIds,
} from '../support/mixed-stream.ts'
import { signed } from '../support/stripe.ts'
import { chooseCount } from '../support/thorough.ts'

// A source that routes its events gives, client by client, what sources of their own give: the stories of many clients, side by side in
// one stream, with duplicates. Where each client's events come in their order, and none has to wait until another tells whose it is, that
// is the same to the letter. Else it is the same as far as the order decides nothing, which test/simulator/order.test.ts describes.
//
// FLO_MIXED_CLIENTS says how many clients (9, and 20 with FLO_THOROUGH=1), FLO_MIXED_LENGTH how many scenarios each plays (1), FLO_MIXED_SEED which ones.
const CLIENTS = Number(process.env.FLO_MIXED_CLIENTS ?? chooseCount(9, 20))
const LENGTH = Number(process.env.FLO_MIXED_LENGTH ?? 1)
const SEED = process.env.FLO_MIXED_SEED ?? 'platform'

const SECRET = 'whsec_of_the_platform'
const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '6' })

async function make(path: string, body: object) {
  const reply = await gateway.api('POST', path, body)
  expect(reply.status, JSON.stringify(reply.body)).toBe(201)
  return reply.body.data
}

async function post(sourceId: string, { event }: Arrival) {
  const body = JSON.stringify(event)
  const response = await fetch(`${gateway.url}/webhooks/stripe/${sourceId}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'stripe-signature': signed(body, SECRET) },
    body,
  })
  expect(response.status).toBe(200)
}

const isOfCatalog = ({ type }: { type: string }) => /^(product|price|plan|coupon)\./.test(type)

/** One client's events one after another, beside those of the others. */
async function postAll(sourceId: string, arrivals: readonly Arrival[]) {
  for (const arrival of arrivals) {
    await post(sourceId, arrival)
    // Other lanes normalise the catalog than what names it: which of two that come at once is first, is up to chance at any source.
    if (isOfCatalog(arrival.event)) await eventually(() => isNormalized(sourceId, arrival.event.id))
  }
}

async function isNormalized(sourceId: string, eventId: string) {
  const { rowCount } = await gateway.db.query(
    `select 1 from source_events where source_id = $1 and event_id = $2 and state in ('normalized', 'ignored')`,
    [sourceId, eventId],
  )
  return rowCount === 1
}

/** A client twice: with a source of its own, and as one of those that a source routes to. */
interface Twin {
  story: ClientStory
  own: { clientId: string; sourceId: string }
  routed: string
}

const planRanksOf = (stories: readonly ClientStory[]) => Object.assign({}, ...stories.map(({ planRanks }) => planRanks))

/** Makes the twins. In turn a route, an external id, or both name the client; an account needs a route. */
async function makeTwins(stories: readonly ClientStory[], by: NamedBy, routing: string): Promise<Twin[]> {
  const twins: Twin[] = []
  for (const [at, story] of stories.entries()) {
    const { id: clientId } = await make('/v1/clients', { name: `own ${at}` })
    const source = await make('/v1/sources', { clientId, signingSecrets: [SECRET], planRanks: story.planRanks })
    const isNamed = by === 'metadata' && at % 3 > 0
    const routed = await make('/v1/clients', { name: `routed ${at}`, externalId: isNamed ? story.name : null })
    if (!isNamed || at % 3 === 2)
      await gateway.api('PUT', `/v1/sources/${routing}/routes/${story.name}`, { clientId: routed.id })
    twins.push({ story, own: { clientId, sourceId: source.id }, routed: routed.id })
  }
  return twins
}

const settle = () =>
  eventually(
    async () => {
      const { rows } = await gateway.db.query(`select 1 from source_events where state in ('received', 'held') limit 1`)
      return rows.length === 0
    },
    { timeoutMs: 120_000 },
  )

/** Stripe's ids of the events of a source that a client has. */
async function eventIdsOf(clientId: string, sourceId: string): Promise<string[]> {
  const { rows } = await gateway.db.query<{ id: string }>(
    `select event_id as id from source_events where client_id = $1 and source_id = $2 and event_id not like 'overdue:%'`,
    [clientId, sourceId],
  )
  return rows.map(({ id }) => id).sort()
}

/** Each event of the source is one client's, or everybody's where it is of the catalog: none is lost, doubled or another's. */
async function expectEachAtItsClient(twins: readonly Twin[], source: string, by: NamedBy) {
  const isShared = (event: { type: string }) => by === 'metadata' && isOfCatalog(event)
  for (const { story, routed } of twins) {
    const meant = story.events.filter((event) => !isShared(event)).map(({ id }) => id)
    expect(await eventIdsOf(routed, source), story.name).toEqual(meant.toSorted())
  }
  const shared = twins.flatMap(({ story }) => story.events.filter(isShared).map(({ id }) => id))
  expect(await eventIdsOf(OPERATOR_CLIENT, source)).toEqual(shared.toSorted())
}

describe.each([
  { by: 'metadata', order: 'in order' },
  { by: 'account', order: 'in order' },
  { by: 'metadata', order: 'near' },
  { by: 'metadata', order: 'any' },
] as const)('clients named by $by, each one’s events $order', ({ by, order }) => {
  test('hear through one source what they hear through sources of their own', async () => {
    const name = `${SEED} ${by} ${order}`
    const stories = tellStories(name, { clients: CLIENTS, length: LENGTH, by })
    const stream = mixStories(stories, { random: seededRandom(name), order })
    const options = { signingSecrets: [SECRET], routing: { by }, planRanks: planRanksOf(stories) }
    const { id: source } = await make('/v1/sources', options)
    const twins = await makeTwins(stories, by, source)
    // Both at the same pace: what an event waits for comes within the same time, or does not.
    await Promise.all(
      twins.flatMap(({ story, own }) => {
        const arrivals = stream.filter((arrival) => arrival.story === story)
        return [postAll(own.sourceId, arrivals), postAll(source, arrivals)]
      }),
    )
    await settle()

    await expectEachAtItsClient(twins, source, by)
    for (const { story, own, routed } of twins) {
      const [alone, together] = [await readEmitted(gateway.db, own.clientId), await readEmitted(gateway.db, routed)]
      const about = `${story.name}: ${story.scenarios.map((one) => one.name)}`
      if (order === 'in order' && isRoutedAtOnce(story, by))
        expect(withoutIds(together), about).toEqual(withoutIds(alone))
      const ended = new Set([...(await readEnded(gateway.db, own.clientId)), ...(await readEnded(gateway.db, routed))])
      expect(firmFactsOf(story, together, ended), about).toEqual(firmFactsOf(story, alone, ended))
    }
    if (order === 'in order')
      expect(stories.filter((story) => isRoutedAtOnce(story, by)).length).toBeGreaterThan(CLIENTS / 3)
    const report = await readLedgerReport(gateway.db, { lateSeconds: 0, unsureSeconds: 0 })
    expect(report.findings.filter(({ wrong }) => wrong > 0)).toEqual([])
    expect(ledgerAddsUp(report)).toBe(true)
  })
})
