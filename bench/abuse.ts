import { createHash, randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Db } from '../src/database/db.ts'
import type { Attacker } from './abuse-attacker.ts'
import { type Owned, type RouteAttack, routeAttacks } from './abuse-requests.ts'
import type { Bench, Figure, Row } from './bench.ts'
import { startChild } from './child.ts'
import { newReceiver } from './drain.ts'
import { medianOf } from './figures.ts'
import { startProgram } from './program.ts'
import { newClient, newDeliveries, newEndpoints, newSource, STRIPE_SECRET } from './seed.ts'
import type { StripeLoad, StripeLoadConfig } from './stripe-load.ts'

const SECRET = 'secret-of-the-abuse'
const PER_SECOND = 40
const CONCURRENCY = 64
const CONNECTIONS = 100

/** What an honest client has of the gateway in one window. */
interface Window {
  attack: string
  p99: number
  accepted: number
  delivered: number
  rssMb: number
  answers?: unknown
}

/** One client doing its worst by each route of the document, and people without a key, beside an honest client. */
export const abuse: Row = {
  name: 'abuse',
  alone: true,
  about: `An honest client's ${PER_SECOND} webhooks a second while somebody else attacks: another client with a key, by every route of
/openapi.json in turn with ${CONCURRENCY} requests at once, and people without a key. Baseline: windows of the same run in which nobody attacks.`,
  async measure(bench: Bench): Promise<Figure[]> {
    const setting = await layOut(bench)
    try {
      return await measureAll(bench, setting)
    } finally {
      await setting.stop()
    }
  },
}

async function measureAll({ quick, say }: Bench, setting: Awaited<ReturnType<typeof layOut>>): Promise<Figure[]> {
  const seconds = quick ? 1 : 4
  const quiet: Window[] = []
  const measureQuiet = async () => void quiet.push(await setting.window('nobody', seconds, async () => null))
  // The first one warms up.
  await setting.window('warm-up', seconds, async () => null)
  await measureQuiet()
  const withKey: Window[] = []
  for (const [at, attack] of setting.attacks.entries()) {
    const key = await setting.newKey()
    const window = await setting.window(attack.route, seconds, () =>
      setting.attacker.ask('hammer', attack.requests(key), seconds, CONCURRENCY),
    )
    withKey.push(window)
    say(describeWindow(window))
    if (at % 10 === 9) await measureQuiet()
  }
  await measureQuiet()
  const keyless: Window[] = []
  for (const name of await setting.attacker.ask('keylessNames')) {
    const path = setting.victimPath
    const window = await setting.window(name, seconds, () =>
      setting.attacker.ask('attackKeyless', name, { seconds, connections: CONNECTIONS, path }),
    )
    keyless.push(window)
    say(describeWindow(window))
  }
  await measureQuiet()
  return [
    ...figuresOf('another client, by the worst route', withKey, quiet, { p99Ms: 250, deliveries: 0.5 }),
    ...figuresOf('people without a key, the worst way', keyless, quiet, {}),
  ]
}

const describeWindow = ({ attack, p99, accepted, delivered, rssMb, answers }: Window) =>
  `${attack}: p99 ${Math.round(p99)} ms, accepted ${accepted}, delivered ${delivered}, ${rssMb} MB, ${JSON.stringify(answers)}`

function figuresOf(
  whom: string,
  windows: readonly Window[],
  quiet: readonly Window[],
  bars: { p99Ms?: number; deliveries?: number },
): Figure[] {
  const base = (what: 'p99' | 'accepted' | 'delivered' | 'rssMb') => medianOf(quiet.map((window) => window[what]))
  const worst = (what: 'p99' | 'accepted' | 'delivered' | 'rssMb', sign: 1 | -1) =>
    windows.reduce((a, b) => (sign * b[what] > sign * a[what] ? b : a))
  const beside = (window: Window, what: 'p99' | 'accepted' | 'delivered' | 'rssMb') => ({
    of: `nobody attacks; worst: ${window.attack}`,
    value: window[what] / base(what),
  })
  const [slowest, fewest, least, largest] = [
    worst('p99', 1),
    worst('accepted', -1),
    worst('delivered', -1),
    worst('rssMb', 1),
  ]
  const detail = { windows, quiet }
  return [
    {
      what: `webhook answered, p99, beside ${whom}`,
      value: slowest.p99,
      unit: 'ms',
      ...(bars.p99Ms !== undefined && { atMost: bars.p99Ms }),
      note: `${(slowest.p99 / base('p99')).toFixed(1)} of what it is when ${beside(slowest, 'p99').of}`,
      detail,
    },
    {
      what: `webhooks accepted, beside ${whom}`,
      value: fewest.accepted,
      unit: '',
      ratio: { ...beside(fewest, 'accepted'), atLeast: 0.95 },
    },
    {
      what: `deliveries made, beside ${whom}`,
      value: least.delivered,
      unit: '',
      ratio: { ...beside(least, 'delivered'), ...(bars.deliveries !== undefined && { atLeast: bars.deliveries }) },
    },
    {
      what: `memory of the gateway, beside ${whom}`,
      value: largest.rssMb,
      unit: 'MB',
      ratio: beside(largest, 'rssMb'),
    },
  ]
}

/** A gateway with two clients, of which one has a past that costs something to look at. */
async function layOut({ postgres, quick }: Bench) {
  const database = await postgres.fresh()
  const { db } = database
  const [victimReceiver, otherReceiver] = [await newReceiver(), await newReceiver()]
  const victim = await newClient(db)
  const victimSource = await newSource(db, victim)
  await newEndpoints(db, victim, victimReceiver.ready.url)
  const owned = await layPast(db, otherReceiver.ready.url, quick ? 2_000 : 50_000)
  const server = await startProgram(database.url)
  const url = new URL(server.url).origin
  const load = await startChild<object, StripeLoad>('stripe-load.ts', {
    ...{ url: server.url, sourceIds: [victimSource.id], secret: STRIPE_SECRET, concurrency: 32 },
  } satisfies StripeLoadConfig)
  const attacker = await startChild<object, Attacker>('abuse-attacker.ts', { url })
  const document = await (await fetch(`${url}/openapi.json`)).json()
  const attacks: RouteAttack[] = routeAttacks(document as Parameters<typeof routeAttacks>[0], owned)
  return {
    attacker,
    attacks,
    victimPath: `/webhooks/stripe/${victimSource.id}`,
    newKey: () => newKey(db, owned.clientId),
    async window(attack: string, seconds: number, act: () => Promise<unknown>): Promise<Window> {
      const before = await victimReceiver.ask('count')
      const [{ p99, accepted }, answers] = await Promise.all([load.ask('load', seconds, PER_SECOND), act()])
      const delivered = (await victimReceiver.ask('count')) - before
      const { rssMb } = await server.usage()
      await untilSettled(db)
      return { attack, p99, accepted, delivered, rssMb, answers }
    },
    async stop() {
      for (const child of [load, attacker, server, victimReceiver, otherReceiver]) await child.stop()
      await database.drop()
    },
  }
}

/** What an attack has left to do must not be charged to the next one; a minute at most. */
async function untilSettled(db: Db): Promise<void> {
  for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 200) {
    const { rows } = await db.query(
      `select exists (select from source_events where due_at is not null) or
              exists (select from deliveries where state = 'pending') or
              exists (select from replays where state = 'running') as busy`,
    )
    if (!rows[0].busy) return
    await delay(200)
  }
}

/** So many deliveries of a client that were made long ago, to an endpoint at `url`. */
async function layPast(db: Db, url: string, deliveries: number): Promise<Owned> {
  const clientId = await newClient(db)
  const source = await newSource(db, clientId)
  const [endpointId = ''] = await newEndpoints(db, clientId, url)
  await newDeliveries(db, clientId, [endpointId], { count: deliveries })
  await db.query(
    `update deliveries set state = 'delivered', next_attempt_at = null, finished_at = now() where client_id = $1`,
    [clientId],
  )
  await db.query(
    `insert into source_events (client_id, id, source_id, account, livemode, event_id, type, lane, created_at, state, due_at)
     select client_id, id, $2, '', true, 'evt_' || id, 'customer.subscription.created', 0, now(), 'normalized', null from events where client_id = $1`,
    [clientId, source.id],
  )
  await db.query('analyze')
  const { rows } = await db.query('select event_id, id from deliveries where client_id = $1 limit 1', [clientId])
  return {
    clientId,
    sourceId: source.id,
    endpointId,
    sourceEventId: rows[0].event_id,
    eventId: rows[0].event_id,
    deliveryId: rows[0].id,
  }
}

/** Each route gets a key of its own, so that what one has spent of its rate is no limit to the next. */
async function newKey(db: Db, clientId: string): Promise<string> {
  const id = randomUUID()
  await db.query('insert into api_keys (id, client_id, scopes, secret_hash) values ($1, $2, $3, $4)', [
    ...[id, clientId, ['read', 'write']],
    createHash('sha256').update(SECRET).digest(),
  ])
  return `flo_sk_${id}_${SECRET}`
}
