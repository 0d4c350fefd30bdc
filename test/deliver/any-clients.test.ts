import fc from 'fast-check'
import { expect, test } from 'vitest'
import { freshDatabase } from '../support/database.ts'
import {
  createdOf,
  newClient,
  newDeliveries,
  newEndpoint,
  startDelivering,
  untilSettled,
} from '../support/delivering.ts'
import { type Received, startReceiver } from '../support/receiver.ts'

// Whatever clients there are, and however their deliveries become known: each is sent until it is taken, in order where that is asked for,
// and recorded as often as it was sent.
const database = await freshDatabase({ max: 20 })
const { db } = database

/** How the rooms hear of new deliveries: by a wake, by rows that are handed over, twice, or not by the room that makes them. */
const telling = fc.constantFrom('wake', 'handed', 'handed twice', 'elsewhere', 'search')
const scenario = fc.record({
  clients: fc.array(
    fc.array(fc.record({ isOrdered: fc.boolean(), failsFirst: fc.boolean() }), { minLength: 1, maxLength: 3 }),
    { minLength: 2, maxLength: 6 },
  ),
  steps: fc.array(fc.record({ client: fc.nat(), count: fc.integer({ min: 1, max: 12 }), telling }), {
    minLength: 3,
    maxLength: 12,
  }),
  areApart: fc.boolean(),
})

/** Fewer than open the circuit breaker, which would let the others wait for its probe. */
const FAILURES_MAX = 5

const idOf = ({ headers }: Received) => String(headers['webhook-id'])

async function play({ clients, steps, areApart }: typeof scenario extends fc.Arbitrary<infer S> ? S : never) {
  const groups = { groupOf: (clientId: string) => (areApart ? clientId : '') }
  const rooms = await Promise.all([startDelivering(database, { groups }), startDelivering(database, { groups })])
  const made = await Promise.all(
    clients.map(async (endpoints) => {
      const clientId = await newClient(db)
      const owned = await Promise.all(
        endpoints.map(async ({ isOrdered, failsFirst }) => {
          const failed = new Set<string>()
          const receiver = await startReceiver((request) => {
            const id = idOf(request)
            if (!failsFirst || failed.has(id) || failed.size >= FAILURES_MAX) return {}
            failed.add(id)
            return { status: 500 }
          })
          const { id } = await newEndpoint(db, clientId, { url: receiver.url, retrySchedule: [0, 0] })
          await db.query('update endpoints set ordering = $2 where id = $1', [id, isOrdered ? 'user' : 'none'])
          return { id, isOrdered, failed, receiver, ids: [] as string[] }
        }),
      )
      return { clientId, owned }
    }),
  )
  for (const step of steps) {
    const { clientId, owned } = made[step.client % made.length] ?? { clientId: '', owned: [] }
    const endpointIds = owned.map(({ id }) => id)
    const madeAt = performance.now()
    for (const endpoint of owned) {
      const ids = await newDeliveries(db, clientId, [endpoint.id], { count: step.count, userId: clientId })
      endpoint.ids.push(...ids)
    }
    const own = owned.flatMap(({ ids }) => ids.slice(-step.count))
    const [here, there] = rooms
    const created = await createdOf(db, own, madeAt)
    if (step.telling === 'wake') here.wake(clientId, endpointIds)
    if (step.telling === 'search') here.wake(clientId)
    if (step.telling === 'elsewhere') there.wake(clientId, endpointIds)
    if (step.telling.startsWith('handed')) here.wake(clientId, endpointIds, { created })
    if (step.telling === 'handed twice') here.wake(clientId, endpointIds, { created })
    // As the notice does that tells the other process of work there.
    if (step.telling !== 'elsewhere') there.wake(clientId, endpointIds)
    else here.wake(clientId, endpointIds)
  }
  const all = made.flatMap(({ owned }) => owned)
  await untilSettled(
    db,
    all.flatMap(({ ids }) => ids),
  )
  await Promise.all(rooms.map(({ stop }) => stop()))
  return all
}

test('deliveries of any clients are sent and recorded as often as their endpoints ask for, and in their order', async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async (given) => {
      for (const { isOrdered, failed, receiver, ids } of await play(given)) {
        const sent = receiver.requests.map(idOf)
        const expected = ids.flatMap((id) => (failed.has(id) ? [id, id] : [id]))
        expect(sent.toSorted()).toEqual(expected.toSorted())
        if (isOrdered) expect(sent).toEqual(expected)
        const { rows } = await db.query(
          `select d.id, d.state, d.attempts, count(a.number) as recorded
             from deliveries d left join attempts a on a.delivery_id = d.id where d.id = any($1) group by 1, 2, 3 order by 1`,
          [ids],
        )
        expect(rows).toEqual(
          ids.toSorted().map((id) => {
            const times = failed.has(id) ? 2 : 1
            return { id, state: 'delivered', attempts: times, recorded: times }
          }),
        )
      }
    }),
    { numRuns: 6, endOnFailure: true },
  )
}, 240_000)
