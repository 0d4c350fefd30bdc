import { expect, test, vi } from 'vitest'
import { awayNodesOf } from '../../src/database/away-nodes.ts'
import { OPERATOR_CLIENT } from '../../src/domain/ids.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { newRoutedSource, newTarget, readWhereabouts, routedEvent } from '../support/routed-source.ts'
import { routingRoom } from '../support/routing-room.ts'
import { endPretence, pretendSpread } from '../support/spread-tables.ts'

const { db } = await freshDatabase()

/** Lets the node with this client's rows be away: it neither stores nor answers. What is returned brings it back. */
async function takeNodeAway(clientId: string) {
  await pretendSpread(db, { alone: clientId })
  await db.query(
    `create function node_away() returns trigger language plpgsql as $$ begin
       raise exception 'connection to the remote node failed' using errcode = '08006'; end $$;
     create trigger node_away before insert on source_events for each row
       when (new.client_id = '${clientId}') execute function node_away()`,
  )
  const { query } = db
  const asked = vi
    .spyOn(db, 'query')
    .mockImplementation(((text: unknown, ...values: unknown[]) =>
      String(text).startsWith('select 1 from source_events') && values.flat().includes(clientId)
        ? Promise.reject(Object.assign(new Error('connection failed'), { code: '08006', severity: 'ERROR' }))
        : Reflect.apply(query, db, [text, ...values])) as never)
  return async () => {
    asked.mockRestore()
    await db.query('drop trigger node_away on source_events; drop function node_away()')
    await eventually(() => !awayNodesOf(db).areAny())
    await endPretence(db)
  }
}

const customer = (id: string, name?: string) =>
  routedEvent('customer.updated', { id, object: 'customer', metadata: name ? { flo_client: name } : {} })
const intent = (of: string) =>
  routedEvent('payment_intent.created', { id: `pi_${of}`, object: 'payment_intent', customer: of })

test('while the node of a client is away, only the events that go to it are refused of a batch of a source that routes', async () => {
  const sourceId = await newRoutedSource(db)
  const [here, away] = [await newTarget(db), await newTarget(db)]
  const room = routingRoom(db, { sourceId })
  const product = routedEvent('product.created', { id: 'prod_1', object: 'product', name: 'Pro' })
  const toHere = [customer('cus_here', here), intent('cus_here')]
  // By its name, and by what that tells of its customer.
  const toAway = [customer('cus_away', away), intent('cus_away')]
  const unknown = intent('cus_nobody')
  const events = [...toHere, ...toAway, product, unknown]
  const bringBack = await takeNodeAway(away)

  // Before it is known that the node is away, and after.
  for (const isKnown of [false, true]) {
    expect(awayNodesOf(db).areAny()).toBe(isKnown)
    const results = await Promise.allSettled(events.map(room.arrive))
    const refused = events.filter((_, at) => results[at]?.status === 'rejected')
    expect(refused.map(({ id }) => id)).toEqual(toAway.map(({ id }) => id))
    for (const at of [2, 3]) expect(results[at]).toMatchObject({ reason: { code: 'unavailable' } })
  }
  const stored = await readWhereabouts(db, sourceId)
  expect(stored.map(({ eventId, clientId }) => [eventId, clientId])).toEqual(
    [...toHere.map(({ id }) => [id, here]), [product.id, OPERATOR_CLIENT], [unknown.id, OPERATOR_CLIENT]].toSorted(),
  )
  const told = await db.query(`select object_id as id from routed_objects where source_id = $1 and name = $2`, [
    sourceId,
    away,
  ])
  expect(told.rows).toEqual([])

  await bringBack()
  for (const event of toAway) expect(await room.arrive(event)).toMatchObject({ duplicate: false, clientId: away })
})

test('a listing with an event for a client whose node is away is refused whole, and nothing leans on what it tells', async () => {
  const sourceId = await newRoutedSource(db)
  const [here, away] = [await newTarget(db), await newTarget(db)]
  const room = routingRoom(db, { sourceId })
  const listed = [customer('cus_listed', here), customer('cus_beside', away)]
  const leaning = intent('cus_listed')
  const bringBack = await takeNodeAway(away)
  const [listing, alone] = await Promise.allSettled([room.arriveTogether(listed), room.arrive(leaning)])
  expect(listing).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } })
  expect(alone).toMatchObject({ value: { duplicate: false, route: { state: 'waiting' } } })
  await bringBack()
  expect((await room.arriveTogether(listed)).map(({ duplicate }) => duplicate)).toEqual([false, false])
  await room.look()
  const whereabouts = await readWhereabouts(db, sourceId)
  expect(whereabouts.find(({ eventId }) => eventId === leaning.id)?.clientId).toBe(here)
})
