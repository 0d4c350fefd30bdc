import type { Row } from './bench.ts'
import { measureDrain, newReceiver } from './drain.ts'
import { medianOf, runBeside } from './figures.ts'

const CONCURRENCY = 64

/** The same deliveries to 1,000 endpoints of one client, and of 1,000 clients, beside one endpoint. */
export const endpoints: Row = {
  name: 'endpoints',
  about: `The same deliveries spread over 1,000 endpoints of one client, and over 1,000 clients with one endpoint each. Baseline: one
endpoint.`,
  async measure(bench) {
    const receiver = await newReceiver()
    const scale = bench.quick ? 0.2 : 1
    const [skip, measured] = [5_000 * scale, 35_000 * scale]
    const size = { waiting: skip + measured, concurrency: CONCURRENCY, skip, measured }
    const one: Awaited<ReturnType<typeof measureDrain>>[] = []
    const many: Awaited<ReturnType<typeof measureDrain>>[] = []
    const clients: Awaited<ReturnType<typeof measureDrain>>[] = []
    for (let round = 1; round <= (bench.quick ? 1 : 3); round++) {
      one.push(await measureDrain(bench, receiver, size))
      many.push(await measureDrain(bench, receiver, { ...size, endpoints: 1000 }))
      clients.push(await measureDrain(bench, receiver, { ...size, endpoints: 1000, clients: 1000 }))
      const last = [one, many, clients].map((rounds) => Math.round(rounds.at(-1)?.perSecond ?? Number.NaN))
      bench.say(`round ${round}: one endpoint ${last[0]}/s, 1,000 ${last[1]}/s, of 1,000 clients ${last[2]}/s`)
    }
    await receiver.stop()
    const runRounds = (runs: typeof one) => runs.map(({ perSecond }) => perSecond)
    const detailText = (runs: typeof one) => ({
      rounds: runRounds(runs),
      nodeMicrosecondsEach: runs.map((run) => run.nodeMicroseconds),
      postgresMicrosecondsEach: runs.map((run) => run.postgresMicroseconds),
    })
    const of = 'one endpoint'
    return [
      {
        what: '1,000 endpoints of one client',
        value: medianOf(runRounds(many)),
        unit: '/s',
        ratio: runBeside(of, runRounds(many), runRounds(one), { atLeast: 0.8 }),
        detail: { ...detailText(many), oneEndpoint: detailText(one) },
      },
      {
        what: '1,000 endpoints of 1,000 clients',
        value: medianOf(runRounds(clients)),
        unit: '/s',
        ratio: runBeside(of, runRounds(clients), runRounds(one), { atLeast: 0.6 }),
        detail: detailText(clients),
      },
    ]
  },
}
