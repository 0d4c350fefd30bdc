import { expect, test } from 'vitest'
import { inTransaction } from '../../src/database/db.ts'
import { newId } from '../../src/domain/ids.ts'
import { claimDueEvents } from '../../src/normalize/claim-events.ts'
import { freshDatabase } from '../support/database.ts'

const { db } = await freshDatabase()

/** A client with so many due events in each lane, whose bodies have so many bytes. */
async function clientWith(lanes: readonly number[], count: number, bytes: number): Promise<string> {
  const clientId = newId()
  await db.query(`insert into clients (id, name) values ($1, 'large')`, [clientId])
  const body = Buffer.from(JSON.stringify({ id: 'evt', type: 'x', pad: 'x'.repeat(bytes) }))
  for (const lane of lanes)
    for (let at = 0; at < count; at++) {
      const id = newId()
      await db.query(
        `insert into source_events (client_id, id, source_id, account, livemode, event_id, type, lane, created_at)
         values ($1, $2, $3, '', true, $4, 'x', $5, now())`,
        [clientId, id, clientId, `evt_${id}`, lane],
      )
      await db.query('insert into source_event_bodies (client_id, source_event_id, body) values ($1, $2, $3)', [
        ...[clientId, id, body],
      ])
    }
  return clientId
}

const claimed = async (clientId: string, lanes: readonly number[]) =>
  (
    (
      await inTransaction(db, (tx) => claimDueEvents(tx, new Map([[clientId, lanes]]), { perLane: 60, total: 240 }))
    ).ofClients.get(clientId) ?? []
  ).map(({ id }) => id)

test('a batch takes so many bytes of each lane, oldest first, and one event whatever its size', async () => {
  const MB = 1024 * 1024
  expect((await claimed(await clientWith([0, 1], 6, MB - 100), [0, 1])).length).toBe(2 * 3)
  expect((await claimed(await clientWith([0], 3, 3 * MB), [0])).length).toBe(1)
  const small = await clientWith([0], 60, 1_000)
  const ids = await claimed(small, [0])
  expect(ids).toEqual(ids.toSorted())
  expect(ids.length).toBe(60)
})
