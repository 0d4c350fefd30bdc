import { expect, test, vi } from 'vitest'
import { awayNodesOf } from '../../src/database/away-nodes.ts'
import { newId } from '../../src/domain/ids.ts'
import { newLog } from '../../src/log.ts'
import type { IncomingEvent } from '../../src/receive/insert-events.ts'
import { createEventStore, createGroupStore } from '../../src/receive/store.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { newSource, receiving, stripeEvent } from '../support/receiving.ts'
import { endPretence, pretendSpread } from '../support/spread-tables.ts'

const { db } = await freshDatabase()
const { post } = await receiving(db)
const { clientId, sourceId } = await newSource(db)

const newStore = (onStored: (clientId: string) => void = () => {}) =>
  createEventStore({ db, log: newLog('silent'), onStored })
const event = (eventId: string, fields: Partial<IncomingEvent> = {}): IncomingEvent => ({
  clientId,
  sourceId,
  eventId,
  type: 'x',
  apiVersion: null,
  account: '',
  livemode: false,
  createdAt: new Date(0),
  lane: 0,
  bytes: Buffer.from(eventId),
  ...fields,
})
const storedEvents = async (prefix: string) =>
  (
    await db.query(
      `select event_id, convert_from(body, 'UTF8') as body from source_events e
         join source_event_bodies b on b.client_id = e.client_id and b.source_event_id = e.id
        where starts_with(event_id, $1) order by event_id`,
      [prefix],
    )
  ).rows

test('one event sent a hundred times at once is stored once and new to one sender', async () => {
  const body = stripeEvent({ id: 'evt_hundredfold' })
  const answers = await Promise.all(Array.from({ length: 100 }, () => post(sourceId, body)))
  expect(answers.every(({ status }) => status === 200)).toBe(true)
  expect(answers.filter(({ body }) => body.duplicate === false)).toHaveLength(1)
  expect(await storedEvents('evt_hundredfold')).toEqual([{ event_id: 'evt_hundredfold', body }])
})

test('several processes that store the same events in any order store each once and do not deadlock', async () => {
  const stores = Array.from({ length: 8 }, () => newStore())
  const ids = Array.from({ length: 250 }, (_, n) => `evt_crossing_${n}`)
  const results = await Promise.all(
    stores.flatMap((add, at) => (at % 2 ? ids : ids.toReversed()).map((id) => add(event(id)))),
  )
  expect(results.filter(({ duplicate }) => !duplicate)).toHaveLength(ids.length)
  expect(await storedEvents('evt_crossing_')).toHaveLength(ids.length)
})

test.each([
  ['a NUL in its type', { type: 'x\u0000' }],
  ['a NUL in its id', { eventId: 'evt_poison\u0000' }],
  ['an account too long for the index', { account: Array.from({ length: 999 }, newId).join('') }],
])('an event with %s fails alone, the others of its batch are stored', async (_, poison) => {
  const run = newId()
  const add = newStore()
  const events = Array.from({ length: 20 }, (_, n) => event(`${run}_${n}`, n === 7 ? poison : {}))
  const results = await Promise.allSettled(events.map(add))
  expect(results.map(({ status }) => status)).toEqual(events.map((_, n) => (n === 7 ? 'rejected' : 'fulfilled')))
  expect(results[7]).toMatchObject({ reason: { code: 'event_unstorable' } })
  expect(await storedEvents(run)).toHaveLength(19)
})

test('a group is stored whole or not at all, whatever the other groups hold', async () => {
  const run = newId()
  const add = createGroupStore({ db, log: newLog('silent'), onStored: () => {} })
  const groups = Array.from({ length: 6 }, (_, group) =>
    Array.from({ length: group === 0 ? 400 : 5 }, (_, n) =>
      event(`${run}_${group}_${n}`, group === 3 && n === 2 ? { type: 'x\u0000' } : {}),
    ),
  )
  const results = await Promise.allSettled(groups.map(add))
  expect(results.map(({ status }) => status)).toEqual(groups.map((_, n) => (n === 3 ? 'rejected' : 'fulfilled')))
  expect(results[3]).toMatchObject({ reason: { code: 'event_unstorable' } })
  expect(await storedEvents(run)).toHaveLength(400 + 4 * 5)
  const [, second = []] = groups
  expect(await add(second)).toEqual(second.map(() => ({ duplicate: true })))
})

test('a poisoned event is refused with a code over HTTP', async () => {
  const [poisoned, fine] = await Promise.all([
    post(sourceId, stripeEvent({ type: 'a\u0000b' })),
    post(sourceId, stripeEvent()),
  ])
  expect(poisoned).toMatchObject({ status: 400, body: { error: { code: 'event_unstorable' } } })
  expect(fine.status).toBe(200)
})

test('a failing store answers 503, stores no half and takes the event later', async () => {
  const body = stripeEvent({ id: 'evt_comes_again' })
  await db.query('alter table source_event_bodies rename to hidden')
  expect((await post(sourceId, body)).status).toBe(503)
  await db.query('alter table hidden rename to source_event_bodies')
  expect(await storedEvents('evt_comes_again')).toEqual([])
  expect(await post(sourceId, body)).toMatchObject({ status: 200, body: { received: true, duplicate: false } })
})

test('onStored is called once per batch for each client with new events, after the commit', async () => {
  const other = await newSource(db)
  const named: { clientId: string; visible: Promise<number | null> }[] = []
  const count = async (id: string) =>
    (await db.query(`select 1 from source_events where client_id = $1 and event_id like 'evt_named%'`, [id])).rowCount
  const add = newStore((id) => named.push({ clientId: id, visible: count(id) }))
  await Promise.all([
    ...[1, 2, 3].map((n) => add(event(`evt_named_${n}`))),
    add(event('evt_named_4', { clientId: other.clientId, sourceId: other.sourceId })),
  ])
  expect(named.map((wake) => wake.clientId).sort()).toEqual([clientId, other.clientId].sort())
  expect(await Promise.all(named.map(({ visible }) => visible))).toEqual(expect.arrayContaining([3, 1]))
  await add(event('evt_named_1'))
  expect(named).toHaveLength(2)
})

test('when a node of a cluster is down, only the events of its clients are refused', async () => {
  const theirs = await newSource(db)
  const run = newId()
  await pretendSpread(db, { alone: theirs.clientId })
  // The coordinator's words; a broken connection of our own gives an error without a server message.
  await db.query(
    `create function node_away() returns trigger language plpgsql as $$ begin
       raise exception 'connection to the remote node failed' using errcode = '08006'; end $$;
     create trigger node_away before insert on source_events for each row
       when (new.client_id = '${theirs.clientId}') execute function node_away()`,
  )
  // By which it is found out whether it answers again.
  const { query } = db
  const probe = vi
    .spyOn(db, 'query')
    .mockImplementation(((text: unknown, ...values: unknown[]) =>
      String(text).startsWith('select 1 from source_events')
        ? Promise.reject(Object.assign(new Error('connection failed'), { code: '08006', severity: 'ERROR' }))
        : Reflect.apply(query, db, [text, ...values])) as never)
  const add = newStore()
  const of = (n: number) => (n % 3 === 0 ? { clientId: theirs.clientId, sourceId: theirs.sourceId } : {})
  const events = Array.from({ length: 9 }, (_, n) => event(`${run}_${n}`, of(n)))
  const results = await Promise.allSettled(events.map(add))
  expect(results.map(({ status }) => status)).toEqual(events.map((_, n) => (n % 3 === 0 ? 'rejected' : 'fulfilled')))
  expect(results[0]).toMatchObject({ reason: { code: 'unavailable' } })
  expect(await storedEvents(run)).toHaveLength(6)

  // It is known to be away now: its clients are refused before a batch, in which everybody else would wait for it.
  const connecting = vi.spyOn(db, 'connect')
  await expect(add(event(`${run}_9`, of(9)))).rejects.toMatchObject({ code: 'unavailable' })
  // A transaction asks for a connection, and `query` calls this one with a callback.
  expect(connecting.mock.calls.filter(([callback]) => !callback)).toEqual([])
  connecting.mockRestore()

  await db.query('drop trigger node_away on source_events')
  probe.mockRestore()
  await eventually(() => !awayNodesOf(db).areAny())
  expect((await Promise.all(events.map(add))).map(({ duplicate }) => duplicate)).toEqual(
    events.map((_, n) => n % 3 !== 0),
  )
  await endPretence(db)
})

test('batches of several clients that deadlock on a cluster are stored client by client', async () => {
  const theirs = await newSource(db)
  const run = newId()
  // The rows of one client are locked in one order; those of several clients, on several nodes, are not.
  await db.query(
    `create function locked_out() returns trigger language plpgsql as $$ begin
       if (select count(distinct client_id) from fresh) > 1 then
         raise exception 'canceling the transaction since it was involved in a distributed deadlock' using errcode = '40P01';
       end if;
       return null; end $$;
     create trigger locked_out after insert on source_events referencing new table as fresh
       for each statement execute function locked_out()`,
  )
  const add = newStore()
  const of = (n: number) => (n % 2 === 0 ? { clientId: theirs.clientId, sourceId: theirs.sourceId } : {})
  const results = await Promise.all(Array.from({ length: 6 }, (_, n) => add(event(`${run}_${n}`, of(n)))))
  await db.query('drop trigger locked_out on source_events')
  expect(results.map(({ duplicate }) => duplicate)).toEqual(results.map(() => false))
  expect(await storedEvents(run)).toHaveLength(6)
})

test('events of one client that deadlock with a change of partitions are tried once more', async () => {
  const run = newId()
  await db.query(
    `create sequence lockouts;
     create function locked_out_once() returns trigger language plpgsql as $$ begin
       if nextval('lockouts') = 1 then raise exception 'deadlock detected' using errcode = '40P01'; end if;
       return null; end $$;
     create trigger locked_out_once after insert on source_events for each statement execute function locked_out_once()`,
  )
  const add = newStore()
  const results = await Promise.all([1, 2].map((n) => add(event(`${run}_${n}`))))
  await db.query('drop trigger locked_out_once on source_events')
  expect(results.map(({ duplicate }) => duplicate)).toEqual([false, false])
  expect(await storedEvents(run)).toHaveLength(2)
})
