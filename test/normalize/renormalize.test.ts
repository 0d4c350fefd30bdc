import { beforeAll, expect, test } from 'vitest'
import { runCommand } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'
import { environment, startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { startReceiver } from '../support/receiver.ts'
import { newSource } from '../support/storing.ts'
import { subscriptionCreated } from '../support/subscription.ts'

const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '0', LOG_LEVEL: 'error' })
const folder = await temporaryFolder()
const receiver = await startReceiver()
let source: Awaited<ReturnType<typeof newSource>>

/** Source events that end as failed: their status is one that no mapping knows. */
async function failing(count: number) {
  const events = Array.from({ length: count }, () => {
    const event = JSON.parse(subscriptionCreated())
    event.data.object.status = 'on_the_moon'
    return event
  })
  const ids = await source.store(...events)
  const post = (id: string) => gateway.api('POST', `/v1/source-events/${id}/renormalize?clientId=${source.clientId}`)
  await settled()
  return { ids, events, post }
}
/** Wakes the normaliser and waits until nothing is waiting. */
async function settled() {
  await gateway.db.query(`select pg_notify('flo_wake', $1)`, [`normalize:${source.clientId}`])
  await eventually(async () => (await source.states()).every(({ state }) => state !== 'received'))
}
/** What an operator mends in a mapping, seen from here: the event fits now. */
const mend = (id: string, event: any) => {
  event.data.object.status = 'active'
  return gateway.db.query('update source_event_bodies set body = $3 where client_id = $1 and source_event_id = $2', [
    source.clientId,
    id,
    Buffer.from(JSON.stringify(event)),
  ])
}
const becomes = (id: string, state: string) =>
  eventually(async () => {
    expect(await stateOf(id)).toMatchObject({ state })
    return true
  })
const stateOf = async (id: string) => (await source.states()).find((one) => one.id === id)

beforeAll(async () => {
  source = await newSource(gateway.db)
  const { status } = await gateway.api('POST', '/v1/endpoints', {
    clientId: source.clientId,
    url: receiver.url,
    contract: 'flo.v1',
  })
  expect(status).toBe(201)
})

test('a failed source event that is normalised once more is told and delivered', async () => {
  const { ids, events, post } = await failing(1)
  expect(await stateOf(ids[0]!)).toMatchObject({ state: 'failed', reason_code: 'unmapped_value' })
  await mend(ids[0]!, events[0])
  const { status, body } = await post(ids[0]!)
  expect(status).toBe(202)
  expect(body.data).toMatchObject({ id: ids[0], state: 'received', reason: null })
  await becomes(ids[0]!, 'normalized')
  await eventually(() => receiver.requests.length === 1)
})

test('one that is not mended fails again', async () => {
  const { ids, post } = await failing(1)
  await post(ids[0]!)
  await becomes(ids[0]!, 'failed')
})

test('one that was normalised is refused, and so is one whose body is gone', async () => {
  const [id] = await source.store(JSON.parse(subscriptionCreated()))
  await settled()
  const path = `/v1/source-events/${id}/renormalize`
  expect(await gateway.api('POST', path)).toMatchObject({
    status: 409,
    body: { error: { code: 'already_normalized' } },
  })
  const { ids, post } = await failing(1)
  await gateway.db.query('delete from source_event_bodies where source_event_id = $1', [ids[0]])
  expect(await post(ids[0]!)).toMatchObject({ status: 409, body: { error: { code: 'body_expired' } } })
})

test('all that failed for one reason go through once more, those of another client do not', async () => {
  const { ids, events } = await failing(3)
  for (const [at, id] of ids.entries()) await mend(id, events[at])
  const other = source
  source = await newSource(gateway.db)
  const theirs = await failing(1)
  await mend(theirs.ids[0]!, theirs.events[0])
  source = other
  const ask = (body: object) =>
    gateway.api('POST', '/v1/source-events/renormalize', { clientId: source.clientId, ...body })
  expect((await ask({ state: 'failed', code: 'internal' })).body.data).toEqual({ count: 0 })
  const { status, body } = await ask({ state: 'failed', code: 'unmapped_value', type: 'customer.subscription.created' })
  expect(status).toBe(202)
  expect(body.data.count).toBeGreaterThanOrEqual(3)
  await becomes(ids[2]!, 'normalized')
  const { rows } = await gateway.db.query('select state from source_events where id = $1', [theirs.ids[0]])
  expect(rows).toEqual([{ state: 'failed' }])
})

test('what was ignored is asked for by its reason', async () => {
  const ask = (body: object) =>
    gateway.api('POST', '/v1/source-events/renormalize', { clientId: source.clientId, ...body })
  expect((await ask({ state: 'ignored' })).body.error.details).toMatchObject([{ path: 'code' }])
  const [id] = await source.store({ object: 'v2.core.event', id: 'evt_thin', type: 'v1.billing.meter.no_meter_found' })
  await settled()
  const { reason_code } = await stateOf(id!)
  expect((await ask({ state: 'ignored', code: reason_code })).body.data).toEqual({ count: 1 })
  expect((await ask({ state: 'ignored', code: reason_code, sourceId: 'nobody' })).status).toBe(404)
})

test('on the command line, beside a running gateway', async () => {
  const { ids, events } = await failing(2)
  for (const [at, id] of ids.entries()) await mend(id, events[at])
  const env = environment(gateway.databaseUrl)
  const early = await runCommand(
    ['renormalize', '--state', 'failed', '--until', '2020-01-01', '--client', source.clientId],
    folder,
    env,
  )
  expect(early).toMatchObject({ code: 0, stdout: '0 source events go through once more.\n' })
  const { code, stdout } = await runCommand(
    ['renormalize', '--state', 'failed', '--code', 'unmapped_value', '--since', '1h', '--client', source.clientId],
    folder,
    env,
  )
  expect(code).toBe(0)
  expect(stdout).toMatch(/^Acme: \d+\n\d+ source events go through once more\.\n$/)
  await becomes(ids[1]!, 'normalized')
})

test.each([
  [['--state', 'lost'], '--state must be failed or ignored.'],
  [['--state', 'ignored'], 'needs --code'],
  [['--state', 'failed', '--since', 'yesterday'], '"yesterday" is no time'],
  [['--state', 'failed', '--client', 'Nobody'], 'No client has the id or name "Nobody".'],
])('the command line refuses %s', async (options, message) => {
  const { code, stderr } = await runCommand(['renormalize', ...options], folder, environment(gateway.databaseUrl))
  expect(code).toBe(2)
  expect(stderr).toContain(message)
})
