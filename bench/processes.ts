import type { Bench, Figure, Row } from './bench.ts'
import { medianOf, runBeside } from './figures.ts'
import { startProgram } from './program.ts'
import { FAN_OUT, measureSustained, type Setting, type Sustained, startSetting, warmUp } from './setting.ts'

const CLIENTS = 50
const PROCESSES = 2

/** What a second process on the same machine brings. */
export const processes: Row = {
  name: 'processes',
  about: `The same events as end to end, sent in turn by ${CLIENTS} clients, each with a source and ${FAN_OUT} endpoints of its own, to a gateway of
${PROCESSES} processes (FLO_PROCESSES=${PROCESSES}). Baseline: one process, in the same round. The Stripe simulator, PostgreSQL and the receivers share the
machine, so that on few cores a second process takes from them what it works with.`,
  async measure(bench: Bench): Promise<Figure[]> {
    const seconds = bench.quick ? 3 : 8
    const one = await startOf(bench, 1)
    const several = await startOf(bench, PROCESSES)
    const single: Sustained[] = []
    const many: Sustained[] = []
    for (let round = 1; round <= (bench.quick ? 1 : 3); round++) {
      const [a, b] = [await measureSustained(one, seconds), await measureSustained(several, seconds)]
      single.push(a)
      many.push(b)
      bench.say(
        `round ${round}: ${PROCESSES} processes ${Math.round(b.perSecond)} events/s, one ${Math.round(a.perSecond)}`,
      )
    }
    await one.stop()
    await several.stop()
    return figuresOf(single, many)
  },
}

async function startOf(bench: Bench, count: number): Promise<Setting> {
  const start = (databaseUrl: string) => startProgram(databaseUrl, { FLO_PROCESSES: String(count) })
  const setting = await startSetting(bench, { start, clients: CLIENTS })
  await warmUp(setting)
  return setting
}

function figuresOf(single: readonly Sustained[], many: readonly Sustained[]): Figure[] {
  const valuesOf = (runs: readonly Sustained[], what: keyof Sustained) => runs.map((run) => run[what])
  const besideOne = (what: keyof Sustained) => ({
    value: medianOf(valuesOf(many, what)),
    ratio: runBeside('one process', valuesOf(many, what), valuesOf(single, what)),
  })
  const who = `${PROCESSES} processes, ${CLIENTS} clients`
  return [
    { what: `${who}, end to end`, unit: 'events/s', ...besideOne('perSecond'), detail: { single, many } },
    { what: `${who}, SQL statements per event`, unit: '', ...besideOne('statements') },
    { what: `${who}, processor time of the gateway per event`, unit: 'ms', ...besideOne('nodeMs') },
    { what: `${who}, processor time of PostgreSQL per event`, unit: 'ms', ...besideOne('postgresMs') },
    { what: `${who}, memory of all processes`, value: Math.max(...valuesOf(many, 'rssMb')), unit: 'MB RSS' },
  ]
}
