import type { Bench, Figure, Row } from './bench.ts'
import { medianOf, runBeside } from './figures.ts'
import { startNaive } from './naive.ts'
import { startProgram } from './program.ts'
import { FAN_OUT, measureSustained, type Setting, type Sustained, startSetting, warmUp } from './setting.ts'

const COUNTS = [10, 100, 1_000]
const MOST = 1_000

/** What the number of clients costs: the same events, sent by ever more clients in turn. */
export const clients: Row = {
  name: 'clients',
  about: `The same events as end to end, sent in turn by 1, 10, 100 and 1,000 clients, each with a source and ${FAN_OUT} endpoints of its
own. Baselines: one client in the same round, and a gateway of the usual design with as many clients.`,
  async measure(bench: Bench): Promise<Figure[]> {
    const one = await startWarm(bench, startProgram, 1)
    const figures = figuresOf(1, await measureRounds(bench, { one, ours: one, clients: 1 }))
    for (const count of bench.quick ? [MOST] : COUNTS) {
      const ours = await startWarm(bench, startProgram, count)
      figures.push(...figuresOf(count, await measureRounds(bench, { one, ours, clients: count })))
      await ours.stop()
    }
    await one.stop()
    return figures
  },
}

async function startWarm(
  bench: Bench,
  start: typeof startProgram | typeof startNaive,
  clients: number,
): Promise<Setting> {
  const setting = await startSetting(bench, { start, clients })
  await warmUp(setting)
  return setting
}

/** Rounds of what is compared, next to each other. */
interface Rounds {
  one: Sustained[]
  ours: Sustained[]
  naive: Sustained[]
}

async function measureRounds(
  bench: Bench,
  { one, ours, clients }: { one: Setting; ours: Setting; clients: number },
): Promise<Rounds> {
  const seconds = bench.quick ? 1 : 6
  const naive = await startWarm(bench, startNaive, clients)
  const rounds: Rounds = { one: [], ours: [], naive: [] }
  for (let round = 1; round <= (bench.quick ? 1 : 3); round++) {
    const single = await measureSustained(one, seconds)
    const many = ours === one ? single : await measureSustained(ours, seconds)
    rounds.one.push(single)
    rounds.ours.push(many)
    rounds.naive.push(await measureSustained(naive, seconds))
    const rates = [many, single, rounds.naive.at(-1)].map((each) => Math.round(each?.perSecond ?? Number.NaN))
    bench.say(`${clients} clients: ${rates[0]} events/s, one client ${rates[1]}, one job per request ${rates[2]}`)
  }
  await naive.stop()
  return rounds
}

function figuresOf(clients: number, { one, ours, naive }: Rounds): Figure[] {
  const who = clients === 1 ? '1 client' : `${clients.toLocaleString('en')} clients`
  const isMost = clients === MOST
  const valuesOf = (runs: readonly Sustained[], what: keyof Sustained) => runs.map((run) => run[what])
  const besideOne = (what: keyof Sustained, atLeast?: number) =>
    clients === 1
      ? {}
      : {
          ratio: runBeside(
            'one client',
            valuesOf(ours, what),
            valuesOf(one, what),
            isMost && atLeast ? { atLeast } : {},
          ),
        }
  const cost = (what: keyof Sustained) => ({ value: medianOf(valuesOf(ours, what)), ...besideOne(what) })
  const rate = { value: medianOf(valuesOf(ours, 'perSecond')), unit: 'events/s' }
  const besideNaive = runBeside(
    'one transaction and one job per request',
    valuesOf(ours, 'perSecond'),
    valuesOf(naive, 'perSecond'),
    isMost ? { atLeast: 3 } : {},
  )
  return [
    {
      what: `${who}, end to end`,
      ...rate,
      ...besideOne('perSecond', 0.7),
      detail: { one, ours, naive },
    },
    { what: `${who}, the same`, ...rate, ratio: besideNaive },
    {
      what: `${who}, SQL statements per event`,
      value: medianOf(valuesOf(ours, 'statements')),
      unit: '',
      ...(isMost && { atMost: 1.5 }),
      note: `one client: ${medianOf(valuesOf(one, 'statements')).toFixed(2)}`,
    },
    { what: `${who}, processor time of the gateway per event`, unit: 'ms', ...cost('nodeMs') },
    { what: `${who}, processor time of PostgreSQL per event`, unit: 'ms', ...cost('postgresMs') },
    {
      what: `${who}, memory of the gateway`,
      value: Math.max(...valuesOf(ours, 'rssMb')),
      unit: 'MB RSS',
      ...(isMost && { atMost: 300 }),
    },
  ]
}
