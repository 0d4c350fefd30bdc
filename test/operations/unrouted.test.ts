import { expect, test } from 'vitest'
import { operations } from '../../src/contracts/operations.ts'
import { newId, OPERATOR_CLIENT } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { fresh, snapshotEvent } from '../support/events.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { startReceiver } from '../support/receiver.ts'
import { signed } from '../support/stripe.ts'

const SECRET = 'whsec_of_the_platform'
const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '0', FLO_HYDRATE_SECONDS: '0' })

const make = async (path: string, body: object) => present((await gateway.api('POST', path, body)).body.data) as Json
async function listening(fields: object) {
  const receiver = await startReceiver()
  const { id: clientId } = await make('/v1/clients', { name: 'Ops', ...fields })
  await make('/v1/endpoints', { clientId, url: receiver.url, contract: 'operations.v1' })
  const heard = (): Json[] => receiver.requests.map(({ body }) => JSON.parse(body))
  return { clientId, heard }
}

const operator = await listening({ isOperator: true })
const tenant = await listening({ externalId: 'tenant_1' })
const source = await make('/v1/sources', {
  ...{ name: 'Platform', signingSecrets: [SECRET] },
  routing: { by: ['account', 'metadata'] },
})

async function send(body: string) {
  const response = await fetch(`${gateway.url}/webhooks/stripe/${source.id}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'stripe-signature': signed(body, SECRET) },
    body,
  })
  expect(response.status).toBe(200)
}
const customer = (metadata: object) => ({ id: fresh('cus'), object: 'customer', metadata })
const unrouted = () => operator.heard().filter(({ eventType }) => eventType === 'source_event.unrouted')
/** Has the minute's look taken now. */
const look = () => gateway.db.query(`select graphile_worker.add_job('alarms')`)

test('source_event.unrouted reaches operators alone, once for each source and reason', async () => {
  await send(snapshotEvent('customer.created', customer({}), { account: 'acct_1' }))
  const [event] = await eventually(() => unrouted().length > 0 && unrouted())
  expect(operations.wireSchemas['source_event.unrouted']?.safeParse(event).error).toBeUndefined()
  expect(event).toMatchObject({
    client: { id: OPERATOR_CLIENT },
    source: { id: source.id, name: 'Platform' },
    failure: { code: 'route_unknown', sourceEventType: 'customer.created' },
  })
  expect(event.failure.message).toContain('acct_1')
  const { body } = await gateway.api('GET', `/v1/source-events/${event.failure.sourceEventId}`)
  expect(body.data).toMatchObject({ state: 'unrouted', clientId: null })

  await send(snapshotEvent('customer.created', customer({}), { account: 'acct_2' }))
  await send(snapshotEvent('customer.created', customer({})))
  await eventually(() => unrouted().some(({ failure }) => failure.code === 'route_missing'))
  await look()
  await send(snapshotEvent('customer.created', customer({ flo_client: 'tenant_1' }), {}))
  await eventually(async () => (await gateway.api('GET', '/v1/source-events?state=unrouted')).body.data.length === 3)
  expect(
    unrouted()
      .map(({ failure }) => failure.code)
      .sort(),
  ).toEqual(['route_missing', 'route_unknown'])
  expect(tenant.heard()).toEqual([])
})

test('what a process that died has not told is found by the minute’s look', async () => {
  await gateway.db.query(
    `insert into source_events (client_id, id, source_id, account, livemode, event_id, type, lane, created_at, state,
                                reason_code, reason_message, due_at)
     values ($1, $2, $3, '', false, 'evt_left', 'invoice.paid', 0, now(), 'unrouted', 'route_conflict', 'Two answers differ.', null)`,
    [OPERATOR_CLIENT, newId(), source.id],
  )
  const told = await eventually(async () => {
    await look()
    return unrouted().find(({ failure }) => failure.code === 'route_conflict')
  })
  expect(told.failure).toMatchObject({ message: 'Two answers differ.', sourceEventType: 'invoice.paid' })
  await look()
  expect(unrouted().filter(({ failure }) => failure.code === 'route_conflict')).toHaveLength(1)
})
