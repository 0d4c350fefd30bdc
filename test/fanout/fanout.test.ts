import { expect, test } from 'vitest'
import { inTransaction } from '../../src/database/db.ts'
import { newId } from '../../src/domain/ids.ts'
import { fanOut } from '../../src/fanout/fanout.ts'
import { freshDatabase } from '../support/database.ts'
import { newClient, newEndpoint } from '../support/delivering.ts'

const { db } = await freshDatabase()

/** So many new events of a client that has so many endpoints. */
async function eventsOf({ endpoints, events }: { endpoints: number; events: number }) {
  const clientId = await newClient(db)
  for (let at = 0; at < endpoints; at += 1) await newEndpoint(db, clientId, { url: 'http://127.0.0.1:9' })
  const made = { clientId, contract: 'flo.v1', type: 'subscription.created', userId: null }
  return { clientId, events: Array.from({ length: events }, () => ({ ...made, id: newId() })) }
}
const countDeliveries = async (clientId: string) =>
  (await db.query('select from deliveries where client_id = $1', [clientId])).rowCount

test.each([1, 7, 60, 171])('each of %i events gets one delivery to each endpoint', async (count) => {
  const { clientId, events } = await eventsOf({ endpoints: 4, events: count })
  const created = await inTransaction(db, (tx) => fanOut(tx, events))
  const pairs = new Set(created.get(clientId)?.map(({ endpointId, eventId }) => `${endpointId} ${eventId}`))
  expect(pairs.size).toBe(4 * count)
  expect(await countDeliveries(clientId)).toBe(4 * count)
})

test('an event whose deliveries are there already stops its batch: none is told of that is not stored', async () => {
  const { clientId, events } = await eventsOf({ endpoints: 3, events: 5 })
  await inTransaction(db, (tx) => fanOut(tx, events))
  await expect(inTransaction(db, (tx) => fanOut(tx, events))).rejects.toMatchObject({ code: '23505' })
  expect(await countDeliveries(clientId)).toBe(15)
})
