import { beforeAll, describe, expect, test } from 'vitest'
import { queryEachClient } from '../../src/database/each-client.ts'
import { newId } from '../../src/domain/ids.ts'
import { apiOn, newDelivery, twoClients } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'
import { endPretence, pretendSpread } from '../support/spread-tables.ts'

// What is asked of all clients is one statement on one PostgreSQL, and one for each shard where there is Citus: the answers are
// the same.

const { db } = await freshDatabase()
const api = apiOn(db)
const { ours, theirs } = await twoClients(api)

/** As on a cluster: what Citus brings is there. */
async function spread<T>(work: () => Promise<T>): Promise<T> {
  await pretendSpread(db)
  try {
    return await work()
  } finally {
    await endPretence(db)
  }
}

async function walk(path: string): Promise<string[][]> {
  const pages: string[][] = []
  for (let cursor = ''; ; ) {
    const { body } = await api.admin.get(`${path}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`)
    pages.push(body.data.map(({ id }: { id: string }) => id))
    if (body.meta.nextCursor === null) return pages
    cursor = body.meta.nextCursor
  }
}

beforeAll(async () => {
  for (let count = 0; count < 5; count += 1)
    for (const { clientId, endpointId } of [ours, theirs]) await newDelivery(db, clientId, endpointId)
  // Within one millisecond, and within one microsecond, of times that are written in several lengths.
  const times = [
    '12:00:00',
    '12:00:00.1',
    '12:00:00.1',
    '12:00:00.100001',
    '12:00:00.100002',
    '12:00:01',
    '11:59:59.999999',
  ]
  for (const [at, time] of times.entries())
    await db.query('insert into users (client_id, id, registered, created_at) values ($1, $2, true, $3)', [
      (at % 2 === 0 ? ours : theirs).clientId,
      newId(),
      `2026-06-06 ${time}+00`,
    ])
})

describe.each(['asc', 'desc'])('%s', (order) => {
  test.each(['users', 'deliveries', 'events', 'endpoints', 'sources'])(
    'a list of all clients’ %s is the same',
    async (what) => {
      for (const limit of [1, 2, 3, 50]) {
        const path = `/v1/${what}?limit=${limit}&order=${order}`
        const pages = await walk(path)
        expect(pages.flat().length).toBeGreaterThan(1)
        expect(await spread(() => walk(path))).toEqual(pages)
      }
    },
  )
})

test('parameters, columns and the rest of a statement mean the same', async () => {
  const asked = () =>
    queryEachClient<{ of: string; count: number }>(
      db,
      (client) => `select ${client} as "of", count(*) from deliveries where client_id = ${client} and created_at > $1`,
      ['2000-01-01'],
      { columns: 'x.*', rest: 'order by x.of' },
    )
  const expected = [ours, theirs]
    .map(({ clientId }) => ({ of: clientId, count: 5 }))
    .sort((a, b) => (a.of < b.of ? -1 : 1))
  expect(await asked()).toEqual(expected)
  expect((await spread(asked)).sort((a, b) => (a.of < b.of ? -1 : 1))).toEqual(expected)
})
