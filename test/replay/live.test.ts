import { expect, test } from 'vitest'
import { ledgerAddsUp, ledgerText, readLedgerReport } from '../../src/cli/ledger-report.ts'
import type { Db } from '../../src/database/db.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { environment, startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { call, runGateway } from '../support/program.ts'
import { type Received, startReceiver } from '../support/receiver.ts'
import { newToldEvents } from '../support/replaying.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { layWay } from '../support/way.ts'

const idOf = ({ headers }: Received) => String(headers['webhook-id'])

async function expectLedger(db: Db) {
  const ledger = await readLedgerReport(db)
  expect(ledgerAddsUp(ledger), ledgerText(ledger)).toBe(true)
}

/** What a replay has made: one row an event, in the order it was made. */
async function madeBy(db: Db, replayId: string) {
  const { rows } = await db.query(
    `select d.id, d.event_id as "eventId", d.state, d.created_at as "createdAt" from replays r
       join deliveries d on d.client_id = r.client_id and d.origin = r.id where r.id = $1 order by d.id`,
    [replayId],
  )
  return rows as { id: string; eventId: string; state: string; createdAt: Date }[]
}

/** In the long form (FLO_LONG=1) 100,000. */
const MISSED = process.env.FLO_LONG ? 100_000 : 6_000
/** More of a replay than this never waits at an endpoint. */
const WINDOW = 500

test(
  `${MISSED} events are replayed while live ones keep flowing past them`,
  async () => {
    const gateway = await startTestGateway()
    const { api, db } = gateway
    const receiver = await startReceiver()
    const way = await layWay(api, receiver.url)
    const { clientId, sourceId, endpointId } = way
    // As if the endpoint had come after them.
    const missed: string[] = []
    while (missed.length < MISSED) missed.push(...(await newToldEvents(db, { clientId, sourceId, count: 2_000 })))
    await db.query('update endpoints set description = null where id = $1', [endpointId])

    const asked = { endpointId, mode: 'missing' }
    const dry = await api('POST', '/v1/replays', { ...asked, dryRun: true })
    expect([dry.status, dry.body.data.count]).toEqual([200, MISSED])
    const { status, body } = await api('POST', '/v1/replays', asked)
    expect(status).toBe(202)
    const { id } = body.data
    const read = async () => (await api('GET', `/v1/replays/${id}`)).body.data
    let [live, waited] = [0, 0]
    await eventually(
      async () => {
        const { state, deliveries } = await read()
        waited = Math.max(waited, deliveries.pending ?? 0)
        if (state !== 'running') return true
        live += 1
        expect((await way.post(gateway.url, subscriptionCreated())).status).toBe(200)
      },
      { everyMs: 100, timeoutMs: 15 * 60_000 },
    )
    expect(await read()).toMatchObject({ state: 'done', found: MISSED, replayed: MISSED, skipped: 0, progress: 1 })
    expect(waited).toBeLessThanOrEqual(WINDOW)
    expect(live).toBeGreaterThan(10)
    await eventually(() => new Set(receiver.requests.map(idOf)).size === MISSED + live)

    // Which of the replay stood before a live delivery when it came: made before it, and sent after it was there.
    const { rows } = await db.query(
      `select count(a.*) as before, l.id
       from deliveries l
       left join deliveries d on d.client_id = l.client_id and d.origin = $2 and d.created_at <= l.created_at
       left join attempts a on a.client_id = d.client_id and a.event_id = d.event_id and a.delivery_id = d.id
                           and a.started_at > l.created_at
      where l.client_id = $1 and l.origin <> $2 group by l.id`,
      [clientId, id],
    )
    expect(rows).toHaveLength(live)
    const before = rows.map(({ before }) => before)
    console.log(`${live} live deliveries found at most ${Math.max(...before)} of ${MISSED} replayed ones before them`)
    expect(Math.max(...before)).toBeLessThanOrEqual(WINDOW)

    const made = await madeBy(db, id)
    expect(made.map(({ eventId }) => eventId)).toEqual(missed)
    await eventually(async () => (await read()).deliveries.delivered === MISSED)
    expect(receiver.requests).toHaveLength(MISSED + live)
    await expectLedger(db)
  },
  20 * 60_000,
)

test('after kill -9, twice, a replay goes on elsewhere with nothing twice and nothing missing', async () => {
  const { url, db } = await freshDatabase()
  const env = environment(url, { LOG_LEVEL: 'fatal' })
  const processes = [runGateway(await temporaryFolder(), env), runGateway(await temporaryFolder(), env)]
  const [first = ''] = await Promise.all(processes.map(({ listening }) => listening()))
  // As fast as it can be, and slow enough to be killed in the middle.
  const receiver = await startReceiver({ delayMs: 15 })
  const way = await layWay(
    (method, path, body) => call({ url: first, key: env.FLO_ADMIN_KEY }, method, path, body),
    receiver.url,
  )
  const { clientId, sourceId, endpointId } = way
  const missed = await newToldEvents(db, { clientId, sourceId, count: 3_000 })
  await db.query('update endpoints set description = null where id = $1', [endpointId])
  const { status, body } = await call({ url: first, key: env.FLO_ADMIN_KEY }, 'POST', '/v1/replays', {
    clientId,
    endpointId,
    mode: 'missing',
  })
  expect(status).toBe(202)
  const { id } = body.data
  const row = async () => (await db.query('select * from replays where id = $1', [id])).rows[0]

  let [unrecorded, killed] = [0, 0]
  for (const share of [0.1, 0.3]) {
    await eventually(async () => (await row()).replayed > missed.length * share)
    const { rows } = await db.query(
      'select w.pid from leases l join workers w on w.id = l.worker_id where l.client_id = $1 and l.unit = $2',
      [clientId, `replay:${id}`],
    )
    const holder = processes.find(({ child }) => child.pid === rows[0]?.pid)
    if (!holder) throw new Error('No process holds the lease of the replay.')
    holder.child.kill('SIGKILL')
    await holder.ended
    killed += 1
    expect((await row()).state).toBe('running')
    const recorded = await db.query('select delivery_id as id from attempts')
    const known = new Set(recorded.rows.map(({ id }) => id))
    unrecorded += new Set(receiver.requests.map(idOf).filter((one) => !known.has(one))).size
    if (killed === 1) {
      const third = runGateway(await temporaryFolder(), env)
      processes.push(third)
      await third.listening()
    }
  }
  await eventually(async () => (await row()).state === 'done', { timeoutMs: 120_000 })
  expect(await row()).toMatchObject({ found: 3_000, replayed: 3_000, skipped: 0 })
  await eventually(async () => (await madeBy(db, id)).every(({ state }) => state === 'delivered'), {
    timeoutMs: 60_000,
  })
  const made = await madeBy(db, id)
  expect(made.map(({ eventId }) => eventId)).toEqual(missed)
  expect(new Set(receiver.requests.map(idOf))).toEqual(new Set(made.map(({ id }) => id)))
  // What had arrived and was not yet recorded when the process died came twice, and nothing else.
  const twice = receiver.requests.length - made.length
  console.log(`at the kills ${unrecorded} deliveries were sent and not recorded: ${twice} of ${made.length} came twice`)
  expect(twice).toBeLessThanOrEqual(unrecorded)
  await expectLedger(db)
})
