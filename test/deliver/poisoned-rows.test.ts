import { expect, test } from 'vitest'
import { flo } from '../../src/contracts/flo.ts'
import { freshDatabase } from '../support/database.ts'
import { newClient, newDeliveries, newEndpoint, readDelivery, ring, startDelivering } from '../support/delivering.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'

// What is broken in one row stops nothing but that row's own endpoint or delivery.
const { url, db } = await freshDatabase()
/** A contract that reads what it sends, as an operator's own may. */
const reading = {
  ...flo,
  wireBody: (deliveryId: string, body: string) => flo.wireBody(deliveryId, JSON.stringify(JSON.parse(body))),
}
const room = await startDelivering({ url, db }, { contracts: { [flo.name]: reading } })

const isDelivered = (id = '') => eventually(async () => (await readDelivery(db, id)).state === 'delivered')

test.each([
  ['secrets that are no list', `secrets = '{}'`],
  ['secrets that nobody can open', `secrets = '[{"secret": "v1.test.broken", "until": null}]'`],
  ['secrets without their texts', `secrets = '[null]'`],
  ['headers that nobody can open', `sealed_headers = 'broken'`],
  ['headers that are no JSON', `sealed_headers = '${ring.encrypt('{')}'`],
  ['a key of TLS that nobody can open', `tls = '{"ca": null, "certificate": "x", "key": "broken"}'`],
  ['an address that is none', `url = 'nowhere'`],
  ['a contract that nobody knows', `contract = 'gone.v9'`],
])('an endpoint with %s holds up no other of its client', async (_, broken) => {
  const clientId = await newClient(db)
  const receiver = await startReceiver()
  const bad = await newEndpoint(db, clientId, { url: receiver.url })
  const good = await newEndpoint(db, clientId, { url: receiver.url })
  await db.query(`update endpoints set ${broken} where client_id = $1 and id = $2`, [clientId, bad.id])
  const ids = await newDeliveries(db, clientId, [bad.id, good.id])
  room.wake(clientId)
  await isDelivered(ids[1])
  // It waits for whoever mends the row.
  expect(await readDelivery(db, ids[0] ?? '')).toMatchObject({ state: 'pending', made: [] })
})

test.each([
  ['a body that its contract cannot read', { body: '{"broken' }, undefined],
  ['a type that no header can carry', { eventType: 'subscription.crea\nted' }, 'flo-event'],
])('a delivery with %s holds up none behind it, and is told as our own fault', async (_, fields, header) => {
  const clientId = await newClient(db)
  const receiver = await startReceiver()
  const { id } = await newEndpoint(db, clientId, { url: receiver.url, maxInFlight: 1 })
  const [bad = ''] = await newDeliveries(db, clientId, [id], { ...fields, ...(header && { body: '{}' }) })
  const [good = ''] = await newDeliveries(db, clientId, [id])
  room.wake(clientId)
  await isDelivered(good)
  const { state, excused, made } = await eventually(async () => {
    const delivery = await readDelivery(db, bad)
    return delivery.made.length > 0 && delivery
  })
  expect([state, excused]).toEqual(['pending', 1])
  expect(made[0]).toMatchObject({
    error: 'gateway',
    error_message: expect.stringMatching(/could not write this request.*no fault of the endpoint/),
  })
  expect(receiver.requests).toHaveLength(1)
})
