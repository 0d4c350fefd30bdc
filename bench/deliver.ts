import type { BareServer } from './bare-server.ts'
import type { Bench, Figure, Row } from './bench.ts'
import { startChild } from './child.ts'
import { measureDrain, newReceiver, type Receiving } from './drain.ts'
import { medianOf, runBeside } from './figures.ts'
import { redisVersion } from './machine.ts'
import { type QueueRun, throughQueue } from './queues.ts'

const CONCURRENCY = 64

/** Bare undici in a process of its own, signing and posting the same bodies to the same receiver. */
async function measureBare(receiver: Receiving, skip: number, measured: number) {
  const server = await startChild<object, BareServer>('bare-server.ts', {
    url: receiver.ready.url,
    concurrency: CONCURRENCY,
  })
  await server.ask('start')
  const rate = await receiver.ask('rate', skip, measured, 60)
  await server.ask('halt')
  await server.stop()
  return rate
}

const queueRuns: (Pick<QueueRun, 'script' | 'batched'> & { what: string; atLeast: number })[] = [
  { what: 'BullMQ, each attempt recorded', script: 'queues/bullmq.ts', batched: false, atLeast: 4 },
  { what: 'BullMQ, recorded in micro-batches', script: 'queues/bullmq.ts', batched: true, atLeast: 1.3 },
  { what: 'pg-boss, each attempt recorded', script: 'queues/pg-boss.ts', batched: false, atLeast: 4 },
  { what: 'pg-boss, recorded in micro-batches', script: 'queues/pg-boss.ts', batched: true, atLeast: 1.3 },
]

/** Deliveries/s to one endpoint with 64 in flight, beside bare undici and beside two job queues. */
export const deliver: Row = {
  name: 'deliver',
  about: `Deliveries of about 1.5 KB to one endpoint that answers at once, in a process of its own; ${CONCURRENCY} in flight, durable commits.
Baselines: a loop of undici that signs and posts the same bodies and records nothing; and BullMQ and pg-boss workers that sign
and post them and record each attempt in PostgreSQL, with one statement per attempt or in batches as large as ours.`,
  async measure(bench: Bench): Promise<Figure[]> {
    const receiver = await newReceiver()
    const rounds = bench.quick ? 1 : 3
    const scale = bench.quick ? 0.2 : 1
    const [skip, measured] = [5_000 * scale, 40_000 * scale]
    const ours: number[] = []
    const bar: number[] = []
    const others = new Map<string, number[]>()
    let last: Awaited<ReturnType<typeof measureDrain>> | undefined
    for (let round = 1; round <= rounds; round++) {
      bar.push((await measureBare(receiver, skip, measured)).perSecond)
      last = await measureDrain(bench, receiver, { waiting: skip + measured, concurrency: CONCURRENCY, skip, measured })
      ours.push(last.perSecond)
      bench.say(
        `round ${round}: bare undici ${Math.round(bar.at(-1) ?? Number.NaN)}/s, ours ${Math.round(last.perSecond)}/s`,
      )
      for (const { what, script, batched } of queueRuns) {
        if (script === 'queues/bullmq.ts' && !redisVersion()) continue
        const less = batched ? 0.5 : 0.2
        const run = { script, batched, concurrency: CONCURRENCY, skip: skip * less, measured: measured * less }
        const { perSecond } = await throughQueue(bench, receiver, run)
        others.set(what, [...(others.get(what) ?? []), perSecond])
        bench.say(`round ${round}: ${what} ${Math.round(perSecond)}/s`)
      }
    }
    await receiver.stop()
    return [
      {
        what: 'deliveries to one endpoint, 64 in flight',
        value: medianOf(ours),
        unit: '/s',
        ratio: runBeside('bare undici, signed, same bodies', ours, bar, { atLeast: 0.6 }),
        detail: {
          rounds: ours,
          bareRounds: bar,
          nodeMicrosecondsEach: last?.nodeMicroseconds,
          postgresMicrosecondsEach: last?.postgresMicroseconds,
          rssMb: last?.rssMb,
        },
      },
      ...queueRuns.map(({ what, atLeast }): Figure => {
        const measuredRounds = others.get(what)
        if (!measuredRounds) return { what, value: Number.NaN, unit: '/s', note: 'no redis-server on this machine' }
        return {
          what: `the same, beside ${what}`,
          value: medianOf(ours),
          unit: '/s',
          ratio: runBeside(what, ours, measuredRounds, { atLeast }),
          detail: { rounds: measuredRounds },
        }
      }),
    ]
  },
}
