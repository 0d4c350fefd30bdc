import { setTimeout as delay } from 'node:timers/promises'
import type { Bench, Figure, Row } from './bench.ts'
import { type Child, startChild } from './child.ts'
import { newReceiver, type Receiving } from './drain.ts'
import { medianOf, runBeside } from './figures.ts'
import type { GatewayServer } from './gateway-server.ts'
import type { NaiveConfig } from './naive-server.ts'
import { newClient, newDeliveries, newEndpoints, newSource, STRIPE_SECRET } from './seed.ts'
import type { StripeLoad } from './stripe-load.ts'

const FAN_OUT = 4
/** Events between Stripe and their last delivery: enough to keep every stage busy, and no growing backlog. */
const OUTSTANDING = 500
const HANGING = 10_000

interface Setting {
  server: Child<{ url: string }, GatewayServer>
  receiver: Receiving
  postgres: Bench['postgres']
  load: Child<object, StripeLoad>
  /** A fifth endpoint that never answers, with so many deliveries waiting for it. */
  addHanging(): Promise<void>
  stop(): Promise<void>
}

/** Stripe's events in, four endpoints out: sustained rate, delay at a fifth of it, and what one hanging endpoint does to it. */
export const endToEnd: Row = {
  name: 'end-to-end',
  about: `Signed Stripe events in, normalised into both contracts, delivered to ${FAN_OUT} endpoints; Stripe simulator, gateway, PostgreSQL and
receivers share the machine. Baseline: a gateway of the usual design, with one transaction and one Graphile Worker job per
request. Latency is from sending an event to receiving each of its deliveries.`,
  async measure(bench: Bench): Promise<Figure[]> {
    const rounds = bench.quick ? 1 : 3
    const seconds = bench.quick ? 3 : 8
    const ours = await startSetting(bench, 'gateway-server.ts')
    const naive = await startSetting(bench, 'naive-server.ts')
    const fast: number[] = []
    const plain: number[] = []
    const statements: number[] = []
    const node: number[] = []
    const postgres: number[] = []
    for (let round = 0; round <= rounds; round++) {
      const [a, b] = [await findSustainedRate(ours, seconds), await findSustainedRate(naive, round === 0 ? 2 : seconds)]
      // The first round warms both up.
      if (round === 0) continue
      fast.push(a.perSecond)
      plain.push(b.perSecond)
      statements.push(a.statements)
      node.push(a.nodeMicroseconds)
      postgres.push(a.postgresMicroseconds)
      bench.say(
        `round ${round}: ours ${Math.round(a.perSecond)} events/s, one job per request ${Math.round(b.perSecond)}`,
      )
    }
    await naive.stop()
    const { rssMb } = await ours.server.ask('usage')
    const perSecond = Math.round(0.2 * medianOf(fast))
    const calm = await readDelays(ours, perSecond, seconds)
    await ours.addHanging()
    const troubled = await readDelays(ours, perSecond, seconds)
    await ours.stop()
    return [
      {
        what: `end to end, fan-out ${FAN_OUT}, no growing backlog`,
        value: medianOf(fast),
        unit: 'events/s',
        ratio: runBeside('one transaction and one job per request', fast, plain, { atLeast: 2.5 }),
        detail: {
          rounds: fast,
          plainRounds: plain,
          nodeMicrosecondsEach: node,
          postgresMicrosecondsEach: postgres,
          rssMb,
        },
      },
      { what: 'the same, in events/s', value: medianOf(fast), unit: 'events/s', atLeast: 1200 },
      { what: 'SQL statements per event', value: medianOf(statements), unit: '', atMost: 2 },
      { what: `receive to client at ${perSecond} events/s, p50`, value: calm.p50, unit: 'ms', atMost: 25 },
      { what: `receive to client at ${perSecond} events/s, p99`, value: calm.p99, unit: 'ms', atMost: 250 },
      {
        what: `p99 beside a hanging endpoint with ${HANGING.toLocaleString('en')} waiting`,
        value: troubled.p99,
        unit: 'ms',
        ratio: { of: 'the same without it', value: troubled.p99 / calm.p99, atMost: 1.5 },
      },
    ]
  },
}

async function startSetting(bench: Bench, script: 'gateway-server.ts' | 'naive-server.ts'): Promise<Setting> {
  const database = await bench.postgres.fresh()
  const receiver = await newReceiver()
  const clientId = await newClient(database.db)
  const source = await newSource(database.db, clientId)
  await newEndpoints(database.db, clientId, receiver.ready.url, { count: FAN_OUT })
  const config = { databaseUrl: database.url, source } satisfies NaiveConfig
  const server = await startChild<{ url: string }, GatewayServer>(script, config)
  const url = server.ready.url + source.id
  const load = await startChild<object, StripeLoad>('stripe-load.ts', { url, secret: STRIPE_SECRET, concurrency: 128 })
  return {
    server,
    receiver,
    postgres: bench.postgres,
    load,
    async addHanging() {
      const ids = await newEndpoints(database.db, clientId, `${receiver.ready.url}/hang`)
      await newDeliveries(database.db, clientId, ids, { count: HANGING })
    },
    async stop() {
      await server.ask('stop')
      for (const process of [load, receiver, server]) await process.stop()
      await database.drop()
    },
  }
}

/**
 * Keeps OUTSTANDING events on their way for so many seconds and a lead-in; events/s that had all of their deliveries, and
 * statements and processor time for each, after the lead-in.
 */
async function findSustainedRate({ server, receiver, postgres, load }: Setting, seconds: number) {
  const first = await receiver.ask('count')
  const isKeepingUp = async () => ({
    at: performance.now(),
    done: ((await receiver.ask('count')) - first) / FAN_OUT,
  })
  const cpuUsed = async () => ({
    statements: await server.ask('statements'),
    node: (await server.ask('usage')).cpuSeconds,
    postgres: postgres.cpuSeconds(),
  })
  const lead = Math.min(2, seconds / 2) * 1000
  const start = performance.now()
  let from: (Awaited<ReturnType<typeof isKeepingUp>> & Awaited<ReturnType<typeof cpuUsed>>) | undefined
  let now = await isKeepingUp()
  for (let fed = 0; ; now = await isKeepingUp()) {
    if (!from && now.at - start > lead) from = { ...(await cpuUsed()), ...(await isKeepingUp()) }
    if (from && now.at - from.at > seconds * 1000) {
      const until = await cpuUsed()
      await Promise.race([receiver.ask('reach', first + fed * FAN_OUT), lateShare(60, fed)])
      const done = now.done - from.done
      return {
        perSecond: (done / (now.at - from.at)) * 1000,
        statements: (until.statements - from.statements) / done,
        nodeMicroseconds: Math.round(((until.node - from.node) / done) * 1e6),
        postgresMicroseconds: Math.round(((until.postgres - from.postgres) / done) * 1e6),
      }
    }
    const room = Math.floor(OUTSTANDING - (fed - now.done))
    if (room > OUTSTANDING / 10) {
      await load.ask('feed', room)
      fed += room
    } else await delay(2)
  }
}

async function lateShare(seconds: number, fed: number): Promise<never> {
  await delay(seconds * 1000, undefined, { ref: false })
  throw new Error(`${seconds} s after ${fed} events, deliveries were still missing`)
}

/** Milliseconds from sending an event to seeing each of its deliveries, at so many events a second. */
async function readDelays({ receiver, load }: Setting, perSecond: number, seconds: number) {
  await load.ask('load', 1, perSecond)
  const before = await receiver.ask('count')
  await receiver.ask('watch')
  const { accepted, failures } = await load.ask('load', seconds, perSecond)
  if (failures.length > 0) throw new Error(failures.join('\n'))
  await receiver.ask('reach', before + accepted * FAN_OUT)
  await delay(200)
  return receiver.ask('latencies')
}
