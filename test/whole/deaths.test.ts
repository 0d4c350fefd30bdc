import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { newId } from '../../src/domain/ids.ts'
import { afterwards } from '../support/afterwards.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { environment, temporaryFolder } from '../support/gateway.ts'
import { call, runGateway } from '../support/program.ts'
import { startReceiver } from '../support/receiver.ts'
import { postOver, runSeveral } from '../support/several.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { chooseCount } from '../support/thorough.ts'
import { layWay } from '../support/way.ts'

// What ends the process ends as `failed`, and only that.

/** Kills of a process, each of which costs a start. */
const KILLS = chooseCount(12, 50)

const receiver = await startReceiver()
const CONTRACT = fileURLToPath(new URL('../support/deadly/index.ts', import.meta.url))

/** A gateway that a supervisor starts again whenever it ends. */
async function superviseGateway() {
  const { url, db } = await freshDatabase()
  const folder = await temporaryFolder()
  const env = environment(url, { FLO_CONTRACTS: CONTRACT, FLO_HOLD_SECONDS: '0', LOG_LEVEL: 'error' })
  let running = runGateway(folder, env)
  let deaths = 0
  let isOver = false
  afterwards(async () => {
    isOver = true
  })
  const supervising = (async () => {
    while (!isOver) {
      const { code, stderr } = await running.ended
      if (isOver) return
      // It died; what ends by itself could not even start.
      if (code !== null) throw new Error(`It ended with ${code}: ${stderr}`)
      deaths += 1
      running = runGateway(folder, env)
    }
  })()
  const urlNow = () => /listens on (\S+)/.exec(running.said.stdout)?.[1]
  return {
    db,
    deaths: () => deaths,
    /** Ends the process at once, whatever it is doing. */
    kill: () => running.child.kill('SIGKILL'),
    isListening: () => urlNow() !== undefined && running.child.exitCode === null && running.child.signalCode === null,
    api: (method: string, path: string, body?: unknown) =>
      call({ url: urlNow() ?? 'http://127.0.0.1:1', key: env.FLO_ADMIN_KEY }, method, path, body),
    url: () => urlNow() ?? 'http://127.0.0.1:1',
    async end() {
      isOver = true
      running.child.kill('SIGKILL')
      await supervising
    },
  }
}

type Supervised = Awaited<ReturnType<typeof superviseGateway>>

/** Sends until it is answered, as Stripe does. */
async function sendPersistently({ url }: Supervised, way: Awaited<ReturnType<typeof layWay>>, body: string) {
  await eventually(async () => (await way.post(url(), body)).status === 200, { timeoutMs: 120_000, everyMs: 100 })
}

const readStates = async ({ db }: Pick<Supervised, 'db'>) =>
  (
    await db.query<{ event_id: string; state: string; reason_code: string | null }>(
      'select event_id, state, reason_code from source_events order by id',
    )
  ).rows

const deadlyInvoice = (id = newId()) =>
  JSON.stringify({
    id: `evt_deadly_${id}`,
    object: 'event',
    type: 'invoice.paid',
    created: Math.floor(Date.now() / 1000),
    data: {
      object: { id: `in_${id}`, object: 'invoice', customer: `cus_${id}`, amount_paid: 5, metadata: { deadly: 'yes' } },
    },
  })

test('an event that ends the process fails after three deaths alone, across starts, and all others go on', async () => {
  const gateway = await superviseGateway()
  await eventually(gateway.isListening)
  const way = await layWay(gateway.api, receiver.url)
  const good = Array.from({ length: 20 }, () => subscriptionCreated())
  const bodies = [...good.slice(0, 10), deadlyInvoice(), ...good.slice(10)]
  await Promise.all(bodies.map((body) => sendPersistently(gateway, way, body)))
  const states = await eventually(
    async () => {
      const found = await readStates(gateway)
      return found.length === bodies.length && found.every(({ state }) => state !== 'received') && found
    },
    { timeoutMs: 180_000 },
  )
  expect(Object.groupBy(states, ({ state }) => state).normalized).toHaveLength(good.length)
  const failed = states.filter(({ state }) => state === 'failed')
  expect(failed).toMatchObject([{ reason_code: 'process_died' }])
  // Among others in a batch, in a group and in a smaller one, at most, and three times alone.
  expect([3, 4, 5, 6]).toContain(gateway.deaths())

  // Whoever asks why is answered, by a process that lives on.
  await eventually(gateway.isListening)
  const { rows } = await gateway.db.query(`select id from source_events where state = 'failed'`)
  const explained = await gateway.api('GET', `/v1/source-events/${rows[0].id}/explain?clientId=${way.clientId}`)
  expect(explained.status).toBe(200)
  expect(explained.body.data.sourceEvent.reason).toMatchObject({ code: 'process_died' })
  expect((await gateway.db.query('select from lone_attempts')).rowCount).toBe(0)
  expect((await gateway.db.query('select from interrupted_lanes')).rowCount).toBe(0)
  const before = gateway.deaths()
  await sendPersistently(gateway, way, subscriptionCreated())
  await eventually(async () => (await readStates(gateway)).at(-1)?.state === 'normalized')
  expect(gateway.deaths()).toBe(before)
  await gateway.end()
}, 600_000)

test('of a gateway of several processes it ends children, one after another, and never the gateway', async () => {
  const { url: databaseUrl, db } = await freshDatabase()
  const gateway = await runSeveral({ url: databaseUrl }, 2, { FLO_CONTRACTS: CONTRACT, FLO_HOLD_SECONDS: '0' })
  const url = await gateway.listening()
  const way = await layWay(gateway.api, receiver.url)
  const bodies = [...Array.from({ length: 5 }, () => subscriptionCreated()), deadlyInvoice()]
  for (const body of bodies)
    await eventually(async () => (await postOver(false, { url, sourceId: way.sourceId, body })) === 200)
  await eventually(
    async () => {
      const states = (await readStates({ db })).map(({ state, reason_code }) => reason_code ?? state)
      expect(states.toSorted()).toEqual([...Array(5).fill('normalized'), 'process_died'])
      return true
    },
    { timeoutMs: 180_000 },
  )
  expect(gateway.logged('process.ended').length).toBeGreaterThanOrEqual(3)
  expect(gateway.child.exitCode).toBeNull()
})

test('kill after kill under load fails no event', async () => {
  const gateway = await superviseGateway()
  await eventually(gateway.isListening)
  const way = await layWay(gateway.api, receiver.url)
  let isOver = false
  let sent = 0
  const sending = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      await sendPersistently(gateway, way, subscriptionCreated())
      sent += 1
      await delay(50)
    }
  })
  for (let kills = 0; kills < KILLS; kills += 1) {
    await eventually(gateway.isListening, { timeoutMs: 120_000 })
    await delay((kills * 37) % 300)
    gateway.kill()
    await eventually(() => gateway.deaths() > kills)
  }
  isOver = true
  await Promise.all(sending)
  const states = await eventually(
    async () => {
      const found = await readStates(gateway)
      return found.every(({ state }) => state !== 'received') && found
    },
    { timeoutMs: 120_000 },
  )
  expect(states.length).toBeGreaterThanOrEqual(sent)
  expect(states.filter(({ state }) => state !== 'normalized')).toEqual([])
  await gateway.end()
}, 900_000)
