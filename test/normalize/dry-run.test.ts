import { describe, expect, test } from 'vitest'
import { Explanation as Schema } from '../../src/api/resources/explanation-schema.ts'
import { fixture } from '../support/fixtures.ts'
import { GARBAGE, replaceAt } from '../support/garbage.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startReceiver } from '../support/receiver.ts'
import { layWay } from '../support/way.ts'

const gateway = await startTestGateway({ LOG_LEVEL: 'error' })
const receiver = await startReceiver()
const way = await layWay(gateway.api, receiver.url)
await gateway.api('POST', '/v1/endpoints', { clientId: way.clientId, url: `${receiver.url}/other`, contract: 'flo.v1' })

describe('a dry run', () => {
  const askDryRun = (event: unknown, sourceId = way.sourceId) =>
    gateway.api('POST', '/v1/mappings/dry-run', { clientId: way.clientId, sourceId, event })

  test('shows what an event would become and who would get it, and stores nothing', async () => {
    const countSourceEvents = async () => (await gateway.db.query('select count(*) as n from source_events')).rows[0].n
    const before = await countSourceEvents()
    const [created] = fixture('subscription-created-with-trial-clover')
    created.data.object.metadata = { client_user_id: 'user_1' }
    const { status, body } = await askDryRun({ ...created, id: 'evt_never_sent' })
    expect(status).toBe(200)
    expect(Schema.safeParse(body.data).error?.issues ?? []).toEqual([])
    expect(body.data.sourceEvent).toMatchObject({ id: null, state: 'normalized' })
    expect(body.data.events[0]).toMatchObject({ type: 'subscription.created', stored: null, wouldGoTo: [{}, {}] })
    expect(await countSourceEvents()).toBe(before)
    expect(
      (await gateway.db.query(`select from objects where object_id = $1`, [created.data.object.id])).rowCount,
    ).toBe(0)
  })

  test('shows what it would wait for, and how it would fail', async () => {
    const [created] = fixture('subscription-created-with-trial-clover')
    Object.assign(created.data.object, { metadata: {}, customer: 'cus_dry' })
    expect((await askDryRun(created)).body.data).toMatchObject({
      sourceEvent: { state: 'held' },
      waitsFor: [{ fact: 'client_user_id:cus_dry' }],
      events: [{ type: 'subscription.created' }, { contract: 'florentin.v1', type: 'subscription.purchased' }],
    })
    created.data.object.status = 'on_the_moon'
    expect((await askDryRun(created)).body.data.sourceEvent).toMatchObject({
      state: 'failed',
      reason: { code: 'unmapped_value' },
    })
    expect((await askDryRun({ type: 'invoice.paid' })).body.data.sourceEvent.state).toBe('ignored')
  })

  test('answers for what nobody can read', async () => {
    const [created] = fixture('subscription-created-with-trial-clover')
    for (const place of [['items'], ['customer'], ['id'], ['metadata']])
      for (const [kind, garbage] of GARBAGE) {
        const { status, body } = await askDryRun(replaceAt(created, ['data', 'object', ...place], garbage))
        // A request with a NUL is refused as such.
        expect([200, 422], `${kind} in ${place}`).toContain(status)
        expect(body.data?.sourceEvent.reason?.code).not.toBe('internal')
      }
  })

  test('refuses what is no event, and a source that is not there', async () => {
    expect((await askDryRun({ id: 'evt_1' })).status).toBe(422)
    expect((await askDryRun({ type: 'invoice.paid' }, '11111111-1111-4111-8111-111111111111')).status).toBe(404)
  })
})
