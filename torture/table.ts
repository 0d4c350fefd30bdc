import { median } from '../bench/figures.ts'
import type { machine } from '../bench/machine.ts'
import type { Struck } from './strike.ts'
import type { Repeat, Sums } from './sums.ts'

interface Run {
  struck: readonly Struck[]
  sums: Sums
  /** Repeats that no fault explains. */
  lost: readonly Repeat[]
  machine: ReturnType<typeof machine>
  asked: { minutes: number; processes: number; perSecond: number; seed: string }
}

const seconds = (ms: number) => (ms / 1000).toFixed(1)

/** What was done, how soon all was well again, and whether the sums are right; as Markdown, for docs/reliability.md. */
export function report({ struck, sums, lost, machine, asked }: Run): string {
  const rows = [...Map.groupBy(struck, ({ name }) => name)].map(([name, all]) => {
    const recovered = all.map(({ recoveredMs }) => recoveredMs)
    const inFlight = all.reduce((sum, one) => sum + one.inFlight.size, 0)
    return `| ${name} | ${all.length} | ${inFlight} | ${seconds(median(recovered))} | ${seconds(Math.max(...recovered))} |`
  })
  const { accepted, arrivals, endpoints, missing, invented, twice, repeats } = sums
  return [
    `${asked.processes} processes, ${asked.perSecond} events/s, ${asked.minutes} minutes, seed ${asked.seed}; ${machine.cpu}, ${machine.cores} cores, ${machine.system}`,
    '',
    '| fault | times | attempts unrecorded, or sent meanwhile | recovered in, median (s) | longest (s) |',
    '| --- | ---: | ---: | ---: | ---: |',
    ...rows.toSorted(),
    '',
    `- ${accepted} events accepted, ${arrivals} requests at ${endpoints} endpoints`,
    `- ${missing.length} missing, ${invented.length} never accepted, ${twice.length} under two ids`,
    `- ${repeats.length} attempts repeated: ${repeats.length - lost.length} were in flight at a fault, ${lost.length} were not`,
    '',
    sums.ledger,
  ].join('\n')
}
