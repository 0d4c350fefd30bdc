import { beforeAll, describe, expect, test } from 'vitest'
import { Explanation as Schema } from '../../src/api/resources/explanation-schema.ts'
import type { Json } from '../../src/domain/json.ts'
import type { Explanation } from '../../src/normalize/explain/explanation.ts'
import { runCommand } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { fixture } from '../support/fixtures.ts'
import { environment, startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { startReceiver } from '../support/receiver.ts'
import { layWay } from '../support/way.ts'

const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '2', LOG_LEVEL: 'error' })
const receiver = await startReceiver()
const way = await layWay(gateway.api, receiver.url)
const folder = await temporaryFolder()
const createEndpoint = async (settings: object) =>
  (
    await gateway.api('POST', '/v1/endpoints', {
      clientId: way.clientId,
      url: `${receiver.url}/other`,
      contract: 'flo.v1',
      ...settings,
    })
  ).body.data.id as string

/** Sends the events of a fixture, each when the one before is done, and answers them. */
async function sendFixture(name: string, change: (event: Json) => Json = (event) => event): Promise<Json[]> {
  const events = fixture(name).map(change)
  for (const event of events) await sendOne(event)
  return events
}
async function sendOne(event: Json, until = (state: string) => state !== 'received' && state !== 'held') {
  expect((await way.post(gateway.url, JSON.stringify(event))).status).toBe(200)
  return eventually(async () => {
    const { body } = await gateway.api('GET', `/v1/source-events?clientId=${way.clientId}&eventId=${event.id}`)
    return until(body.data[0]?.state) && (body.data[0].id as string)
  })
}
/** What the API explains of a Stripe event, in the shape of its schema. */
async function explainEvent(eventId: string): Promise<Explanation> {
  const { body: list } = await gateway.api('GET', `/v1/source-events?clientId=${way.clientId}&eventId=${eventId}`)
  const { status, body } = await gateway.api('GET', `/v1/source-events/${list.data[0].id}/explain`)
  expect(status).toBe(200)
  expect(Schema.safeParse(body.data).error?.issues ?? []).toEqual([])
  return body.data
}
const inTerminal = (id: string, ...options: string[]) =>
  runCommand(['explain', id, ...options], folder, environment(gateway.databaseUrl))

let filtered: string
beforeAll(async () => {
  filtered = await createEndpoint({ eventTypes: ['subscription.*'] })
})

describe('a renewal', () => {
  let paid: string
  let explanation: Explanation
  beforeAll(async () => {
    const events = await sendFixture('renewal-of-known-subscription-clover')
    paid = events.find(({ type }) => type === 'invoice.paid').id
    await eventually(async () => (await way.deliveries()).every(({ state }) => state === 'delivered'))
    explanation = await explainEvent(paid)
  })
  const eventOfType = (type: string) => present(explanation.events.find((one) => one.type === type))
  const fieldOf = (type: string, name: string) => eventOfType(type).fields.find((one) => one.field === name)

  test('shows each mapping that read it, the rules up to the one that held, and the values they looked at', () => {
    expect(explanation.mappings.map(({ mapping, says }) => [mapping, says.kind, says.what])).toEqual([
      ['flo/invoice', 'emit', 'invoice.paid'],
      ['flo/renewal', 'emit', 'subscription.renewed'],
      ['flo/purchase', 'ignore', 'no_items'],
    ])
    const renewal = present(explanation.mappings[1])
    const held = renewal.rules.findIndex(({ holds }) => holds === true)
    expect(renewal.rules.slice(0, held).map(({ holds }) => holds)).not.toContain(null)
    expect(new Set(renewal.rules.slice(held + 1).map(({ holds }) => holds))).toEqual(new Set([null]))
    expect(present(renewal.rules[0])).toMatchObject({ says: 'ignore: not_a_renewal', holds: false })
    expect(present(renewal.rules[held]).says).toBe('subscription.renewed')
    const { words, holds, of = [] } = present(present(renewal.rules[held]).condition)
    expect([words, holds]).toEqual(['one of', true])
    expect(of).toContainEqual({ words: 'billing_reason is subscription_cycle', holds: true, now: 'subscription_cycle' })
    expect(of).toContainEqual(expect.objectContaining({ called: 'at the end of a period', holds: false }))
  })

  test('shows for every field what was read, what it went through, and what was absent', () => {
    expect(fieldOf('subscription.renewed', 'subscription.endDate')).toEqual({
      field: 'subscription.endDate',
      value: '2026-01-01T10:00:00.000Z',
      reads: [{ path: 'lines.data[0].period.end', value: 1_767_261_600, role: 'value', object: null, until: null }],
      absent: [],
      through: ['max', 'isoTime'],
    })
    expect(fieldOf('subscription.renewed', 'subscription.name')).toMatchObject({
      value: 'Pro',
      reads: [{ path: 'name', value: 'Pro', object: { kind: 'product', id: 'prod_Pro' } }],
    })
    expect(fieldOf('invoice.paid', 'invoice.tax')).toMatchObject({
      absent: [{ path: 'tax', until: '2025-03-31.basil' }],
    })
    expect(fieldOf('invoice.paid', 'user.clientUserId')).toMatchObject({
      value: 'user_kim',
      reads: [{ path: 'parent.subscription_details.metadata.client_user_id' }],
      absent: [{ path: 'metadata.client_user_id' }],
    })
    // The parts of a user are recognised by their order: an email was once explained by the clientUserId.
    expect(fieldOf('invoice.paid', 'user.email')).toMatchObject({
      absent: [{ path: 'email' }, { path: 'customer_email' }],
    })
  })

  test('shows every field of the body, with the value that was sent', async () => {
    for (const { stored, fields } of explanation.events) {
      const { body } = await gateway.api('GET', `/v1/events/${present(stored).id}`)
      expect(leavesOf(JSON.parse(body.data.body))).toEqual(
        Object.fromEntries(fields.map((one) => [one.field, one.value])),
      )
    }
  })

  test('says where facts come from that the event does not carry', () => {
    expect(explanation.lookups).toContainEqual({
      kind: 'subscription',
      id: 'sub_1Kim',
      known: true,
      words: expect.stringContaining('customer.subscription.created'),
    })
    expect(explanation.lookups.find(({ kind }) => kind === 'user')?.words).toContain('from parent.subscription_details')
  })

  test('shows where it went, and which endpoints it passed over', () => {
    expect(eventOfType('invoice.paid').deliveries).toMatchObject([
      { endpointId: way.endpointId, state: 'delivered', attempts: 1, lastAttempt: { outcome: '200' } },
    ])
    expect(eventOfType('invoice.paid').passedOver).toMatchObject([
      { endpointId: filtered, why: 'filter', message: 'its filter takes subscription.*' },
    ])
    expect(eventOfType('subscription.renewed').deliveries).toHaveLength(2)
    expect(explanation.differs).toBeNull()
  })

  test('an endpoint that was made later says so', async () => {
    const late = await createEndpoint({})
    expect(present((await explainEvent(paid)).events[0]).passedOver).toContainEqual(
      expect.objectContaining({ endpointId: late, why: 'created_later' }),
    )
    await gateway.api('DELETE', `/v1/endpoints/${late}`)
  })

  test('what is sent once more shows beside the first delivery', async () => {
    const [first] = eventOfType('invoice.paid').deliveries
    await gateway.api('POST', `/v1/deliveries/${present(first).id}/resend`)
    const { deliveries } = present((await explainEvent(paid)).events[0])
    expect(deliveries.map(({ origin }) => origin)).toEqual(['fanout', 'resend'])
  })

  test('in the terminal, the answer comes first, and every part is there', async () => {
    const { code, stdout } = await inTerminal(paid)
    expect(code).toBe(0)
    expect(stdout).toContain('NORMALIZED  It became invoice.paid and subscription.renewed.')
    expect(stdout).toMatch(/✓ billing_reason is subscription_cycle {2}\(now "subscription_cycle"\)/)
    expect(stdout).toMatch(
      /subscription\.endDate +"2026-01-01T10:00:00\.000Z" +← lines\.data\[0\]\.period\.end 1767261600/,
    )
    expect(stdout).toMatch(/✗ http:\S+\/other +its filter takes subscription\.\*/)
    expect((await inTerminal(paid, '--brief')).stdout).not.toContain('billing_reason')
    const json = JSON.parse((await inTerminal(paid, '--json')).stdout)
    expect(json.sourceEvent.eventId).toBe(paid)
    expect((await inTerminal(json.sourceEvent.id, '--json')).stdout).toContain(paid)
  })
})

test('an update that changed nothing visible is explained as such, with the rule and what it compared', async () => {
  const explanation = await explainEvent('evt_15eJc1BSDKi04')
  expect(explanation.summary).toMatch(/^It became no event \(no_visible_change\)\./)
  expect(explanation.about?.before).toBe('previous_attributes')
  const rules = present(explanation.mappings[0]).rules
  expect(present(rules.find(({ says }) => says === 'subscription.updated')).condition).toMatchObject({
    holds: false,
    of: [{ words: 'a field that is shown changed', holds: false, changes: [] }, {}],
  })
  expect(rules.at(-1)).toMatchObject({ says: 'ignore: no_visible_change', holds: true, condition: null })
})

test('a change shows both values', async () => {
  const [, , ended] = await sendFixture('subscription-cancelled-by-portal-clover')
  const { mappings } = await explainEvent(ended.id)
  expect(JSON.stringify(mappings)).toContain(
    JSON.stringify({
      called: 'ended',
      words: 'status is canceled or incomplete_expired',
      holds: true,
      now: 'canceled',
      before: 'active',
    }),
  )
})

test('an event that waits says for what, until when, and what would end the wait', async () => {
  const [created] = await sendHeldEvent()
  const explanation = await explainEvent(created.id)
  expect(explanation.sourceEvent.state).toBe('held')
  expect(explanation.waitsFor).toMatchObject([
    { words: expect.stringContaining("the client's own id of the customer") },
  ])
  expect(explanation.summary).toMatch(/^It waits for .+, until .+ at the latest. Then it becomes subscription.created/)
  expect(explanation.hints.join()).toContain('PUT /v1/users/')
  expect(explanation.events).toMatchObject([
    { contract: 'flo.v1', stored: null, wouldGoTo: [{}, {}] },
    { contract: 'florentin.v1', stored: null, wouldGoTo: [] },
  ])
})

/** A subscription of a customer whose user is not known yet. */
async function sendHeldEvent() {
  const events = fixture('renewal-of-known-subscription-clover')
  const created = structuredClone(events.find(({ type }) => type === 'customer.subscription.created'))
  created.id = 'evt_held'
  Object.assign(created.data.object, { id: 'sub_held', customer: 'cus_held', metadata: {} })
  await sendOne(created, () => true)
  // Held for longer than the gateway does, so that a slow machine finds it waiting as well.
  await eventually(
    async () =>
      (
        await gateway.db.query(
          `update source_events set held_until = now() + interval '1 hour', due_at = now() + interval '1 hour'
            where event_id = $1 and state = 'held'`,
          [created.id],
        )
      ).rowCount === 1,
  )
  return [created]
}

test('an event that failed names the value, and what to do', async () => {
  const events = await sendFixture('invoice-unknown-status-2023')
  const explanation = await explainEvent(events.at(-1).id)
  expect(explanation.summary).toMatch(/^It could not be mapped \(unmapped_value\)\./)
  expect(present(explanation.mappings[0]).says).toMatchObject({ kind: 'fail', what: 'unmapped_value' })
  expect(explanation.hints.join()).toContain('renormalize --state failed --code unmapped_value')
  expect(explanation.differs).toBeNull()
})

test('a thin event says that it carries no object', async () => {
  await sendOne({
    object: 'v2.core.event',
    id: 'evt_thin',
    type: 'v1.customer.subscription.updated',
    created: '2026-10-01T00:00:00Z',
    related_object: { id: 'sub_1', type: 'customer.subscription', url: '/v1/subscriptions/sub_1' },
  })
  const explanation = await explainEvent('evt_thin')
  expect(explanation).toMatchObject({ mappings: [], events: [], sourceEvent: { reason: { code: 'needs_api_key' } } })
  expect(explanation.hints.join()).toContain('API key')
})

test('a fact that another event has reported names that event', async () => {
  const original = (await sendFixture('renewal-of-known-subscription-clover'))[2]
  await sendOne({ ...original, id: 'evt_told_again' })
  const explanation = await explainEvent('evt_told_again')
  expect(explanation.sourceEvent.reason?.code).toBe('already_emitted')
  expect(explanation.summary).toBe(`It became no event: ${original.id} (invoice.paid) said the same before.`)
  expect(explanation.events).toMatchObject([{ toldBefore: { eventId: original.id } }, {}])
  expect((await inTerminal('evt_told_again')).stdout).toContain('told before by')
})

test('an event type that no mapping reads says why', async () => {
  await sendOne({
    id: 'evt_payout',
    object: 'event',
    type: 'payout.paid',
    data: { object: { id: 'po_1', object: 'payout' } },
  })
  const explanation = await explainEvent('evt_payout')
  expect(explanation).toMatchObject({ mappings: [], summary: expect.stringContaining('not_mapped') })
})

test('what our own timer made says so', async () => {
  const [finalized] = await sendFixture('invoice-overdue-by-timer', (event) => event)
  expect((await explainEvent(finalized.id)).sourceEvent.origin).toBe('stripe')
  const timer = await explainEvent('overdue:in_1Oda')
  expect(timer.sourceEvent.origin).toBe('timer')
  expect(timer.events).toMatchObject([{ type: 'invoice.overdue' }])
})

test('when the world has moved on, the stored answer stands and the difference is shown', async () => {
  // A subscription that was known by its first sight alone when it was paid has another plan by now.
  const paid = 'evt_15eJc1BSDKi03'
  await gateway.db.query(
    `update event_bodies b set body = replace(b.body, '"state":"active"', '"state":"trialing"') from events e
      where b.client_id = $1 and e.client_id = $1 and e.id = b.event_id and e.type = 'subscription.renewed'`,
    [way.clientId],
  )
  const explanation = await explainEvent(paid)
  expect(explanation.sourceEvent.state).toBe('normalized')
  expect(explanation.differs).toContain('subscription.state')
  expect(present(explanation.events[1]).differs).toEqual([
    { field: 'subscription.state', stored: 'trialing', now: 'active' },
  ])
  expect((await inTerminal(paid)).stdout).toContain('today subscription.state would be "active", sent was "trialing"')
})

test('an id that does not exist is answered with what to look for', async () => {
  const { code, stderr } = await inTerminal('evt_nobody')
  expect(code).toBe(2)
  expect(stderr).toContain('No source event has the id "evt_nobody"')
  expect((await gateway.api('GET', '/v1/source-events/evt_nobody/explain')).status).toBe(404)
})

/** Leaves of a body by path; metadata is one value, since one field holds all of it. */
function leavesOf(value: Json, path = ''): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || path.endsWith('.metadata')) return { [path]: value }
  const parts = Array.isArray(value)
    ? value.map((one, at) => leavesOf(one, `${path}[${at}]`))
    : Object.entries(value).map(([name, one]) => leavesOf(one, path === '' ? name : `${path}.${name}`))
  return Object.assign({}, ...parts)
}
