import { v7 as uuidv7 } from 'uuid'
import { expect, test } from 'vitest'
import { seededRandom } from '../../simulator/random.ts'
import { nameEvent, pathOfClient } from '../../torture/names.ts'
import { type Arrival, type Receiver, startReceiver } from '../../torture/receiver.ts'
import { feltUntil, type StrikeReport, unexplainedRepeats, wasSentDuring } from '../../torture/strike.ts'
import { pickClient } from '../../torture/stripe.ts'
import { addUpSums, findUnrecorded, unevenClients } from '../../torture/sums.ts'
import { isWell, tortureReport } from '../../torture/table.ts'
import { freshDatabase } from '../support/database.ts'
import { newClient, newDeliveries, newEndpoint } from '../support/delivering.ts'
import { present } from '../support/present.ts'

// What the fault tests and `npm run torture` conclude from has to tell right from wrong itself.
const { db, url } = await freshDatabase()

const arrival = (user: string, deliveryId = `delivery of ${user}`, attempt = 1, at = 0): Arrival => ({
  user,
  deliveryId,
  attempt,
  at,
  sentAt: at,
  isAstray: false,
  isOnNew: false,
  isLostOnKept: false,
})
const receiver = (arrivals: Arrival[], served = arrivals.map(({ user }) => user)) =>
  ({ arrivals, served: new Set(served) }) as unknown as Receiver
const accepted = (...users: string[]) => ({ accepted: new Map(users.map((user) => [user, 0])) })
/** The sums of no client in particular. */
const sumsOf = (stripe: ReturnType<typeof accepted>, receivers: Receiver[]) =>
  addUpSums(url, { stripe, receivers, clients: [] })

test('what is missing at one endpoint, was never accepted, or came under two ids is found', async () => {
  const receivers = [
    receiver([arrival('a'), arrival('b'), arrival('b', 'another delivery')]),
    receiver([arrival('a'), arrival('invented')]),
  ]
  const found = await sumsOf(accepted('a', 'b'), receivers)
  expect(found).toMatchObject({
    accepted: 2,
    arrivals: 5,
    missing: ['1 b'],
    invented: ['invented'],
    deliveredTwice: ['b'],
  })
})

test('an event that an endpoint received and never took well is missing', async () => {
  const found = await sumsOf(accepted('a'), [receiver([arrival('a')], [])])
  expect(found.missing).toEqual(['0 a'])
})

test('a retry is no repeat, the same attempt once more is; a fault explains it only when it was in flight', async () => {
  const [first, retry, again] = [
    arrival('a'),
    arrival('a', 'delivery of a', 2, 5),
    arrival('a', 'delivery of a', 1, 10),
  ]
  const { repeats } = await sumsOf(accepted('a'), [receiver([first, retry, again])])
  expect(repeats).toEqual([{ first, again }])
  const struck = (from: number, ...inFlight: Arrival[]): StrikeReport => ({
    name: 'a fault',
    from,
    to: from,
    recoveredMs: 1000,
    inFlight: new Set(inFlight),
  })
  expect(unexplainedRepeats(repeats, [struck(5, first)])).toEqual([])
  expect(unexplainedRepeats(repeats, [struck(5, retry)])).toEqual(repeats)
  expect(unexplainedRepeats(repeats, [struck(11, first)])).toEqual(repeats)
  expect(unexplainedRepeats(repeats, [])).toEqual(repeats)
})

test('a late answer is taken by who still waits for it, and by nobody who has hung up', async () => {
  const late = await startReceiver(() => 'late', { lateMs: 300 })
  const post = (user: string, timeoutMs: number) =>
    fetch(late.url, {
      method: 'POST',
      body: JSON.stringify({ user: { clientUserId: user } }),
      signal: AbortSignal.timeout(timeoutMs),
    }).then(
      ({ status }) => status,
      () => 'hung up',
    )
  expect(await Promise.all([post('patient', 60_000), post('impatient', 30)])).toEqual([200, 'hung up'])
  expect(late.served).toEqual(new Set(['patient']))
  await late.stop()
})

test('a fault is felt until it ends, or until a process notices that it has lost its leases by it', () => {
  const fault = { from: 10_000, to: 12_000, recoveredMs: 8_000 }
  expect(feltUntil(fault, [])).toBe(12_000)
  expect(feltUntil(fault, [15_000, 17_500])).toBe(17_500)
  // Before it, or after all was well again, is nothing of this one.
  expect(feltUntil(fault, [9_000, 20_001])).toBe(12_000)
  const felt = { from: 10_000, to: 17_500 }
  expect([9_999, 10_000, 18_400, 18_600].map((at) => wasSentDuring({ at, sentAt: at }, felt))).toEqual([
    ...[false, true, true, false],
  ])
  // It was signed while the fault was felt, and read by a busy receiver later.
  expect(wasSentDuring({ at: 25_000, sentAt: 17_000 }, felt)).toBe(true)
})

test('what a kept connection lost may come once more, on a new one; a third time, or on another kept one, is a repeat', async () => {
  const [first, onKept, onNew, third] = [
    { ...arrival('a'), isLostOnKept: true },
    arrival('a'),
    { ...arrival('a'), isOnNew: true },
    { ...arrival('a'), isOnNew: true },
  ]
  const found = await sumsOf(accepted('a'), [receiver([first, onKept, onNew, third])])
  expect(found.resent).toEqual([{ first, again: onNew }])
  expect(found.repeats.map(({ again }) => again)).toEqual([onKept, third])
  const other = await sumsOf(accepted('a'), [receiver([arrival('a'), onNew])])
  expect([other.resent.length, other.repeats.length]).toEqual([0, 1])
})

test('attempts that have arrived and that the database knows nothing of are in flight', async () => {
  const clientId = await newClient(db)
  const { id } = await newEndpoint(db, clientId, { url: 'http://127.0.0.1:1' })
  const [known = '', unknown = ''] = await newDeliveries(db, clientId, [id], { count: 2 })
  await db.query(
    `insert into attempts (client_id, event_id, delivery_id, number, started_at, duration_ms, status)
     select client_id, event_id, id, 1, now(), 1, 200 from deliveries where client_id = $1 and id = $2`,
    [clientId, known],
  )
  const arrivals = [arrival('a', known), arrival('b', unknown), arrival('a', known, 2)]
  expect(await findUnrecorded(db, [receiver(arrivals)], 0)).toEqual([arrivals[1], arrivals[2]])
})

test('the report says what was done, how soon all was well, and what does not add up', async () => {
  const found = await sumsOf(accepted('a', 'b'), [receiver([arrival('a')])])
  const struck = [500, 2500].map((recoveredMs) => ({
    name: 'kill -9',
    from: 0,
    to: 1500,
    recoveredMs,
    inFlight: new Set<Arrival>(),
  }))
  const asked = { minutes: 1, processes: 2, clients: 1, perSecond: 3, seed: 'x' }
  const machine = { cpu: 'c', cores: 2, memoryGb: 1, system: 's' }
  const text = tortureReport({ struck, sums: found, lost: [], crashes: [], machine, options: asked })
  expect(text).toContain('| kill -9 | 2 | 1.5 | 0 | 1.5 | 2.5 |')
  expect(text).toContain('- 1 missing, 0 never accepted, 0 under two ids')
})

test('all is well only when the sums are right, repeats are explained, nothing ended by itself and recovery was quick', async () => {
  const found = await sumsOf(accepted('a'), [receiver([arrival('a')])])
  const good = { struck: [], sums: { ...found, addsUp: true }, lost: [], crashes: [] }
  const struck = { name: 'kill -9', from: 0, to: 0, recoveredMs: 10_001, inFlight: new Set<Arrival>() }
  expect(isWell(good)).toBe(true)
  expect(isWell({ ...good, crashes: [{ wasListening: false, message: 'no database' }] })).toBe(true)
  const wrong = [
    { struck: [struck] },
    { lost: [{ first: arrival('a'), again: arrival('a') }] },
    { crashes: [{ wasListening: true, message: 'out of memory' }] },
    { sums: { ...found, missing: ['0 a'] } },
    { sums: { ...found, invented: ['b'] } },
    { sums: { ...found, astray: ['a'] } },
    {
      sums: { ...found, clients: [{ client: 1, isRouted: false, accepted: 1, stored: 1, delivered: 0, expected: 1 }] },
    },
    { sums: { ...found, deliveredTwice: ['a'] } },
    { sums: { ...found, addsUp: false } },
  ]
  for (const one of wrong) expect({ ...one, isWell: isWell({ ...good, ...one }) }).toEqual({ ...one, isWell: false })
})

test('what comes to an endpoint of another client is astray there, and no event has arrived by it', async () => {
  const own = await startReceiver()
  const other = nameEvent('ab', 2, 8)
  const post = (client: number, name: string) =>
    fetch(`${own.url}${pathOfClient(client)}`, {
      method: 'POST',
      body: JSON.stringify({ user: { clientUserId: `user_${name}` } }),
    })
  await post(1, nameEvent('ab', 1, 7))
  await post(1, other)
  expect(own.arrivals.map(({ isAstray }) => isAstray)).toEqual([false, true])
  expect(own.served).toEqual(new Set([`user_${nameEvent('ab', 1, 7)}`]))
  const stripe = accepted(`user_${nameEvent('ab', 1, 7)}`, `user_${other}`)
  const found = await sumsOf(stripe, [own])
  expect(found).toMatchObject({ astray: [`user_${other}`], missing: [`0 user_${other}`] })
  await own.stop()
})

test('the sums of each client are its own: what another has too much of does not fill them', async () => {
  const clients = await Promise.all(
    [0, 1, 2].map(async (number) => ({ number, id: await newClient(db), sourceId: uuidv7(), routedBy: null })),
  )
  const store = (at: number, name: string) =>
    db.query(
      `insert into source_events (client_id, id, source_id, livemode, event_id, type, lane, created_at)
       values ($1, $2, $3, false, $4, 'invoice.paid', 0, now())`,
      [present(clients[at]).id, uuidv7(), present(clients[at]).sourceId, `evt_${name}`],
    )
  const names = [0, 1, 1, 2].map((client, made) => nameEvent('cd', client, made))
  const [first = '', second = '', third = '', fourth = ''] = names
  await store(0, first)
  await store(1, second)
  // One of the second client's is with the third: as many as there should be, of all together.
  await store(2, third)
  await store(2, fourth)
  const stripe = accepted(...names.map((name) => `user_${name}`))
  const { clients: sums, astray } = await addUpSums(url, { stripe, receivers: [], clients })
  expect(astray).toEqual([`evt_${third} with ${present(clients[2]).id}`])
  expect(sums.map(({ accepted, stored }) => [accepted, stored])).toEqual([
    [1, 1],
    [2, 1],
    [1, 2],
  ])
  expect(unevenClients(sums).map(({ client }) => client)).toEqual([1, 2])
})

test('a client without any event, or with a delivery too few or too many, is uneven', () => {
  const even = { client: 0, isRouted: false, accepted: 2, stored: 2, delivered: 14, expected: 14 }
  expect(unevenClients([even])).toEqual([])
  const uneven = [
    { accepted: 0, stored: 0, delivered: 0, expected: 0 },
    { delivered: 13 },
    { delivered: 15 },
    { stored: 1 },
  ]
  for (const one of uneven) expect(unevenClients([{ ...even, ...one }])).toHaveLength(1)
})

test('a third of all events is the first client’s, and each of the others has some', () => {
  const { below } = seededRandom('shares')
  const numbers = Array.from({ length: 50 }, (_, at) => at)
  const counts = new Map<number, number>()
  for (let at = 0; at < 10_000; at += 1) {
    const picked = pickClient(numbers, () => below(1_000_000) / 1_000_000)
    counts.set(picked, 1 + (counts.get(picked) ?? 0))
  }
  expect(counts.size).toBe(50)
  const [first = 0, ...others] = numbers.map((number) => counts.get(number) ?? 0)
  expect(Math.abs(first - 3333)).toBeLessThan(200)
  expect(Math.max(...others)).toBeGreaterThan(5 * Math.min(...others))
  expect(pickClient([7], () => 0.9)).toBe(7)
})
