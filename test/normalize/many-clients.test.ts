import { describe, expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import { type Random, seededRandom } from '../../simulator/random.ts'
import type { StripeEvent } from '../../simulator/render/event.ts'
import { scenarios } from '../../simulator/scenarios.ts'
import { simulate } from '../../simulator/simulate.ts'
import { inTransaction } from '../../src/database/db.ts'
import { forgetNames } from '../../src/database/forgotten.ts'
import { newId } from '../../src/domain/ids.ts'
import { fanOut } from '../../src/fanout/fanout.ts'
import { newLog } from '../../src/log.ts'
import { normalizeBatch } from '../../src/normalize/batch.ts'
import type { LanesOfClients } from '../../src/normalize/claim-events.ts'
import { fireOverdueTimers } from '../../src/normalize/fire-timers.ts'
import { ring } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'
import { present } from '../support/present.ts'
import { ranksOf } from '../support/ranks.ts'
import { lanes, newSource } from '../support/storing.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { chooseCount } from '../support/thorough.ts'

// Clients that share a batch: each gets what it would get alone, and the trouble of one is no other's.

/** Clients whose stories come in one stream; `FLO_THOROUGH=1` takes more. */
const CLIENTS = chooseCount(7, 20)

const { db } = await freshDatabase()
const deps = { db, log: newLog('silent'), mappings, fanOut, now: () => new Date(), holdSeconds: 3600 }

type Source = Awaited<ReturnType<typeof newSource>>
const allLanesOf = (...sources: readonly Source[]): LanesOfClients =>
  new Map(sources.map(({ clientId }) => [clientId, lanes]))

async function normalizeAll(...sources: readonly Source[]) {
  for (let isDone = false; !isDone; ) {
    const results = await normalizeBatch(deps, allLanesOf(...sources))
    expect([...results.keys()].sort()).toEqual(sources.map(({ clientId }) => clientId).sort())
    isDone = [...results.values()].every((one) => one.sourceEventCount === 0 && !one.hasReleasedHeld)
  }
}

const stateOf = async (source: Source) =>
  (await source.states()).map(({ event_id, state, reason_code, held_for }) => ({
    ...{ event_id, state, reason_code, held_for },
  }))

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g

/** What was emitted for a client, without ids of ours, and in an order that does not depend on them. */
async function readTold({ clientId }: Source): Promise<string[]> {
  const { rows } = await db.query(
    `select e.contract, e.type, e.key, b.body
       from events e join event_bodies b on b.client_id = e.client_id and b.event_id = e.id where e.client_id = $1`,
    [clientId],
  )
  return rows.map((row) => JSON.stringify(row).replace(UUID, '…')).sort()
}

/** What happens to the customers of one client. */
interface Story {
  events: StripeEvent[]
  planRanks: Record<string, number>
}

/** Stories of two scenarios each, every client with ids of its own. */
const tellStories = (seed: string, random: Random): Story[] =>
  Array.from({ length: CLIENTS }, (_, at) => {
    const parts = [0, 1].map((nth) => {
      const scenario = present(scenarios[random.below(scenarios.length)])
      const events = simulate(scenario, { seed: `${seed} ${at} ${nth}`, clientUserId: `user_${at}_${nth}` })
      return { events, ranks: ranksOf(scenario, events) }
    })
    return {
      events: parts.flatMap(({ events }) => events),
      planRanks: Object.assign({}, ...parts.map(({ ranks }) => ranks)),
    }
  })

interface Arrival {
  story: Story
  event: StripeEvent
}

/** The events of all stories as one stream, each event not farther than `scatter` places of 10,000 from where it happened. */
function mixStories(stories: readonly Story[], random: Random, scatter: number): Arrival[] {
  const placed = stories.flatMap((story) =>
    story.events.map((event, at) => ({
      ...{ story, event },
      place: (at / story.events.length) * 10_000 + random.below(scatter + 1),
    })),
  )
  return placed.sort((a, b) => a.place - b.place)
}

/** The next `count` arrivals, or as many as bring nobody more than a batch takes of a lane: the cut between batches is the same for all. */
function takeSome(stream: Arrival[], count: number): Arrival[] {
  const counts = new Map<Story, number>()
  const end = stream.findIndex(({ story }, at) => {
    counts.set(story, (counts.get(story) ?? 0) + 1)
    return at >= count || (counts.get(story) ?? 0) > 20
  })
  return stream.splice(0, end < 0 ? stream.length : Math.max(1, end))
}

describe('stories of many clients in one stream', () => {
  test.each([
    ['in order', 0],
    ['near its order', 1_500],
    ['in any order', 100_000],
  ])('give each client what it gets alone, its own %s', { timeout: 240_000 }, async (order, scatter) => {
    const random = seededRandom(order)
    const stories = tellStories(order, random)
    const sourceOf = async ({ planRanks }: Story) => {
      const source = await newSource(db)
      await db.query('update sources set plan_ranks = $2 where id = $1', [source.sourceId, planRanks])
      return source
    }
    const sourcesOf = async () =>
      new Map(await Promise.all(stories.map(async (story) => [story, await sourceOf(story)] as const)))
    const [together, alone] = await Promise.all([sourcesOf(), sourcesOf()])
    const stream = mixStories(stories, random, scatter)
    while (stream.length > 0) {
      const some = takeSome(stream, 1 + random.below(15 * CLIENTS))
      const storeTo = async (sources: typeof together) => {
        for (const { story, event } of some) await present(sources.get(story)).store(event)
      }
      await Promise.all([storeTo(together), storeTo(alone)])
      await normalizeAll(...together.values())
      for (const story of new Set(some.map((arrival) => arrival.story))) await normalizeAll(present(alone.get(story)))
    }
    let count = 0
    for (const story of stories) {
      const [one, other] = [present(together.get(story)), present(alone.get(story))]
      const told = await readTold(one)
      count += told.length
      expect(told).toEqual(await readTold(other))
      expect(await stateOf(one)).toEqual(await stateOf(other))
    }
    expect(count).toBeGreaterThan(5 * CLIENTS)
  })
})

test('the same happenings, by the same ids, are told to each client as its own', async () => {
  const events = simulate('checkout-subscription', { seed: 'same', clientUserId: 'user_1' })
  const sources = await Promise.all([newSource(db), newSource(db), newSource(db)])
  for (const source of sources) await source.store(...events)
  await normalizeAll(...sources)
  const told = await Promise.all(sources.map(async (source) => readTold(source)))
  expect(told[0]?.length).toBeGreaterThan(3)
  expect(told[1]).toEqual(told[0])
  expect(told[2]).toEqual(told[0])
  const { rows } = await db.query('select id, client_id from users where client_id = any($1)', [
    sources.map(({ clientId }) => clientId),
  ])
  expect(new Set(rows.map(({ client_id }) => client_id)).size).toBe(3)
  expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length)
})

async function withEvents(count: number): Promise<Source> {
  const source = await newSource(db)
  for (let at = 0; at < count; at += 1) await source.store(JSON.parse(subscriptionCreated()))
  return source
}

test('an event that our own code trips over fails alone, and all others of the batch go on in the same turn', async () => {
  const sources = await Promise.all(Array.from({ length: 9 }, () => withEvents(4)))
  const ill = present(sources[4])
  const [poisoned] = await ill.store({ ...JSON.parse(subscriptionCreated()), id: 'evt_poison' })
  const failing: typeof fanOut = async (tx, made) => {
    const { rowCount } = await tx.query(
      'select from events where client_id = $1 and source_event_id = $2 and id = any($3)',
      [ill.clientId, poisoned, made.map(({ id }) => id)],
    )
    if (rowCount !== 0) throw new Error('no class that we know')
    return fanOut(tx, made)
  }
  await normalizeBatch({ ...deps, fanOut: failing }, allLanesOf(...sources))
  for (const source of sources.filter((one) => one !== ill))
    expect((await source.states()).map(({ state }) => state)).toEqual(Array(4).fill('normalized'))
  for (let turn = 0; turn < 5; turn += 1) await normalizeBatch({ ...deps, fanOut: failing }, allLanesOf(...sources))
  expect((await ill.states()).map(({ state, reason_code }) => [state, reason_code])).toEqual([
    ...Array(4).fill(['normalized', null]),
    ['failed', 'internal'],
  ])
})

test('rows that PostgreSQL refuses of one client fail its events alone', async () => {
  const [ill, ...others] = await Promise.all([withEvents(3), withEvents(3), withEvents(3)])
  await db.query(`alter table emissions add constraint refused check (client_id <> '${ill.clientId}') not valid`)
  await normalizeBatch(deps, allLanesOf(ill, ...others))
  for (const source of others)
    expect((await source.states()).map(({ state }) => state)).toEqual(Array(3).fill('normalized'))
  await normalizeAll(ill, ...others)
  await db.query('alter table emissions drop constraint refused')
  expect((await ill.states()).map(({ state, reason_code }) => [state, reason_code])).toEqual(
    Array(3).fill(['failed', 'not_storable']),
  )
})

test('what was in work in the lanes of a dead process is tried apart, while other clients go on together', async () => {
  const [interrupted, other] = await Promise.all([withEvents(5), withEvents(5)])
  await db.query(
    `insert into interrupted_lanes (client_id, lane, process_id) select $1, lane, $3 from unnest($2::smallint[]) lane`,
    [interrupted.clientId, lanes, newId()],
  )
  const seen: string[][] = []
  const watch = {
    onBatchNormalized: ({ outcomes }: { outcomes: readonly { clientId: string }[] }) =>
      void seen.push(outcomes.map(({ clientId }) => clientId)),
  }
  await normalizeBatch({ ...deps, watch }, allLanesOf(interrupted, other))
  expect(seen).toContainEqual(Array(5).fill(other.clientId))
  expect(seen.flat().filter((clientId) => clientId === interrupted.clientId)).toHaveLength(5)
  expect(seen.filter((one) => one.includes(interrupted.clientId)).flat()).not.toContain(other.clientId)
  expect((await interrupted.states()).every(({ state }) => state === 'normalized')).toBe(true)
})

test('what a fact releases, and what is fetched, is told of its client alone', async () => {
  const [waiting, fetching, quiet] = await Promise.all([newSource(db), newSource(db), newSource(db)])
  await db.query(`update sources set api_key = 'sealed' where id = $1`, [fetching.sourceId])
  const subscription = JSON.parse(subscriptionCreated({ customer: 'cus_1' }))
  subscription.data.object.metadata = {}
  await waiting.store(subscription)
  const held = await normalizeBatch({ ...deps, hydrateSeconds: 10 }, allLanesOf(waiting, fetching, quiet))
  expect([...held.values()].map(({ heldUntil }) => heldUntil !== null)).toEqual([true, false, false])
  await waiting.store({
    id: 'evt_customer',
    type: 'customer.created',
    created: 1_760_000_000,
    livemode: false,
    data: { object: { id: 'cus_1', object: 'customer', metadata: { client_user_id: 'user_7' } } },
  })
  const thin = {
    ...{ id: 'evt_thin', object: 'v2.core.event', type: 'v1.customer.subscription.updated' },
    ...{ created: new Date().toISOString(), livemode: false },
    related_object: { id: 'sub_1', type: 'subscription', url: '/v1/subscriptions/sub_1' },
  }
  await fetching.store(thin)
  const results = await normalizeBatch({ ...deps, hydrateSeconds: 10 }, allLanesOf(waiting, fetching, quiet))
  const of = ({ clientId }: Source) => present(results.get(clientId))
  expect([of(waiting), of(fetching), of(quiet)].map((one) => [one.hasReleasedHeld, one.hasFetchRequests])).toEqual([
    [true, false],
    [false, true],
    [false, false],
  ])
  const { rows } = await db.query('select client_id from hydrations')
  expect(rows).toEqual([{ client_id: fetching.clientId }])
})

test('whom one client has deleted is known to the others of the batch', async () => {
  const [forgetting, other, another] = await Promise.all([newSource(db), newSource(db), newSource(db)])
  await inTransaction(db, (tx) =>
    forgetNames(tx, ring, forgetting.clientId, [{ kind: 'customer', name: '@+test/cus_gone' }]),
  )
  await inTransaction(db, (tx) =>
    forgetNames(tx, ring, another.clientId, [{ kind: 'clientUserId', name: 'nobody of these' }]),
  )
  const event = JSON.parse(subscriptionCreated({ customer: 'cus_gone' }))
  for (const source of [forgetting, other, another]) await source.store(event)
  await normalizeBatch({ ...deps, keyRing: ring }, allLanesOf(forgetting, other, another))
  const reasons = [forgetting, other, another].map(async (source) => (await source.states())[0]?.reason_code)
  expect(await Promise.all(reasons)).toEqual(['user_deleted', null, null])
  const { rows } = await db.query('select client_id from source_event_bodies where client_id = any($1)', [
    [forgetting.clientId, other.clientId, another.clientId],
  ])
  expect(rows.map(({ client_id }) => client_id).sort()).toEqual([other.clientId, another.clientId].sort())
})

test('timers of several clients go off together, each as an event of its client', async () => {
  const sources = await Promise.all([newSource(db), newSource(db), newSource(db)])
  const due = (source: Source, invoiceId: string, at: string) =>
    db.query(
      `insert into invoice_dues (client_id, source_id, invoice_id, account, livemode, lane, due_at)
       values ($1, $2, $3, '', true, 1, now() + $4::interval)`,
      [source.clientId, source.sourceId, invoiceId, at],
    )
  const [two, later, none] = sources
  await due(present(two), 'in_1', '-1 hour')
  await due(present(two), 'in_2', '-2 hours')
  await due(present(later), 'in_1', '1 hour')
  const results = await fireOverdueTimers(deps, allLanesOf(...sources))
  const of = (source: Source | undefined) => present(results.get(present(source).clientId))
  expect(
    of(two)
      .fired.map(({ clientId, eventId }) => [clientId, eventId])
      .sort(),
  ).toEqual(['in_1', 'in_2'].map((id) => [present(two).clientId, expect.stringContaining(id)]))
  expect(of(two).next).toBe(Number.POSITIVE_INFINITY)
  expect(of(later).fired).toEqual([])
  expect(of(later).next).toBeGreaterThan(Date.now())
  expect(of(none)).toEqual({ fired: [], next: Number.POSITIVE_INFINITY })
})
