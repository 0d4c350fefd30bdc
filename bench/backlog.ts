import type { Row } from './bench.ts'
import { measureDrain, newReceiver } from './drain.ts'
import { medianOf, runBeside } from './figures.ts'

const CONCURRENCY = 64
const DISTINCT_EVENTS = 100_000

/** Deliveries/s with a million waiting for the one endpoint, beside a backlog that is only what is measured. */
export const backlog: Row = {
  name: 'backlog',
  about: `Deliveries to one endpoint while a million deliveries wait for it. Baseline: a backlog of only the measured deliveries.`,
  async measure(bench) {
    const receiver = await newReceiver()
    const scale = bench.quick ? 0.1 : 1
    const [skip, measured, waiting] = [5_000 * scale, 60_000 * scale, 1_000_000 * scale]
    const empty: number[] = []
    const full: number[] = []
    let rssMb = 0
    for (let round = 1; round <= (bench.quick ? 1 : 2); round++) {
      const size = { concurrency: CONCURRENCY, skip, measured }
      empty.push((await measureDrain(bench, receiver, { ...size, waiting: skip + measured })).perSecond)
      bench.say(`round ${round}: laying out ${waiting} deliveries`)
      const million = await measureDrain(bench, receiver, { ...size, waiting, events: DISTINCT_EVENTS * scale })
      full.push(million.perSecond)
      rssMb = Math.max(rssMb, million.rssMb)
      bench.say(
        `round ${round}: without ${Math.round(empty.at(-1) ?? Number.NaN)}/s, with ${Math.round(million.perSecond)}/s`,
      )
    }
    await receiver.stop()
    return [
      {
        what: `deliveries with ${waiting.toLocaleString('en')} waiting`,
        value: medianOf(full),
        unit: '/s',
        ratio: runBeside('an empty backlog', full, empty, { atLeast: 0.9 }),
        detail: { rounds: full, emptyRounds: empty },
      },
      { what: 'memory of the delivering process with them', value: rssMb, unit: 'MB RSS', atMost: 300 },
    ]
  },
}
