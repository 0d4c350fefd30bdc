import { setTimeout as delay } from 'node:timers/promises'
import type { Db } from '../src/database/db.ts'
import type { Bench } from './bench.ts'
import { type Child, startChild } from './child.ts'
import { newReceiver, type Receiving } from './drain.ts'
import type { Server } from './program.ts'
import { newTenants, STRIPE_SECRET, type Tenant } from './seed.ts'
import type { StripeLoad, StripeLoadConfig } from './stripe-load.ts'

export const FAN_OUT = 4
/** Events between Stripe and their last delivery: enough to keep every stage busy, and no growing backlog. */
const OUTSTANDING = 500
const CONNECTIONS = 128
const LATE_SECONDS = 60

/** Stripe, a gateway with its clients, and what receives their deliveries. */
export interface Setting {
  db: Db
  server: Server
  receiver: Receiving
  postgres: Bench['postgres']
  load: Child<object, StripeLoad>
  tenants: Tenant[]
  stop(): Promise<void>
}

interface SettingWish {
  /** Starts what is measured, on that database: `startProgram` or `startNaive`. */
  start(databaseUrl: string): Promise<Server>
  /** Each with a source and FAN_OUT endpoints; events are sent to their sources in turn. */
  clients?: number
  /** What is sent instead, when it is not that. */
  send?(tenants: Tenant[], db: Db): Promise<Pick<StripeLoadConfig, 'sourceIds' | 'names'>>
}

export async function startSetting({ postgres }: Bench, { start, clients = 1, send }: SettingWish): Promise<Setting> {
  const database = await postgres.fresh()
  const receiver = await newReceiver()
  const tenants = await newTenants(database.db, { count: clients, endpoints: FAN_OUT, url: receiver.ready.url })
  const sent = (await send?.(tenants, database.db)) ?? { sourceIds: tenants.map(({ sourceId }) => sourceId) }
  const server = await start(database.url)
  const load = await startChild<object, StripeLoad>('stripe-load.ts', {
    ...sent,
    url: server.url,
    secret: STRIPE_SECRET,
    concurrency: CONNECTIONS,
  } satisfies StripeLoadConfig)
  return {
    db: database.db,
    server,
    receiver,
    postgres,
    load,
    tenants,
    async stop() {
      await load.stop()
      await server.stop()
      await receiver.stop()
      await database.drop()
    },
  }
}

/** How many events were sent, and how many had all of their deliveries. */
interface Flow {
  fed: number
  done: number
  at: number
}

/** Keeps OUTSTANDING events on their way until `isOver`, `most` of them at most, and returns when all were delivered. */
async function keepBusy(
  { receiver, load }: Setting,
  { most = Number.POSITIVE_INFINITY, isOver }: { most?: number; isOver(flow: Flow): Promise<boolean> },
): Promise<void> {
  const first = await receiver.ask('count')
  for (let fed = 0; ; ) {
    const done = ((await receiver.ask('count')) - first) / FAN_OUT
    if (await isOver({ fed, done, at: performance.now() })) {
      await Promise.race([receiver.ask('reach', first + fed * FAN_OUT), failWhenLate(fed)])
      return
    }
    const room = Math.min(Math.floor(OUTSTANDING - (fed - done)), most - fed)
    if (room > OUTSTANDING / 10 || (room > 0 && room === most - fed)) {
      await load.ask('feed', room)
      fed += room
    } else await delay(2)
  }
}

async function failWhenLate(fed: number): Promise<never> {
  await delay(LATE_SECONDS * 1000, undefined, { ref: false })
  throw new Error(`${LATE_SECONDS} s after ${fed} events, deliveries were still missing`)
}

/** Sends so many events, OUTSTANDING at a time, and returns when all were delivered. */
export const feedEvents = (setting: Setting, count: number): Promise<void> =>
  keepBusy(setting, { most: count, isOver: async ({ fed }) => fed >= count })

/** What is warm before anything is measured: caches, plans, pages that were never written; each client has had an event. */
export const warmUp = (setting: Setting): Promise<void> =>
  feedEvents(setting, Math.max(OUTSTANDING, setting.tenants.length))

/** What one round came to, for each event. */
export interface Sustained {
  perSecond: number
  statements: number
  logBytes: number
  nodeMs: number
  postgresMs: number
  /** Of the gateway's processes, at the end. */
  rssMb: number
}

/** Keeps OUTSTANDING events on their way for so many seconds and a lead-in; what is told is of the time after the lead-in. */
export async function measureSustained(setting: Setting, seconds: number): Promise<Sustained> {
  const { server, postgres } = setting
  const lead = Math.min(2, seconds / 2) * 1000
  const start = performance.now()
  const readSpent = async ({ done, at }: Flow) => ({
    ...(await server.usage()),
    postgres: postgres.cpuSeconds(),
    done,
    at,
  })
  let from: Awaited<ReturnType<typeof readSpent>> | undefined
  let until: typeof from
  await keepBusy(setting, {
    async isOver(flow) {
      if (!from && flow.at - start > lead) from = await readSpent(flow)
      if (from && flow.at - from.at > seconds * 1000) until = await readSpent(flow)
      return until !== undefined
    },
  })
  if (!from || !until) throw new Error('Nothing was measured.')
  const done = until.done - from.done
  return {
    perSecond: (done / (until.at - from.at)) * 1000,
    statements: (until.statements - from.statements) / done,
    logBytes: (until.logBytes - from.logBytes) / done,
    nodeMs: ((until.cpuSeconds - from.cpuSeconds) / done) * 1000,
    postgresMs: ((until.postgres - from.postgres) / done) * 1000,
    rssMb: until.rssMb,
  }
}

/** Milliseconds from sending an event to seeing each of its deliveries, at so many events a second. */
export async function measureDelays({ receiver, load }: Setting, perSecond: number, seconds: number) {
  await load.ask('load', 1, perSecond)
  const before = await receiver.ask('count')
  await receiver.ask('watch')
  const { accepted, failures } = await load.ask('load', seconds, perSecond)
  if (failures.length > 0) throw new Error(failures.join('\n'))
  await receiver.ask('reach', before + accepted * FAN_OUT)
  await delay(200)
  return receiver.ask('latencies')
}
