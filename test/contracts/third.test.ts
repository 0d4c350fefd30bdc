import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import type { Json } from '../../src/domain/json.ts'
import { loadOffers } from '../../src/offers.ts'
import { acme } from '../support/acme/contract.ts'
import { eventually } from '../support/eventually.ts'
import { fixture } from '../support/fixtures.ts'
import { startTestGateway } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { startReceiver } from '../support/receiver.ts'
import { layWay } from '../support/way.ts'

// The proof that a contract is a folder of mappings and a schema: this one lies outside of src and mappings.
const MODULE = join(import.meta.dirname, '../support/acme/index.ts')

const gateway = await startTestGateway({ FLO_CONTRACTS: MODULE, FLO_HOLD_SECONDS: '0' })
const [flo, theirs] = [await startReceiver(), await startReceiver()]
const way = await layWay(gateway.api, flo.url)
const { body: made } = await gateway.api('POST', '/v1/endpoints', {
  clientId: way.clientId,
  url: theirs.url,
  contract: 'acme.v3',
})

describe('a third contract that FLO_CONTRACTS names', () => {
  test('is fed by the same events as the others, in its own bodies, headers and signature', async () => {
    expect(made.data).toMatchObject({ contract: 'acme.v3', secret: expect.stringMatching(/^acme_[0-9a-f]{48}$/) })
    for (const event of fixture('renewal-of-known-subscription-clover'))
      expect((await way.post(gateway.url, JSON.stringify(event))).status).toBe(200)
    await eventually(() => theirs.requests.length === 1)
    await eventually(() => flo.requests.some(({ body }) => body.includes('subscription.renewed')))
    const [request] = theirs.requests
    const proof = createHmac('sha512', made.data.secret).update(present(request).bytes).digest('base64url')
    expect(present(request).headers).toMatchObject({
      'content-type': 'application/vnd.acme+json',
      'x-acme-kind': 'membership.extended',
      'x-acme-proof': proof,
    })
    const body = JSON.parse(present(request).body)
    expect(Object.keys(body)).toEqual(['ref', 'kind', 'member', 'until', 'cents'])
    expect(present(acme.wireSchemas['membership.extended']).safeParse(body).error).toBeUndefined()
    expect(body).toMatchObject({ member: 'user_kim', until: '2026-01-01T10:00:00.000Z', cents: 2900 })
  })

  test('is retried by its own schedule, logged, explained and sent again like the others', async () => {
    theirs.behave({ status: 503 })
    const { body: sent } = await gateway.api('POST', `/v1/endpoints/${made.data.id}/test`)
    const readAttempts = async () => (await gateway.api('GET', `/v1/deliveries/${sent.data.id}/attempts`)).body.data
    await eventually(async () => (await readAttempts()).length === acme.retrySchedule.length + 1)
    const readDelivery = async (id: string) => (await gateway.api('GET', `/v1/deliveries/${id}`)).body.data
    await eventually(async () => (await readDelivery(sent.data.id)).state === 'failed')
    theirs.behave({ status: 204 })
    const { body: again } = await gateway.api('POST', `/v1/deliveries/${sent.data.id}/resend`)
    await eventually(async () => (await readDelivery(again.data.id)).state === 'delivered')
    expect(JSON.parse((await readDelivery(again.data.id)).body).ref).toBe(again.data.id)

    const { body: found } = await gateway.api('GET', `/v1/source-events?clientId=${way.clientId}&type=invoice.paid`)
    const paid = found.data.find(({ state }: Json) => state === 'normalized')
    const { body: explained } = await gateway.api('GET', `/v1/source-events/${paid.id}/explain`)
    const acmeEvent = explained.data.events.find(({ contract }: Json) => contract === 'acme.v3')
    expect(acmeEvent).toMatchObject({ type: 'membership.extended', mapping: 'acme/membership' })
    expect(acmeEvent.deliveries).toMatchObject([{ endpointId: made.data.id, state: 'delivered' }])
  })

  test('stands in the catalog of event types, the mappings and the API’s document', async () => {
    const { body: types } = await gateway.api('GET', `/v1/event-types?contract=acme.v3`)
    expect(types.data).toMatchObject([{ eventType: 'membership.extended', example: { kind: 'membership.extended' } }])
    expect(present(acme.wireSchemas['membership.extended']).safeParse(types.data[0].example).success).toBe(true)
    const { body: mappings } = await gateway.api('GET', '/v1/mappings?contract=acme.v3')
    expect(mappings.data).toMatchObject([{ name: 'acme/membership', rules: expect.anything() }])
    const document: Json = await (await fetch(`${gateway.url}/openapi.json`)).json()
    expect(document.webhooks).toHaveProperty(['acme.v3 membership.extended'])
  })
})

describe('a module that is no offer', () => {
  test.each([
    ['./nowhere/acme.ts', 'cannot be taken in'],
    [join(import.meta.dirname, '../support/eventually.ts'), 'exports no offer by default'],
  ])('%s is refused with its name and the reason', async (path, why) => {
    const { contracts } = readConfig({ FLO_CONTRACTS: path })
    await expect(loadOffers(contracts)).rejects.toThrow(why)
    await expect(loadOffers(contracts)).rejects.toThrow('FLO_CONTRACTS')
  })

  test('and so is a mapping that emits what its contract does not have', async () => {
    const { combineOffers } = await import('../../mappings/offer.ts')
    const { default: whole } = await import('../support/acme/index.ts')
    const other = { ...acme, name: 'other.v1', eventTypes: [] }
    expect(() => combineOffers([{ ...whole, contract: other }])).toThrow('acme/membership emits membership.extended')
    expect(() => combineOffers([whole, whole])).toThrow('offered already')
  })
})
