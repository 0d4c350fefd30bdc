import { expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import { newId } from '../../src/domain/ids.ts'
import { fanOut } from '../../src/fanout/fanout.ts'
import { newLog } from '../../src/log.ts'
import { normalizeBatch } from '../../src/normalize/batch.ts'
import { freshDatabase } from '../support/database.ts'
import { newSource } from '../support/storing.ts'

const { db } = await freshDatabase()
const deps = { db, log: newLog('silent'), mappings, fanOut, now: () => new Date(), holdSeconds: 0 }

const PRODUCTS = 200
const SECOND = 1_770_000_000

/** Events of the same products in two lanes: in the one the first product happens first, in the other the last. */
async function storeProducts({ clientId, sourceId }: { clientId: string; sourceId: string }, round: number) {
  const events = [1, 2].flatMap((lane) =>
    Array.from({ length: PRODUCTS }, (_, at) => ({
      id: newId(),
      lane,
      event: {
        id: `evt_${round}_${lane}_${at}`,
        type: 'product.updated',
        created: SECOND + round * 1_000 + (lane === 1 ? at : PRODUCTS - at),
        livemode: true,
        data: { object: { id: `prod_${at}`, object: 'product', name: `Name ${round}`, metadata: {} } },
      },
    })),
  )
  await db.query(
    `insert into source_events (client_id, id, source_id, livemode, event_id, type, lane, created_at)
     select $1, e.id, $2, true, e.event_id, 'product.updated', e.lane, to_timestamp(e.created)
       from unnest($3::uuid[], $4::text[], $5::smallint[], $6::float8[]) e(id, event_id, lane, created)`,
    [
      ...[clientId, sourceId, events.map(({ id }) => id), events.map(({ event }) => event.id)],
      ...[events.map(({ lane }) => lane), events.map(({ event }) => event.created)],
    ],
  )
  await db.query(
    `insert into source_event_bodies (client_id, source_event_id, body) select $1, * from unnest($2::uuid[], $3::bytea[])`,
    [clientId, events.map(({ id }) => id), events.map(({ event }) => Buffer.from(JSON.stringify(event)))],
  )
}

test('batches that write the same objects in two processes wait for each other in a line, not in a ring', {
  timeout: 120_000,
}, async () => {
  const source = await newSource(db)
  const normalizeLane = async (lane: number) => {
    const lanes = new Map([[source.clientId, [lane]]])
    while ((await normalizeBatch(deps, lanes)).get(source.clientId)?.sourceEventCount !== 0);
  }
  for (let round = 0; round < 8; round += 1) {
    await storeProducts(source, round)
    await Promise.all([normalizeLane(1), normalizeLane(2)])
  }
  const { rows } = await db.query('select count(*)::int as count from objects where client_id = $1', [source.clientId])
  expect(rows).toEqual([{ count: PRODUCTS }])
  expect((await source.states()).filter(({ state }) => state !== 'ignored')).toEqual([])
})
