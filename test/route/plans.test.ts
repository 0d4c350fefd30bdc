import { describe, expect, test } from 'vitest'
import type { Queryable } from '../../src/database/db.ts'
import { learnObjects, routeAgain } from '../../src/database/routing-tables.ts'
import { OPERATOR_CLIENT } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { type SettledEvent, saveSettlements } from '../../src/route/settle.ts'
import { claimWaitingEvents, readNextLook, releaseTold } from '../../src/route/waiting-events.ts'
import { freshDatabase } from '../support/database.ts'
import { newRoutedSource } from '../support/routed-source.ts'

// What one look costs does not grow with what waits, whatever is believed of the tables.

const { db } = await freshDatabase()
const WAITING = 20_000
const ID_SQL = `('01a226bb-0000-7000-8000-' || lpad(to_hex(g), 12, '0'))::uuid`
const ID = '01a226bb-0000-7000-8000-000000000009'

interface Asked {
  name: string
  text: string
  values: unknown[]
}

/** The statements of a look at which one of many waiting events has news, and their values; nothing is run. */
async function statementsOf(sourceId: string): Promise<Asked[]> {
  const asked = new Map<string, Asked>()
  const answers: Record<string, object[]> = {
    'route.news': [{ sourceId, key: 'cus_9' }],
    'route.told': [{ id: ID }],
    'route.answered': [{ id: ID }],
    'routing.again': [{ id: ID }],
  }
  const noting = {
    async query(query: Asked) {
      asked.set(query.name, query)
      return { rows: answers[query.name] ?? [] }
    },
  } as unknown as Queryable
  const settled = [
    {
      event: { id: ID, sourceId, eventId: 'evt_9' },
      settlement: { state: 'unrouted', code: 'route_missing', message: 'x', waitsFor: ['cus_9'] },
    },
  ] as unknown as SettledEvent[]
  await releaseTold(noting, OPERATOR_CLIENT)
  await claimWaitingEvents(noting, OPERATOR_CLIENT)
  await readNextLook(noting, OPERATOR_CLIENT)
  await saveSettlements(noting, OPERATOR_CLIENT, settled, new Date())
  await routeAgain(noting, OPERATOR_CLIENT, [ID])
  await learnObjects(noting, [{ clientId: OPERATOR_CLIENT, sourceId, key: 'cus_9', name: 'a', toldBy: 'evt_9' }])
  return [...asked.values()].filter(({ text }) => !text.startsWith('insert'))
}

/** The most rows that any step of a plan has read, those included that it then left out. */
function mostRows(node: Json): number {
  const own = (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops']
  return Math.max(own, ...(node.Plans ?? []).map(mostRows))
}

const quote = (text: string) => `'${text.replaceAll("'", "''")}'`
const elementOf = (value: unknown) =>
  value === null ? 'null' : JSON.stringify(value instanceof Date ? value.toISOString() : value)
const literal = (value: unknown): string =>
  quote(
    value instanceof Date ? value.toISOString() : Array.isArray(value) ? `{${value.map(elementOf)}}` : String(value),
  )

const sourceId = await newRoutedSource(db)
const values = [OPERATOR_CLIENT, sourceId]
for (const table of ['routings', 'routing_waits', 'routed_objects', 'source_events'])
  await db.query(`alter table ${table} set (autovacuum_enabled = false)`)
for (const sql of [
  `insert into source_events (client_id, id, source_id, livemode, event_id, type, lane, created_at, state, held_until, held_for, due_at)
   select $1, ${ID_SQL}, $2, true, 'evt_' || g, 'x', 0, now(), 'held', now(), '{a}', 'infinity' from generate_series(1, ${WAITING}) g`,
  `insert into routings (client_id, source_id, account, livemode, event_id, source_event_id, state, due_at)
   select $1, $2, '', true, 'evt_' || g, ${ID_SQL}, 'waiting', now() + interval '1 hour' from generate_series(1, ${WAITING}) g`,
  `insert into routing_waits select $1, $2, 'cus_' || g, ${ID_SQL} from generate_series(1, ${WAITING}) g`,
  `insert into routed_objects (client_id, source_id, object_id, awaited) select $1, $2, 'cus_' || g, true from generate_series(1, ${WAITING}) g`,
])
  await db.query(sql, values)
await db.query(`update routings set due_at = now() where client_id = $1 and source_event_id < $2`, [
  OPERATOR_CLIENT,
  '01a226bb-0000-7000-8000-000000000064',
])
const statements = await statementsOf(sourceId)

describe.each(['without statistics', 'with fresh ones'])('beside 20,000 that wait, %s', (which) => {
  test('the statements of a look read what they are about, and little more', async () => {
    if (which === 'with fresh ones') await db.query('analyze')
    const session = await db.connect()
    const read: Record<string, number> = {}
    try {
      await session.query('set plan_cache_mode = force_generic_plan')
      for (const { name, text, values } of statements) {
        const prepared = `"${which} ${name}"`
        await session.query(`prepare ${prepared} as ${text}`)
        await session.query('begin')
        const { rows } = await session.query(
          `explain (analyze, format json) execute ${prepared}${values.length > 0 ? `(${values.map(literal).join(', ')})` : ''}`,
        )
        await session.query('rollback')
        read[name] = mostRows(rows[0]['QUERY PLAN'][0].Plan)
      }
    } finally {
      session.release(true)
    }
    expect(Object.keys(read).length).toBeGreaterThan(8)
    expect(Object.entries(read).filter(([, rows]) => rows > 500)).toEqual([])
  })
})
