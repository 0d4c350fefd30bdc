import type { Bench, Figure, Row } from './bench.ts'
import { medianOf, runBeside } from './figures.ts'
import { startNaive } from './naive.ts'
import { startProgram } from './program.ts'
import { newDeliveries, newEndpoints } from './seed.ts'
import {
  FAN_OUT,
  measureDelays,
  measureSustained,
  type Setting,
  type Sustained,
  startSetting,
  warmUp,
} from './setting.ts'

const HANGING = 10_000

/** Stripe's events in, four endpoints out: sustained rate, delay at a fifth of it, and what one hanging endpoint does to it. */
export const endToEnd: Row = {
  name: 'end-to-end',
  about: `Signed Stripe events in, normalised into both contracts, delivered to ${FAN_OUT} endpoints; Stripe simulator, gateway, PostgreSQL and
receivers share the machine. Baseline: a gateway of the usual design, with one transaction and one Graphile Worker job per
request. Latency is from sending an event to receiving each of its deliveries.`,
  async measure(bench: Bench): Promise<Figure[]> {
    const seconds = bench.quick ? 3 : 8
    const ours = await startSetting(bench, { start: startProgram })
    const naive = await startSetting(bench, { start: startNaive })
    for (const setting of [ours, naive]) await warmUp(setting)
    const fast: Sustained[] = []
    const plain: Sustained[] = []
    for (let round = 1; round <= (bench.quick ? 1 : 3); round++) {
      const [a, b] = [await measureSustained(ours, seconds), await measureSustained(naive, seconds)]
      fast.push(a)
      plain.push(b)
      bench.say(
        `round ${round}: ours ${Math.round(a.perSecond)} events/s, one job per request ${Math.round(b.perSecond)}`,
      )
    }
    await naive.stop()
    const perSecond = Math.round(0.2 * medianOf(fast.map((round) => round.perSecond)))
    const calm = await measureDelays(ours, perSecond, seconds)
    await addHanging(ours)
    const troubled = await measureDelays(ours, perSecond, seconds)
    await ours.stop()
    return [
      ...figuresOf(fast, plain),
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

function figuresOf(fast: readonly Sustained[], plain: readonly Sustained[]): Figure[] {
  const roundsOf = (what: keyof Sustained, runs = fast) => runs.map((run) => run[what])
  const median = (what: keyof Sustained) => medianOf(roundsOf(what))
  return [
    {
      what: `end to end, fan-out ${FAN_OUT}, no growing backlog`,
      value: median('perSecond'),
      unit: 'events/s',
      ratio: runBeside('one transaction and one job per request', roundsOf('perSecond'), roundsOf('perSecond', plain), {
        atLeast: 4.5,
      }),
      detail: { rounds: fast, plainRounds: plain },
    },
    { what: 'the same, in events/s', value: median('perSecond'), unit: 'events/s', atLeast: 1200 },
    { what: 'SQL statements per event', value: median('statements'), unit: '', atMost: 2 },
    { what: 'written to the log per event, at the default level', value: median('logBytes'), unit: 'bytes' },
    { what: 'processor time of the gateway per event', value: median('nodeMs'), unit: 'ms', atMost: 0.75 },
    { what: 'processor time of PostgreSQL per event', value: median('postgresMs'), unit: 'ms', atMost: 0.55 },
    {
      what: 'memory of the gateway under load',
      value: Math.max(...roundsOf('rssMb')),
      unit: 'MB RSS',
      atMost: 300,
    },
  ]
}

/** A fifth endpoint that never answers, with so many deliveries waiting for it. */
async function addHanging({ db, tenants: [tenant], receiver }: Setting): Promise<void> {
  if (!tenant) throw new Error('There is no client.')
  const ids = await newEndpoints(db, tenant.clientId, `${receiver.ready.url}/hang`)
  await newDeliveries(db, tenant.clientId, ids, { count: HANGING })
}
