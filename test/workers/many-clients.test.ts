import { expect, test } from 'vitest'
import { findDueBackfills, nextBackfillTimes } from '../../src/backfill/state.ts'
import { newId } from '../../src/domain/ids.ts'
import { readDueFetches, readNextDue } from '../../src/hydrate/due-fetches.ts'
import { giveUpOptionalFetches } from '../../src/hydrate/release.ts'
import { readEarliestDue } from '../../src/normalize/lanes.ts'
import { LANES } from '../../src/receive/lane.ts'
import { findRunningReplays } from '../../src/replay/state.ts'
import { readDueDeletions, readNextPasses } from '../../src/retention/deletion/open-deletions.ts'
import { freshDatabase } from '../support/database.ts'
import { watchPool } from '../support/watched-pool.ts'

const { db } = await freshDatabase()

const clients = Array.from({ length: 12 }, newId)
const source = newId()
await db.query(
  `insert into hydrations (client_id, source_id, need, paths, list, essential, wait_until, give_up_at, next_attempt_at)
   select c, case when g = 0 then $2 else gen_random_uuid() end, 'need_' || g, '{/v1/x}', false, g = 1, now(), now() + interval '1 day',
          now() + (g - 1) * n * interval '1 minute'
     from unnest($1::uuid[]) with ordinality w(c, n), generate_series(0, 3) g where n % 4 <> 0`,
  [clients, source],
)
await db.query(
  `insert into hydration_circuits (client_id, source_id, failures, open_until, reason_code, reason_message)
   select c, $2, 9, now() + interval '1 hour', 'unreachable', 'gone' from unnest($1::uuid[]) with ordinality w(c, n) where n % 2 = 0`,
  [clients, source],
)
await db.query(
  `insert into backfills (client_id, id, source_id, since, until, read_until, next_attempt_at)
   select c, gen_random_uuid(), gen_random_uuid(), now() - interval '1 day', now(), now(), now() + g * n * interval '1 minute'
     from unnest($1::uuid[]) with ordinality w(c, n), generate_series(-1, 1) g where n % 3 <> 0`,
  [clients],
)
await db.query(
  `insert into replays (client_id, id, endpoint_id, mode, reached, upto)
   select c, gen_random_uuid(), gen_random_uuid(), 'all', c, c from unnest($1::uuid[]) with ordinality w(c, n), generate_series(1, 2) where n % 2 = 1`,
  [clients],
)
await db.query(
  `insert into deletions (client_id, id, kind, subject_id, requested_by, counts, next_pass_at)
   select c, gen_random_uuid(), 'payload', c, 'key', '{}', now() + g * n * interval '1 minute'
     from unnest($1::uuid[]) with ordinality w(c, n), generate_series(-1, 1) g where n % 5 <> 0`,
  [clients],
)
await db.query(
  `insert into source_events (client_id, id, source_id, livemode, event_id, type, lane, created_at, due_at)
   select c, gen_random_uuid(), c, true, 'evt_' || g, 'x', g % ${LANES}, now(), now() + (n * g - 20) * interval '1 minute'
     from unnest($1::uuid[]) with ordinality w(c, n), generate_series(0, 9) g where n % 4 <> 1`,
  [clients],
)
await db.query(
  `insert into invoice_dues (client_id, source_id, invoice_id, account, livemode, lane, due_at)
   select c, c, 'in_' || g, '', true, 0, now() + (g * 7 - n * 3) * interval '1 minute'
     from unnest($1::uuid[]) with ordinality w(c, n), generate_series(0, 2) g where n % 3 = 1`,
  [clients],
)

const sorted = (found: unknown) =>
  found instanceof Map || Array.isArray(found) ? [...found].map((one) => JSON.stringify(one)).toSorted() : found

// Those that change something come last.
test.each<[string, (clientIds: readonly string[]) => Promise<Iterable<unknown>>]>([
  ['the fetches that are due', (ids) => readDueFetches(db, ids)],
  ['the next fetches', (ids) => readNextDue(db, ids)],
  ['the backfills that are due', (ids) => findDueBackfills(db, ids)],
  ['the next backfills', (ids) => nextBackfillTimes(db, ids)],
  ['the running replays', (ids) => findRunningReplays(db, ids)],
  ['the deletions that are due', (ids) => readDueDeletions(db, ids)],
  ['the next passes of deletions', (ids) => readNextPasses(db, ids)],
  ['the first source event or timer', (ids) => readEarliestDue(db, ids, LANES)],
])('%s of many clients are those of each of them', async (_, read) => {
  const together = sorted(await read(clients)) as string[]
  const each = (await Promise.all(clients.map((clientId) => read([clientId])))).map(
    (found) => sorted(found) as string[],
  )
  expect(together).toEqual(each.flat().toSorted())
  // Some have any, and not all have as many.
  expect(together.length).toBeGreaterThan(clients.length / 3)
  expect(new Set(each.map(({ length }) => length)).size).toBeGreaterThan(1)
})

test('about no client nothing is asked of the database', async () => {
  const silent = watchPool(db, ({ text }) => {
    throw new Error(`asked: ${text}`)
  })
  expect(await readDueFetches(silent, [])).toEqual([])
  expect(await readEarliestDue(silent, [], LANES)).toEqual(new Map())
})

test('fetches that can be done without are given up for those clients alone whose source is left alone', async () => {
  const pending = async () =>
    (
      await db.query(
        `select client_id from hydrations where source_id = $1 and state = 'pending' and not essential order by client_id`,
        [source],
      )
    ).rows.map((row) => row.client_id)
  const open = clients.filter((_, at) => (at + 1) % 2 === 0 && (at + 1) % 4 !== 0)
  expect((await pending()).length).toBeGreaterThan(open.length)
  expect((await giveUpOptionalFetches(db, clients)).toSorted()).toEqual(open.toSorted())
  expect(await pending()).toEqual(clients.filter((_, at) => (at + 1) % 2 !== 0).toSorted())
})
