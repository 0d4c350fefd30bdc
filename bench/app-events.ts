import { createHash } from 'node:crypto'
import type { AppEventsLoad, AppEventsLoader } from './app-events-load.ts'
import type { AppEventsConfig, AppEventsServer } from './app-events-server.ts'
import type { Bench, Figure, Row } from './bench.ts'
import { startChild } from './child.ts'
import { medianOf, runBeside } from './figures.ts'
import type { BenchPostgres } from './postgres.ts'
import { newClient } from './seed.ts'

const SECRET = 'secret-of-the-bench'
const API_KEY = '01980d3c-5f1a-7c3e-9d52-6b1f0c7a1e11'

const forms = [
  { what: 'app events accepted and committed one by one, 256 connections', concurrency: 256, batch: 1, once: false },
  { what: 'the same, each with an Idempotency-Key', concurrency: 256, batch: 1, once: true },
  {
    what: 'app events accepted and committed in batches of 100, 8 connections',
    concurrency: 8,
    batch: 100,
    once: false,
  },
]

/** App events/s that are accepted and committed, beside the same handler that checks and answers only. */
export const appEvents: Row = {
  name: 'app-events',
  about: `The provider's own events at POST /v1/app-events: authorised, validated, stored and committed before the answer. Baseline: the
same handler, which stores nothing.`,
  async measure(bench: Bench) {
    const figures: Figure[] = []
    for (const form of forms) figures.push(await measureRate(bench, form))
    return figures
  },
}

async function measureRate(
  { postgres, quick, say }: Bench,
  { what, ...form }: (typeof forms)[number],
): Promise<Figure> {
  const database = await postgres.fresh()
  const clientId = await newClient(database.db)
  const apiKey = await newKey(database, clientId)
  const storing = await serverAndLoad(form, { databaseUrl: database.url })
  const answering = await serverAndLoad({ ...form, once: false }, { apiKey })
  const stored: number[] = []
  const answered: number[] = []
  const p99: number[] = []
  let accepted = 0
  for (let round = 0; round <= (quick ? 1 : 5); round++) {
    const store = await storing.load.ask('load', quick ? 1 : 3)
    const answer = await answering.load.ask('load', quick ? 1 : 3)
    for (const { failures } of [store, answer]) if (failures.length > 0) throw new Error(failures.join('\n'))
    accepted += store.accepted
    // The first round warms both up.
    if (round === 0) continue
    stored.push(store.perSecond)
    answered.push(answer.perSecond)
    p99.push(store.p99)
    say(`round ${round}: stored ${Math.round(store.perSecond)}/s, answered ${Math.round(answer.perSecond)}/s`)
  }
  const { rows } = await database.db.query('select count(*)::int as events from source_events')
  if (rows[0].events !== accepted) throw new Error(`accepted ${accepted} events and kept ${rows[0].events}`)
  const { rssMb } = await storing.server.ask('usage')
  for (const { server, load } of [storing, answering]) {
    await load.stop()
    await server.stop()
  }
  await database.drop()
  return {
    what,
    value: medianOf(stored),
    unit: '/s',
    ratio: runBeside('the same handler, nothing stored', stored, answered),
    detail: { rounds: stored, answeredRounds: answered, p99Ms: medianOf(p99), rssMb },
  }
}

async function newKey({ db }: Awaited<ReturnType<BenchPostgres['fresh']>>, clientId: string) {
  const key = {
    id: API_KEY,
    clientId,
    scopes: ['write'],
    secretHash: createHash('sha256').update(SECRET).digest('hex'),
  }
  await db.query('insert into api_keys (id, client_id, scopes, secret_hash) values ($1, $2, $3, $4)', [
    key.id,
    clientId,
    key.scopes,
    Buffer.from(key.secretHash, 'hex'),
  ])
  return key
}

async function serverAndLoad(form: Pick<AppEventsLoad, 'concurrency' | 'batch' | 'once'>, config: AppEventsConfig) {
  const server = await startChild<{ url: string }, AppEventsServer>('app-events-server.ts', config)
  const load = await startChild<object, AppEventsLoader>('app-events-load.ts', {
    url: server.ready.url,
    key: `flo_sk_${API_KEY}_${SECRET}`,
    ...form,
  } satisfies AppEventsLoad)
  return { server, load }
}
