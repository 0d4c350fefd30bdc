import { describe, expect, test, vi } from 'vitest'
import type { Db } from '../../src/database/db.ts'
import { OPERATOR_CLIENT } from '../../src/domain/ids.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { newRoutedSource, newTarget, putRoute, readWhereabouts, routedEvent } from '../support/routed-source.ts'
import { routingRoom } from '../support/routing-room.ts'

// Many at once, two at once, and what dies on its way.

const { db } = await freshDatabase({ max: 20 })

async function newStage(clientCount: number) {
  const sourceId = await newRoutedSource(db)
  const targets: string[] = []
  for (let at = 0; at < clientCount; at += 1) {
    const target = await newTarget(db)
    targets.push(target)
    await putRoute(db, sourceId, `client ${at}`, target)
  }
  const room = routingRoom(db, { sourceId })
  await room.look()
  return { sourceId, targets, room }
}

const customer = (id: string, name: string) =>
  routedEvent('customer.updated', { id, object: 'customer', metadata: { flo_client: name } })
const charge = (id: string, customerId: string) =>
  routedEvent('charge.succeeded', { id, object: 'charge', customer: customerId })

/** The statements that run on the pool and on its connections meanwhile, by name or text. */
async function statementsOf(run: () => Promise<unknown>): Promise<string[]> {
  const texts: string[] = []
  const note = (query: unknown) =>
    texts.push(
      typeof query === 'string' ? query : ((query as { name?: string }).name ?? (query as { text: string }).text),
    )
  const connect = db.connect.bind(db) as unknown as () => Promise<{
    query: (...all: unknown[]) => unknown
    release: unknown
  }>
  const spy = vi.spyOn(db, 'connect').mockImplementation((async () => {
    const client = await connect()
    const query = client.query
    const release = client.release as (...all: unknown[]) => void
    client.query = (...all: unknown[]) => {
      note(all[0])
      return query.apply(client, all)
    }
    client.release = (...all: unknown[]) => {
      client.query = query
      client.release = release
      return release.apply(client, all)
    }
    return client
  }) as never)
  try {
    await run()
  } finally {
    spy.mockRestore()
  }
  return texts
}

describe('a batch', () => {
  test('of 1,000 events of 100 clients takes as many statements as one of a few', async () => {
    const { sourceId, targets, room } = await newStage(100)
    const storyOf = (at: number, count: number) =>
      Array.from({ length: count }, (_, nth) =>
        nth === 0 ? customer(`cus_${at}`, `client ${at % 100}`) : charge(`ch_${at}_${nth}`, `cus_${at}`),
      )
    const countOf = async (events: readonly object[]) =>
      (await statementsOf(() => room.arriveTogether(events))).map((text) => text.replace(/\.\d+$/, ''))
    const few = await countOf(storyOf(1000, 2))
    const many = await countOf(Array.from({ length: 100 }, (_, at) => storyOf(at, 10)).flat())
    // Rows go in by 128 a statement, the last of them by fewer; what is looked for is looked for once.
    expect(new Set(many)).toEqual(new Set(few))
    expect(many.filter((name) => name === 'routing.find_routes')).toHaveLength(1)
    const timesOfEach = [...Map.groupBy(many, (name) => name).values()].map(({ length }) => length)
    expect(Math.max(...timesOfEach)).toBeLessThanOrEqual(Math.ceil(1000 / 128) + 2)
    const stored = await readWhereabouts(db, sourceId)
    expect(stored).toHaveLength(1002)
    expect(stored.every(({ routing }) => routing === 'routed')).toBe(true)
    expect(new Set(stored.map(({ clientId }) => clientId))).toEqual(new Set(targets))
  })

  test('that waited is moved in as many statements as one event', async () => {
    const { sourceId, room } = await newStage(10)
    const waiting = (at: number) => charge(`ch_${at}`, `cus_${at}`)
    const named = (at: number) => customer(`cus_${at}`, `client ${at % 10}`)
    const countOf = async (from: number, to: number) => {
      const all = Array.from({ length: to - from }, (_, at) => from + at)
      await room.arriveTogether(all.map(waiting))
      await room.look()
      await room.arriveTogether(all.map(named))
      return new Set((await statementsOf(() => room.look())).map((text) => text.replace(/\.\d+$/, '')))
    }
    expect(await countOf(1, 100)).toEqual(await countOf(0, 1))
    expect((await readWhereabouts(db, sourceId)).every(({ routing }) => routing === 'routed')).toBe(true)
  })

  test('of more than one transaction holds is routed to its end', async () => {
    const { sourceId, room } = await newStage(1)
    await room.arriveTogether(Array.from({ length: 900 }, (_, at) => charge(`ch_${at}`, `cus_${at}`)))
    await room.arriveTogether(Array.from({ length: 900 }, (_, at) => customer(`cus_${at}`, 'client 0')))
    await room.look()
    const stored = await readWhereabouts(db, sourceId)
    expect(stored).toHaveLength(1800)
    expect(stored.every(({ routing, hasBody }) => routing === 'routed' && hasBody)).toBe(true)
  })
})

describe('two at once', () => {
  test('processes that receive one stream in different orders store each event once, and lose no fact', async () => {
    const { sourceId, targets, room } = await newStage(5)
    const other = routingRoom(db, { sourceId })
    const events = Array.from({ length: 60 }, (_, at) => [
      charge(`ch_${at}`, `cus_${at}`),
      customer(`cus_${at}`, `client ${at % 5}`),
    ]).flat()
    const results = await Promise.all([
      ...events.map((event) => room.arrive(event)),
      ...events.toReversed().map((event) => other.arrive(event)),
    ])
    expect(results.filter(({ duplicate }) => !duplicate)).toHaveLength(events.length)
    await Promise.all([room.look(), other.look(), room.look()])
    await room.look()
    const stored = await readWhereabouts(db, sourceId)
    expect(stored).toHaveLength(events.length)
    expect(stored.every(({ routing }) => routing === 'routed')).toBe(true)
    for (const { clientId } of stored) expect(targets).toContain(clientId)
  })

  test('rooms that look at the same events move each once', async () => {
    const { sourceId, room } = await newStage(1)
    await room.arriveTogether(Array.from({ length: 300 }, (_, at) => charge(`ch_${at}`, 'cus_1')))
    await room.look()
    await room.arrive(customer('cus_1', 'client 0'))
    await Promise.all([room.look(), room.look(), room.look()])
    await room.look()
    const stored = await readWhereabouts(db, sourceId)
    expect(stored).toHaveLength(301)
    expect(stored.every(({ routing }) => routing === 'routed')).toBe(true)
  })

  test('what one learns and the other waits for, crosswise, makes no ring of locks', async () => {
    const { sourceId, room } = await newStage(1)
    const rooms = Array.from({ length: 8 }, () => routingRoom(db, { sourceId }))
    for (let round = 0; round < 5; round += 1) {
      const customers = Array.from({ length: 8 * 20 }, (_, at) => `cus_${round}_${at}`)
      // Each tells of some, and waits for all others.
      const batches = rooms.map((_, mine) =>
        customers.map((id, at) => (at % 8 === mine ? customer(id, 'client 0') : charge(`ch_${mine}_${id}`, id))),
      )
      await Promise.all(batches.map((batch, at) => rooms[at]?.arriveTogether(batch)))
      await room.look()
    }
    expect((await readWhereabouts(db, sourceId)).every(({ routing }) => routing === 'routed')).toBe(true)
  })

  test('a fact and an event that waits for it, each not seeing the other, find each other', async () => {
    const { sourceId, targets, room } = await newStage(1)
    // Neither transaction has committed when the other one looks: the row of the object is where they meet.
    for (let round = 0; round < 20; round += 1) {
      const other = routingRoom(db, { sourceId })
      await Promise.all([
        room.arrive(charge(`ch_${round}`, `cus_${round}`)),
        other.arrive(customer(`cus_${round}`, 'client 0')),
      ])
      await room.look()
    }
    expect((await readWhereabouts(db, sourceId)).map(({ clientId }) => clientId)).toEqual(
      Array.from({ length: 40 }, () => targets[0]),
    )
  })
})

/** Ends the session that waits for a lock, as if its process had died there. */
const killWaiting = async (on: Db) =>
  eventually(async () => {
    const { rowCount } = await on.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and pid <> pg_backend_pid()`,
    )
    return (rowCount ?? 0) > 0
  })

describe('a process that dies', () => {
  test.each([
    ['before it has moved anything', 'routed_objects', `client_id = $1`],
    ['with events inserted and not deleted', 'source_event_bodies', `client_id = $1`],
  ])('%s loses nothing and doubles nothing', async (_, table, which) => {
    const { sourceId, targets, room } = await newStage(1)
    const events = Array.from({ length: 5 }, (_, at) => charge(`ch_${at}`, 'cus_1'))
    await room.arriveTogether(events)
    await room.look()
    await room.arrive(customer('cus_1', 'client 0'))
    const blocker = await db.connect()
    try {
      await blocker.query('begin')
      await blocker.query(`select 1 from ${table} where ${which} for update`, [OPERATOR_CLIENT])
      const looking = room.look().catch((error) => error)
      await killWaiting(db)
      expect(await looking).toBeInstanceOf(Error)
    } finally {
      await blocker.query('rollback')
      blocker.release()
    }
    expect((await readWhereabouts(db, sourceId)).map(({ routing }) => routing).toSorted()).toEqual([
      'routed',
      ...events.map(() => 'waiting'),
    ])
    await room.look()
    const stored = await readWhereabouts(db, sourceId)
    expect(stored.map(({ clientId, hasBody }) => ({ clientId, hasBody }))).toEqual(
      Array.from({ length: 6 }, () => ({ clientId: targets[0], hasBody: true })),
    )
  })

  test('as it receives leaves nothing: the event comes again and is new', async () => {
    const { sourceId, room } = await newStage(1)
    const event = customer('cus_1', 'client 0')
    const blocker = await db.connect()
    try {
      await blocker.query('begin')
      await blocker.query('lock table source_event_bodies in access exclusive mode')
      const arriving = room.arrive(event).catch((error) => error)
      await killWaiting(db)
      expect(await arriving).toBeInstanceOf(Error)
    } finally {
      await blocker.query('rollback')
      blocker.release()
    }
    expect(await readWhereabouts(db, sourceId)).toEqual([])
    expect(await room.arrive(event)).toMatchObject({ duplicate: false })
  })
})
