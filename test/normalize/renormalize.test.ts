import { beforeAll, expect, test } from 'vitest'
import { simulate } from '../../simulator/simulate.ts'
import { inTransaction } from '../../src/database/db.ts'
import { firstRow } from '../../src/database/rows.ts'
import type { Json } from '../../src/domain/json.ts'
import { renormalizeMatching } from '../../src/normalize/renormalize.ts'
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
async function storeFailing(count: number): Promise<{ id: string; event: Json }[]> {
  const events = Array.from({ length: count }, () => {
    const event = JSON.parse(subscriptionCreated())
    event.data.object.status = 'on_the_moon'
    return event
  })
  const ids = await source.store(...events)
  await waitUntilNormalized()
  return ids.map((id, at) => ({ id, event: events[at] }))
}
const storeOneFailing = async () => firstRow(await storeFailing(1))
const postRenormalize = (id: string) =>
  gateway.api('POST', `/v1/source-events/${id}/renormalize?clientId=${source.clientId}`)
const postRenormalizeAll = (body: object) =>
  gateway.api('POST', '/v1/source-events/renormalize', { clientId: source.clientId, ...body })

/** Wakes the normalizer and waits until nothing is waiting. */
async function waitUntilNormalized() {
  await gateway.db.query(`select pg_notify('flo_wake', $1)`, [`normalize:${source.clientId}`])
  await eventually(async () => (await source.states()).every(({ state }) => state !== 'received'))
}
/** As if an operator had mended the mapping: the event fits now. */
const mendEvent = ({ id, event }: { id: string; event: Json }) => {
  event.data.object.status = 'active'
  return gateway.db.query('update source_event_bodies set body = $3 where client_id = $1 and source_event_id = $2', [
    source.clientId,
    id,
    Buffer.from(JSON.stringify(event)),
  ])
}
const waitForState = (id: string, state: string) =>
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

test('a failed source event that is normalised again makes events, which are delivered', async () => {
  const failed = await storeOneFailing()
  expect(await stateOf(failed.id)).toMatchObject({ state: 'failed', reason_code: 'unmapped_value' })
  await mendEvent(failed)
  const { status, body } = await postRenormalize(failed.id)
  expect(status).toBe(202)
  expect(body.data).toMatchObject({ id: failed.id, state: 'received', reason: null })
  await waitForState(failed.id, 'normalized')
  await eventually(() => receiver.requests.length === 1)
})

test('one that is not mended fails again', async () => {
  const { id } = await storeOneFailing()
  await postRenormalize(id)
  await waitForState(id, 'failed')
})

test('one that was normalised is refused, and so is one whose body is gone', async () => {
  const id = firstRow(await source.store(JSON.parse(subscriptionCreated())))
  await waitUntilNormalized()
  expect(await postRenormalize(id)).toMatchObject({
    status: 409,
    body: { error: { code: 'already_normalized' } },
  })
  const failed = await storeOneFailing()
  await gateway.db.query('delete from source_event_bodies where source_event_id = $1', [failed.id])
  expect(await postRenormalize(failed.id)).toMatchObject({ status: 409, body: { error: { code: 'body_expired' } } })
})

test('all that failed for one reason go through once more, those of another client do not', async () => {
  const failed = await storeFailing(3)
  for (const one of failed) await mendEvent(one)
  const own = source
  source = await newSource(gateway.db)
  const ofAnotherClient = await storeOneFailing()
  await mendEvent(ofAnotherClient)
  source = own
  expect((await postRenormalizeAll({ state: 'failed', code: 'internal' })).body.data).toEqual({ count: 0 })
  const { status, body } = await postRenormalizeAll({
    state: 'failed',
    code: 'unmapped_value',
    type: 'customer.subscription.created',
  })
  expect(status).toBe(202)
  expect(body.data.count).toBeGreaterThanOrEqual(3)
  for (const { id } of failed) await waitForState(id, 'normalized')
  const { rows } = await gateway.db.query('select state from source_events where id = $1', [ofAnotherClient.id])
  expect(rows).toEqual([{ state: 'failed' }])
})

test('what was ignored is asked for by its reason', async () => {
  expect((await postRenormalizeAll({ state: 'ignored' })).body.error.details).toMatchObject([{ path: 'code' }])
  const thin = { object: 'v2.core.event', id: 'evt_thin', type: 'v1.billing.meter.no_meter_found' }
  const id = firstRow(await source.store(thin))
  await waitUntilNormalized()
  const { reason_code } = await stateOf(id)
  expect((await postRenormalizeAll({ state: 'ignored', code: reason_code })).body.data).toEqual({ count: 1 })
  expect((await postRenormalizeAll({ state: 'ignored', code: reason_code, sourceId: 'nobody' })).status).toBe(404)
})

test('all that were sent in part go through once more, by API and on the command line, and none that was sent in full', async () => {
  const own = source
  source = await newSource(gateway.db)
  try {
    const events = simulate('many-lines')
    await source.store(...events)
    await waitUntilNormalized()
    const untold = () =>
      source.states().then((all) => all.filter(({ reason_code }) => reason_code === 'lines_untold').length)
    const count = await untold()
    expect(count).toBeGreaterThan(0)
    for (const body of [{ state: 'normalized' }, { state: 'normalized', code: 'no_rule' }])
      expect((await postRenormalizeAll(body)).body.error.details).toMatchObject([{ path: 'code' }])
    const before = (await source.events()).length
    const which = { state: 'normalized', code: 'lines_untold' }
    // Without an API key nothing more would be told.
    expect((await postRenormalizeAll(which)).body.data).toEqual({ count: 0 })
    const [one] = (await source.states()).filter(({ reason_code }) => reason_code === 'lines_untold')
    expect((await postRenormalize(one.id)).body.data).toMatchObject({ state: 'normalized' })
    // In one transaction, so that the gateway never sees the key.
    const again = await inTransaction(gateway.db, async (tx) => {
      await tx.query(`update sources set api_key = 'unreadable' where id = $1`, [source.sourceId])
      const { count } = await renormalizeMatching(tx, source.clientId, { state: 'normalized' })
      await tx.query('update sources set api_key = null where id = $1', [source.sourceId])
      return count
    })
    expect(again).toBe(count)
    await waitUntilNormalized()
    expect((await source.events()).length).toBe(before)
    expect(await untold()).toBe(count)
    const options = ['--state', 'normalized', '--code', 'lines_untold', '--client', source.clientId]
    const { stdout } = await runCommand(['renormalize', ...options], folder, environment(gateway.databaseUrl))
    expect(stdout).toBe('0 source events go through again.\n')
  } finally {
    source = own
  }
})

test('on the command line, beside a running gateway', async () => {
  const failed = await storeFailing(2)
  for (const one of failed) await mendEvent(one)
  const env = environment(gateway.databaseUrl)
  const early = await runCommand(
    ['renormalize', '--state', 'failed', '--until', '2020-01-01', '--client', source.clientId],
    folder,
    env,
  )
  expect(early).toMatchObject({ code: 0, stdout: '0 source events go through again.\n' })
  const { code, stdout } = await runCommand(
    ['renormalize', '--state', 'failed', '--code', 'unmapped_value', '--since', '1h', '--client', source.clientId],
    folder,
    env,
  )
  expect(code).toBe(0)
  expect(stdout).toMatch(/^Acme: \d+\n\d+ source events go through again\.\n$/)
  for (const { id } of failed) await waitForState(id, 'normalized')
})

test.each([
  [['--state', 'lost'], '--state must be failed, ignored, normalized or unrouted.'],
  [['--state', 'normalized', '--code', 'no_rule'], 'needs --code lines_untold'],
  [['--state', 'ignored'], 'needs --code'],
  [['--state', 'failed', '--since', 'yesterday'], '"yesterday" is not a time'],
  [['--state', 'failed', '--client', 'Nobody'], 'No client has the id or name "Nobody".'],
])('the command line refuses %s', async (options, message) => {
  const { code, stderr } = await runCommand(['renormalize', ...options], folder, environment(gateway.databaseUrl))
  expect(code).toBe(2)
  expect(stderr).toContain(message)
})
