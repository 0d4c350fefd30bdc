import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mappings } from '../../mappings/index.ts'
import type { Json } from '../../src/domain/json.ts'
import { fanOut } from '../../src/fanout/fanout.ts'
import { newLog } from '../../src/log.ts'
import { normalizeBatch } from '../../src/normalize/batch.ts'
import { freshDatabase } from '../support/database.ts'
import { eventsOf, lives } from '../support/life.ts'
import { present } from '../support/present.ts'
import { lanes, newSource } from '../support/storing.ts'
import { walk } from '../support/walk.ts'

// Whatever the lives of the clients of a batch, though all of them have the same ids, and in whatever order their events arrive: what is
// told to each, and what is held for it, is what it would be with nobody beside it.

const { db } = await freshDatabase()
const deps = { db, log: newLog('silent'), mappings, fanOut, now: () => new Date(), holdSeconds: 3600 }
type Source = Awaited<ReturnType<typeof newSource>>

const MOST_EVENTS = 80
const client = fc.record({
  life: lives,
  // Where each of its events lands among all.
  landings: fc.array(fc.nat(99), { minLength: MOST_EVENTS, maxLength: MOST_EVENTS }),
  // Whether it says nowhere who its users are, so that all that needs them is held.
  isNameless: fc.boolean(),
})
const given = fc.record({
  clients: fc.array(client, { minLength: 2, maxLength: 5 }),
  // How many events each batch finds that are new.
  batches: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 10 }),
})
type Given = typeof given extends fc.Arbitrary<infer G> ? G : never

/** The events of all as they arrive: of which client each is, by its place among the clients. */
function mixLives({ clients }: Given): { of: number; event: Json }[] {
  const placed = clients.flatMap(({ life, landings, isNameless }, of) =>
    eventsOf(life).map((event, at) => ({
      of,
      event: isNameless ? JSON.parse(JSON.stringify(event).replaceAll('client_user_id', 'note_of_nobody')) : event,
      place: present(landings[at % MOST_EVENTS]),
    })),
  )
  return placed.sort((a, b) => a.place - b.place)
}

async function normalizeAll(sources: readonly Source[]) {
  for (let isDone = false; !isDone; ) {
    const results = await normalizeBatch(deps, new Map(sources.map(({ clientId }) => [clientId, lanes])))
    isDone = [...results.values()].every((one) => one.sourceEventCount === 0 && !one.hasReleasedHeld)
  }
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const withoutOurIds = (row: Json) => JSON.stringify(row).replace(UUID, '…')

/** What has become of each event, and all that was told, without ids of ours. */
async function readAll(source: Source): Promise<{ states: string[]; told: string[] }> {
  const { rows } = await db.query(
    `select e.contract, e.type, e.key, b.body from events e
       join event_bodies b on b.client_id = e.client_id and b.event_id = e.id where e.client_id = $1`,
    [source.clientId],
  )
  const states = (await source.states()).map(({ id: _id, ...state }) => JSON.stringify(state))
  return { states, told: rows.map(withoutOurIds).sort() }
}

test('several clients with the same ids, in any order of arrival: each is told what it would be told alone', async () => {
  const seen = { told: 0, held: 0 }
  await fc.assert(
    fc.asyncProperty(given, async (one) => {
      const sourcesOf = () => Promise.all(one.clients.map(() => newSource(db)))
      const [together, alone] = [await sourcesOf(), await sourcesOf()]
      const stream = mixLives(one)
      for (let turn = 0; stream.length > 0; turn += 1) {
        const some = stream.splice(0, present(one.batches[turn % one.batches.length]))
        for (const { of, event } of some)
          await Promise.all([present(together[of]).store(event), present(alone[of]).store(event)])
        await normalizeAll(together)
        for (const of of new Set(some.map((arrival) => arrival.of))) await normalizeAll([present(alone[of])])
      }
      for (const [of, source] of together.entries()) {
        const [beside, by] = [await readAll(source), await readAll(present(alone[of]))]
        expect(beside).toEqual(by)
        seen.told += beside.told.length
        seen.held += beside.states.filter((state) => state.includes('"held"')).length
      }
    }),
    { ...walk(12), endOnFailure: true },
  )
  // Both kinds were among what was drawn.
  expect([seen.told > 20, seen.held > 5]).toEqual([true, true])
}, 240_000)
