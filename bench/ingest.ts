import type { Bench, Row } from './bench.ts'
import { startChild } from './child.ts'
import { medianOf, runBeside } from './figures.ts'
import type { IngestConfig, IngestServer } from './ingest-server.ts'
import { newClient, newSource, STRIPE_SECRET } from './seed.ts'
import type { StripeLoad, StripeLoadConfig } from './stripe-load.ts'

const CONCURRENCY = 256

/** Events/s that are accepted and committed, beside the same Express handler that verifies, reads and answers only. */
export const ingest: Row = {
  name: 'ingest',
  about: `Signed Stripe events over ${CONCURRENCY} connections: verified, stored and committed before the answer. Baseline: the same Express
handler, which verifies, parses and answers but stores nothing.`,
  async measure(bench: Bench) {
    const database = await bench.postgres.fresh()
    const source = await newSource(database.db, await newClient(database.db))
    const storing = await serverAndLoad(source.id, { databaseUrl: database.url })
    const answering = await serverAndLoad(source.id, { source })
    const seconds = bench.quick ? 1 : 3
    const stored: number[] = []
    const answered: number[] = []
    const p99: number[] = []
    const node: number[] = []
    const postgres: number[] = []
    let accepted = 0
    for (let round = 0; round <= (bench.quick ? 1 : 7); round++) {
      const [nodeBefore, postgresBefore] = [await storing.server.ask('usage'), bench.postgres.cpuSeconds()]
      const store = await storing.load.ask('load', seconds)
      const webhookCost = (from: number, to: number) => Math.round(((to - from) / store.accepted) * 1e6)
      const nodeEach = webhookCost(nodeBefore.cpuSeconds, (await storing.server.ask('usage')).cpuSeconds)
      const postgresEach = webhookCost(postgresBefore, bench.postgres.cpuSeconds())
      const answer = await answering.load.ask('load', seconds)
      for (const { failures } of [store, answer]) if (failures.length > 0) throw new Error(failures.join('\n'))
      accepted += store.accepted
      // The first round warms both up.
      if (round === 0) continue
      stored.push(store.perSecond)
      answered.push(answer.perSecond)
      p99.push(store.p99)
      node.push(nodeEach)
      postgres.push(postgresEach)
      bench.say(`round ${round}: stored ${Math.round(store.perSecond)}/s, answered ${Math.round(answer.perSecond)}/s`)
    }
    const { rows } = await database.db.query(
      'select (select count(*)::int from source_events) as events, (select count(*)::int from source_event_bodies) as bodies',
    )
    if (rows[0].events !== accepted || rows[0].bodies !== accepted)
      throw new Error(`accepted ${accepted} events and kept ${JSON.stringify(rows[0])}`)
    const { rssMb } = await storing.server.ask('usage')
    for (const { server, load } of [storing, answering]) {
      await load.stop()
      await server.stop()
    }
    await database.drop()
    return [
      {
        what: `events accepted and committed, ${CONCURRENCY} connections`,
        value: medianOf(stored),
        unit: '/s',
        ratio: runBeside('the same handler, nothing stored', stored, answered, { atLeast: 0.65 }),
        detail: {
          rounds: stored,
          answeredRounds: answered,
          p99Ms: medianOf(p99),
          nodeMicrosecondsEach: node,
          postgresMicrosecondsEach: postgres,
          rssMb,
        },
      },
    ]
  },
}

async function serverAndLoad(sourceId: string, config: IngestConfig) {
  const server = await startChild<{ url: string }, IngestServer>('ingest-server.ts', config)
  const load = await startChild<object, StripeLoad>('stripe-load.ts', {
    url: server.ready.url,
    sourceIds: [sourceId],
    secret: STRIPE_SECRET,
    concurrency: CONCURRENCY,
  } satisfies StripeLoadConfig)
  return { server, load }
}
