import { describe, expect, test } from 'vitest'
import { newId } from '../../src/domain/ids.ts'
import { freshDatabase } from '../support/database.ts'
import {
  newClient,
  newDeliveries,
  newEndpoint,
  readDelivery,
  startDelivering,
  untilSettled,
} from '../support/delivering.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import { type AskedStatement, watchPool } from '../support/watched-pool.ts'

// Clients of one group share a loop and its statements: what one costs does not grow with their number, and what is wrong with one
// stays its own.
const database = await freshDatabase({ max: 20 })
const { db } = database

/** So many clients with an endpoint and deliveries each; the ids of the deliveries by client. */
async function clientsAt(url: string, count: number, { endpoints = 1, deliveries = 1 } = {}) {
  const made = new Map<string, string[]>()
  for (let at = 0; at < count; at += 1) {
    const clientId = await newClient(db)
    const endpointIds: string[] = []
    for (let of = 0; of < endpoints; of += 1) endpointIds.push((await newEndpoint(db, clientId, { url })).id)
    made.set(clientId, await newDeliveries(db, clientId, endpointIds, { count: deliveries }))
  }
  return made
}

const isDelivered = (id: string) => eventually(async () => (await readDelivery(db, id)).state === 'delivered')

describe('statements', () => {
  /** How many statements it takes to deliver one delivery to each of 40 endpoints of so many clients, all at once. */
  async function countStatements(clients: number): Promise<number> {
    let arrived = 0
    const { promise: allArrived, resolve: letGo } = Promise.withResolvers<void>()
    // Answered together, they are recorded together, however slow the machine is.
    const receiver = await startReceiver(async () => {
      arrived += 1
      if (arrived === 40) letGo()
      await allArrived
      return {}
    })
    const made = await clientsAt(receiver.url, clients, { endpoints: 40 / clients })
    let count = 0
    const countOne = () => {
      count += 1
    }
    const room = await startDelivering({ ...database, db: watchPool(db, countOne) })
    count = 0
    for (const clientId of made.keys()) room.wake(clientId)
    await untilSettled(db, [...made.values()].flat())
    const asked = count
    await room.stop()
    return asked
  }

  test('as many for forty clients as for one', async () => {
    const ofOne = await countStatements(1)
    const ofForty = await countStatements(40)
    // Forty loops would take five statements each at least.
    expect(ofForty).toBeLessThan(2 * ofOne + 40)
  })
})

describe('one client in trouble beside others', () => {
  /** Breaks what is asked of one client, as rows would that the server cannot read. */
  function refuseFor(clientId: string, named: string) {
    const refused = { alone: 0 }
    const onStatement = ({ name, values }: AskedStatement) => {
      if (!name?.startsWith(named) || !JSON.stringify(values).includes(clientId)) return
      if (name.endsWith('.one')) refused.alone += 1
      throw Object.assign(new Error('could not read block 7'), { code: 'XX001' })
    }
    return { refused, onStatement }
  }

  test.each([
    ['whose due endpoints cannot be searched', 'deliver.discover'],
    ['whose due deliveries cannot be read', 'deliver.due'],
    ['whose bodies cannot be read', 'deliver.bodies'],
    ['whose endpoints cannot be read', 'deliver.endpoints'],
    ['of which the next time cannot be read', 'deliver.next'],
  ])('a client %s holds up nobody else', async (_, named) => {
    const receiver = await startReceiver()
    const made = await clientsAt(receiver.url, 8, { deliveries: 3 })
    const [[troubled = ''] = []] = made
    const { refused, onStatement } = refuseFor(troubled, named)
    const room = await startDelivering({ ...database, db: watchPool(db, onStatement) })
    for (const clientId of made.keys()) room.wake(clientId)
    await untilSettled(
      db,
      [...made].flatMap(([clientId, ids]) => (clientId === troubled ? [] : ids)),
    )
    await eventually(() => refused.alone > 0)
    // Nor do they wait for it later.
    const [, later = ''] = [...made.keys()]
    const [endpointId] = (await db.query('select id from endpoints where client_id = $1', [later])).rows
    const more = await newDeliveries(db, later, [endpointId.id])
    room.wake(later)
    await untilSettled(db, more)
    await room.stop()
  })

  test('attempts that PostgreSQL refuses are lost alone, and the others of the batch are recorded', async () => {
    const receiver = await startReceiver()
    const made = await clientsAt(receiver.url, 8, { deliveries: 3 })
    const [[troubled = '', refused = []] = []] = made
    await db.query(`alter table attempts add constraint refused check (client_id <> '${troubled}') not valid`)
    const room = await startDelivering(database)
    for (const clientId of made.keys()) room.wake(clientId)
    await untilSettled(
      db,
      [...made.values()].flat().filter((id) => !refused.includes(id)),
    )
    await eventually(() => receiver.requests.length === 24)
    expect((await readDelivery(db, refused[0] ?? '')).state).toBe('pending')
    await room.stop()
    await db.query('alter table attempts drop constraint refused')
  })

  test('a client of which a row is locked is recorded when the lock is gone, the others at once', async () => {
    const receiver = await startReceiver()
    const made = await clientsAt(receiver.url, 8, { deliveries: 3 })
    const [[troubled = '', locked = []] = []] = made
    const others = [...made.values()].flat().filter((id) => !locked.includes(id))
    const tx = await db.connect()
    await tx.query('begin')
    await tx.query('select from deliveries where client_id = $1 and id = $2 for update', [troubled, locked[0]])
    const room = await startDelivering(database)
    for (const clientId of made.keys()) room.wake(clientId)
    await untilSettled(db, others)
    // Those that come later have as free a way.
    const [, other = ''] = [...made.keys()]
    const [endpoint] = (await db.query('select id from endpoints where client_id = $1', [other])).rows
    const more = await newDeliveries(db, other, [endpoint.id], { count: 20 })
    room.wake(other)
    await untilSettled(db, more)
    expect((await readDelivery(db, locked[0] ?? '')).state).toBe('pending')
    await tx.query('rollback')
    tx.release()
    await untilSettled(db, locked)
    expect((await readDelivery(db, locked[0] ?? '')).made).toHaveLength(1)
    expect(receiver.requests).toHaveLength(24 + 20)
    await room.stop()
  })

  test('what is being deleted of a client is not sent, and all that others have is', async () => {
    const receiver = await startReceiver()
    const made = await clientsAt(receiver.url, 6, { deliveries: 2 })
    const [[troubled = '', [deleted = '', kept = ''] = []] = []] = made
    const { rows } = await db.query('select event_id from deliveries where id = $1', [deleted])
    await db.query(
      `insert into deletions (client_id, id, kind, subject_id, requested_by, counts) values ($1, $2, 'payload', $3, 'test', '{}')`,
      [troubled, newId(), rows[0].event_id],
    )
    const room = await startDelivering(database)
    for (const clientId of made.keys()) room.wake(clientId)
    await untilSettled(db, [...made.values()].flat())
    expect([(await readDelivery(db, deleted)).state, (await readDelivery(db, kept)).state]).toEqual([
      'cancelled',
      'delivered',
    ])
    expect(receiver.requests).toHaveLength(11)
    await room.stop()
  })

  test.each([
    ['headers that nobody can open', `sealed_headers = 'broken'`],
    ['a contract that nobody knows', `contract = 'gone.v9'`],
    ['an endpoint that is disabled meanwhile', `status = 'disabled', disabled_reason = 'manual', disabled_at = now()`],
  ])('a client with %s holds up no other', async (_, broken) => {
    const receiver = await startReceiver()
    const made = await clientsAt(receiver.url, 6, { deliveries: 2 })
    const [[troubled = '', held = []] = []] = made
    await db.query(`update endpoints set ${broken} where client_id = $1`, [troubled])
    const room = await startDelivering(database)
    for (const clientId of made.keys()) room.wake(clientId)
    for (const id of [...made.values()].flat()) if (!held.includes(id)) await isDelivered(id)
    expect(receiver.requests).toHaveLength(10)
    await room.stop()
  })
})

test('two processes share the endpoints of many clients and send nothing twice', async () => {
  const receiver = await startReceiver({ delayMs: 2 })
  const made = await clientsAt(receiver.url, 20, { endpoints: 2, deliveries: 5 })
  const rooms = await Promise.all([startDelivering(database), startDelivering(database)])
  for (const [at, clientId] of [...made.keys()].entries()) {
    rooms[at % 2]?.wake(clientId)
    rooms[(at + 1) % 2]?.wake(clientId)
  }
  const ids = [...made.values()].flat()
  await untilSettled(db, ids)
  expect(receiver.requests.map(({ headers }) => String(headers['webhook-id'])).toSorted()).toEqual(ids.toSorted())
  await Promise.all(rooms.map(({ stop }) => stop()))
})

test('clients that are groups of their own, as on a cluster, are delivered all the same', async () => {
  const receiver = await startReceiver()
  const made = await clientsAt(receiver.url, 5, { deliveries: 4 })
  const asked = new Set<string>()
  const room = await startDelivering(
    { ...database, db: watchPool(db, ({ name }) => void (name?.startsWith('deliver.') && asked.add(name))) },
    { groups: { groupOf: (clientId) => clientId } },
  )
  for (const clientId of made.keys()) room.wake(clientId)
  await untilSettled(db, [...made.values()].flat())
  await room.stop()
  expect([...asked].filter((name) => name.endsWith('.many'))).toEqual([])
  expect(asked).toContain('deliver.move.one')
})
