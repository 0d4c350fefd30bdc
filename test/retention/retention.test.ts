import { describe, expect, test } from 'vitest'
import { ledgerAddsUp, ledgerText, readLedgerReport } from '../../src/cli/ledger-report.ts'
import { DAILY_TABLES } from '../../src/database/partitions.ts'
import { newId } from '../../src/domain/ids.ts'
import { newLog } from '../../src/log.ts'
import { purgeExpired } from '../../src/retention/purge-expired.ts'
import { EMISSION_DAYS, OBJECT_DAYS } from '../../src/retention/purges.ts'
import { daysAgo, idAt, pastDay, toldAt } from '../support/aged.ts'
import { runCommand } from '../support/command.ts'
import { environment, startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { startReceiver } from '../support/receiver.ts'
import { layWay } from '../support/way.ts'

const gateway = await startTestGateway()
const { db, api } = gateway
const deps = { db, log: newLog('silent'), now: () => new Date() }
const KEPT = { payload: 30, metadata: 90, graceSeconds: 0 }
const receiver = await startReceiver()

/** Empties what the last test has left: a database for each test would take too long. */
async function fresh() {
  await db.query(`update retention set before = 'epoch'; truncate purges, source_events, emissions;
                  truncate ${DAILY_TABLES.join(', ')}`)
  for (const days of [29, 31, 32, 40, 91, 92, 200]) await pastDay(db, daysAgo(days))
  return layWay(api, receiver.url)
}
const dayOf = (days: number) => daysAgo(days).toISOString().slice(0, 10).replaceAll('-', '')
const isThere = async (partition: string) =>
  (await db.query('select to_regclass($1) is not null as there', [partition])).rows[0].there
const read = async (path: string) => (await api('GET', path)).body

describe('what is past its retention', async () => {
  const way = await fresh()
  const young = await toldAt(db, { ...way, at: daysAgo(29) })
  const old = await toldAt(db, { ...way, at: daysAgo(40), state: 'failed' })
  const ancient = await toldAt(db, { ...way, at: daysAgo(92) })
  const { partitions } = await purgeExpired(deps, KEPT)

  test('goes by whole days: payloads after 30, metadata after 90', async () => {
    const gone = (days: number, tables: readonly string[]) => tables.map((table) => `${table}_${dayOf(days)}`)
    expect(partitions.toSorted()).toEqual(
      [
        ...[32, 40, 91, 92, 200].flatMap((days) => gone(days, ['attempts', 'event_bodies', 'source_event_bodies'])),
        // A day is past its retention when its last moment is.
        ...gone(31, ['attempts', 'event_bodies', 'source_event_bodies']),
        ...[92, 200].flatMap((days) => gone(days, ['deliveries', 'events'])),
        ...gone(91, ['deliveries', 'events']),
      ].toSorted(),
    )
    for (const table of DAILY_TABLES) expect(await isThere(`${table}_${dayOf(29)}`)).toBe(true)
    expect(await isThere(`deliveries_${dayOf(40)}`)).toBe(true)
    expect((await api('GET', `/v1/source-events/${ancient.sourceEventId}`)).status).toBe(404)
    expect((await api('GET', `/v1/deliveries/${ancient.deliveryId}`)).status).toBe(404)
  })

  test('leaves what is younger whole', async () => {
    expect((await read(`/v1/source-events/${young.sourceEventId}`)).data.body).toBe('{}')
    expect((await read(`/v1/events/${young.eventId}`)).data.body).toContain('"eventType":"subscription.created"')
    expect(await read(`/v1/deliveries/${young.deliveryId}/attempts`)).toMatchObject({
      data: [{ number: 1, status: 200 }],
      meta: { nextCursor: null },
    })
  })

  test('shows as such: metadata stays readable, bodies are null, and attempts are said to be gone', async () => {
    expect((await read(`/v1/source-events/${old.sourceEventId}`)).data).toMatchObject({
      state: 'normalized',
      body: null,
    })
    expect((await read(`/v1/events/${old.eventId}`)).data).toMatchObject({ body: null, deliveries: { failed: 1 } })
    expect((await read(`/v1/deliveries/${old.deliveryId}`)).data).toMatchObject({ attempts: 1, body: null })
    expect(await read(`/v1/deliveries/${old.deliveryId}/attempts`)).toEqual({
      data: [],
      meta: { nextCursor: null, prevCursor: null, pastRetention: true },
    })
  })

  test('cannot be sent or normalised again, and the refusal says why', async () => {
    const resent = await api('POST', `/v1/deliveries/${old.deliveryId}/resend`)
    expect([resent.status, resent.body.error.code]).toEqual([409, 'payload_expired'])
    expect(resent.body.error.message).toContain('past its retention')
    await db.query(`update source_events set state = 'failed', reason_code = 'x' where id = $1`, [old.sourceEventId])
    const again = await api('POST', `/v1/source-events/${old.sourceEventId}/renormalize`)
    expect([again.status, again.body.error.code]).toEqual([409, 'body_expired'])
    const all = await api('POST', '/v1/source-events/renormalize', { clientId: way.clientId, state: 'failed' })
    expect(all.body.data).toEqual({ count: 0 })
    await db.query(`update source_events set state = 'normalized', reason_code = null where id = $1`, [
      old.sourceEventId,
    ])
  })

  test('is passed over by replays, and counted', async () => {
    const asked = { clientId: way.clientId, endpointId: way.endpointId, mode: 'all' }
    const dry = await api('POST', '/v1/replays', { ...asked, dryRun: true })
    expect(dry.body.data).toMatchObject({ count: 1, expired: 1 })
  })

  test('is said by explain, which claims no difference that it cannot know of', async () => {
    const { data } = await read(`/v1/source-events/${old.sourceEventId}/explain`)
    expect(data).toMatchObject({
      differs: null,
      mappings: [],
      events: [{ type: 'subscription.created', stored: { id: old.eventId }, deliveries: [{ state: 'failed' }] }],
    })
    expect(data.pastRetention).toMatch(/^Its raw body is past its retention: payloads are kept since \d{4}-/)
    const folder = await temporaryFolder()
    const { stdout } = await runCommand(`explain ${old.sourceEventId}`, folder, environment(gateway.databaseUrl))
    expect(stdout).toContain('Its raw body is past its retention')
    const known = await read(`/v1/source-events/${young.sourceEventId}/explain`)
    expect(known.data.pastRetention).toBeNull()
  })

  test('is not held against the ledger, which says from when on it judges', async () => {
    const report = await readLedgerReport(db, { days: 365, unsureSeconds: 0 })
    expect(ledgerText(report)).toContain('The ledger adds up.')
    expect(report.pastRetention.payload?.getTime()).toBeGreaterThan(daysAgo(31).getTime())
    expect(report.pastRetention.metadata?.getTime()).toBeLessThan(daysAgo(90).getTime())
    expect(ledgerText(report)).toMatch(/payload before \S+T00:00:00.000Z is past its retention, and not judged/)
    await db.query('delete from attempts where delivery_id = $1', [young.deliveryId])
    expect(ledgerAddsUp(await readLedgerReport(db, { days: 365, unsureSeconds: 0 }))).toBe(false)
  })
})

test('what has only just passed its retention is still there', async () => {
  const way = await fresh()
  await toldAt(db, { ...way, at: daysAgo(92) })
  expect(await purgeExpired(deps, { payload: 30, metadata: 90 })).toMatchObject({ partitions: [] })
  expect(await isThere(`deliveries_${dayOf(92)}`)).toBe(true)
  expect((await purgeExpired(deps, KEPT)).partitions).toContain(`deliveries_${dayOf(92)}`)
})

test('a day that unfinished work needs is kept, however old, and goes when that is done', async () => {
  const way = await fresh()
  const late = await toldAt(db, { ...way, at: daysAgo(92), state: 'pending' })
  await toldAt(db, { ...way, at: daysAgo(40), sourceState: 'received' })
  await purgeExpired(deps, KEPT)
  for (const table of ['attempts', 'event_bodies', 'deliveries', 'events'])
    expect(await isThere(`${table}_${dayOf(92)}`), table).toBe(true)
  expect(await isThere(`source_event_bodies_${dayOf(92)}`)).toBe(false)
  expect(await isThere(`source_event_bodies_${dayOf(40)}`)).toBe(true)
  expect((await read(`/v1/deliveries/${late.deliveryId}`)).data.body).not.toBeNull()

  await db.query(`update deliveries set state = 'failed', next_attempt_at = null, finished_at = now() where id = $1`, [
    late.deliveryId,
  ])
  await purgeExpired(deps, KEPT)
  expect(await isThere(`deliveries_${dayOf(92)}`)).toBe(false)
})

test('a partition that a process detached and did not drop before it died is dropped by the next', async () => {
  await fresh()
  await db.query('select detach_partition($1, $2)', ['attempts', `attempts_${dayOf(29)}`])
  expect((await purgeExpired(deps, KEPT)).partitions).toContain(`attempts_${dayOf(29)}`)
  expect(await isThere(`attempts_${dayOf(29)}`)).toBe(false)
})

describe('rows of tables without partitions', () => {
  test('are deleted from default partitions too, except what is still pending', async () => {
    const way = await fresh()
    const [gone, waiting, kept] = [
      await toldAt(db, { ...way, at: daysAgo(120) }),
      await toldAt(db, { ...way, at: daysAgo(121), state: 'pending' }),
      await toldAt(db, { ...way, at: daysAgo(60) }),
    ]
    const received = await toldAt(db, { ...way, at: daysAgo(122), sourceState: 'received' })
    await purgeExpired(deps, KEPT)
    const left = async (table: string, id: string) =>
      (await db.query(`select ${id} as id from ${table} order by 1`)).rows.map((row) => row.id).toSorted()
    expect(await left('deliveries_default', 'event_id')).toEqual([waiting.eventId, kept.eventId].toSorted())
    expect(await left('events_default', 'id')).toEqual([waiting.eventId, kept.eventId].toSorted())
    expect(await left('event_bodies_default', 'event_id')).toEqual([waiting.eventId])
    expect(await left('attempts_default', 'event_id')).toEqual([waiting.eventId])
    expect(await left('source_event_bodies_default', 'source_event_id')).toEqual([received.sourceEventId])
    expect(await left('source_events', 'id')).toEqual([received.sourceEventId, kept.sourceEventId].toSorted())
    expect(await left('emissions', 'event_id')).toContain(gone.eventId)
  })

  test('business keys are kept far longer than Stripe can send an event again, objects of kinds that end even longer', async () => {
    const way = await fresh()
    const key = (days: number) =>
      db.query(`insert into emissions (client_id, contract, key, event_id) values ($1, 'flo.v1', $2, $3)`, [
        way.clientId,
        `${days} days`,
        idAt(daysAgo(days)),
      ])
    for (const days of [1, 91, EMISSION_DAYS - 1, EMISSION_DAYS + 1]) await key(days)
    const object = (kind: string, days: number) =>
      db.query(
        `insert into objects (client_id, source_id, object_id, kind, snapshot, memory, updated_at)
         values ($1, $1, $2, $3, '{}', '{}', $4)`,
        [way.clientId, `${kind} ${days}`, kind, daysAgo(days)],
      )
    for (const kind of ['invoice', 'subscription', 'customer', 'tally'])
      for (const days of [OBJECT_DAYS - 1, OBJECT_DAYS + 1]) await object(kind, days)
    expect((await purgeExpired(deps, KEPT)).rows).toMatchObject({ emissions: 1, objects: 2 })
    const { rows } = await db.query('select object_id from objects where client_id = $1 order by 1', [way.clientId])
    expect(rows.map(({ object_id }) => object_id)).toEqual([
      `customer ${OBJECT_DAYS - 1}`,
      `customer ${OBJECT_DAYS + 1}`,
      `invoice ${OBJECT_DAYS - 1}`,
      `subscription ${OBJECT_DAYS - 1}`,
      `subscription ${OBJECT_DAYS + 1}`,
      `tally ${OBJECT_DAYS - 1}`,
    ])
  })

  test('replays and backfills that have ended are deleted with the metadata, running ones stay', async () => {
    const { clientId, sourceId } = await fresh()
    const begun = async (days: number, state: 'done' | 'running') => {
      const [id, endpointId] = [idAt(daysAgo(days)), newId()]
      await db.query(
        `insert into replays (client_id, id, endpoint_id, mode, state, found, reached, upto, finished_at)
         values ($1, $2, $3, 'all', $4, 0, $3, $3, case when $4 = 'done' then now() end)`,
        [clientId, id, endpointId, state],
      )
      const running = state === 'running'
      await db.query(
        `insert into backfills (client_id, id, source_id, since, until, state, read_until, next_attempt_at, finished_at)
         values ($1, $2, $3, 'epoch', now(), $4, 'epoch', case when $5 then now() + interval '1 day' end, case when not $5 then now() end)`,
        [clientId, id, running ? sourceId : endpointId, running ? state : 'completed', running],
      )
      return id
    }
    await begun(120, 'done')
    const kept = [await begun(60, 'done'), await begun(120, 'running')].toSorted()
    expect((await purgeExpired(deps, KEPT)).rows).toMatchObject({ replays: 1, backfills: 1 })
    for (const table of ['replays', 'backfills']) {
      const { rows } = await db.query(`select id from ${table} where client_id = $1 order by id`, [clientId])
      expect(rows.map(({ id }) => id)).toEqual(kept)
    }
  })

  test('are deleted client by client in batches, and a round that was broken off goes on where it was', async () => {
    const way = await fresh()
    const { clientId: other } = await layWay(api, receiver.url)
    const many = 5000
    for (const clientId of [way.clientId, other])
      await db.query(
        `insert into emissions (client_id, contract, key, event_id)
         select $1, 'flo.v1', n::text, $2::uuid from generate_series(1, $3) n`,
        [clientId, idAt(daysAgo(EMISSION_DAYS + 1)), many],
      )
    let gone = 0
    let runs = 0
    for (; gone < 2 * many && runs < 50; runs += 1) {
      let looks = 0
      const breaksOff = { ...deps, isStopping: () => ++looks > 20 }
      gone += (await purgeExpired(breaksOff, KEPT)).rows.emissions ?? 0
    }
    expect(gone).toBe(2 * many)
    expect(runs).toBeGreaterThan(1)
    expect((await db.query('select from emissions')).rows).toEqual([])
  })

  test('fetched objects are deleted with the payloads, pending fetches are not', async () => {
    await fresh()
    const clientId = newId()
    await db.query(`insert into clients (id, name) values ($1, 'One')`, [clientId])
    for (const [need, state, days] of [
      ['old', 'done', 32],
      ['young', 'done', 29],
      ['asked', 'pending', 32],
    ])
      await db.query(
        `insert into hydrations (client_id, source_id, need, paths, list, essential, state, asked_at, wait_until, give_up_at,
                                 next_attempt_at, fetched_at)
         values ($1, $1, $2, '{/v1/x}', false, false, $3, now() - make_interval(days => $4), now(), now(),
                 case when $3 = 'pending' then now() + interval '1 hour' end, now())`,
        [clientId, need, state, days],
      )
    await purgeExpired(deps, KEPT)
    const { rows } = await db.query('select need from hydrations where client_id = $1 order by need', [clientId])
    expect(rows).toEqual([{ need: 'asked' }, { need: 'young' }])
  })
})
