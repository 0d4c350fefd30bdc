import { median } from '../bench/figures.ts'
import type { machine } from '../bench/machine.ts'
import type { Crash } from './gateways.ts'
import type { Struck } from './strike.ts'
import type { Repeat, Sums } from './sums.ts'

/** What is promised of `kill -9`, and expected of every other fault. */
export const RECOVERY_BAR_MS = 10_000

interface Run {
  struck: readonly Struck[]
  sums: Sums
  /** Repeats that no fault explains. */
  lost: readonly Repeat[]
  crashes: readonly Crash[]
  machine: ReturnType<typeof machine>
  asked: { minutes: number; processes: number; perSecond: number; seed: string }
}

const late = (struck: readonly Struck[]) => struck.filter(({ recoveredMs }) => recoveredMs > RECOVERY_BAR_MS)
const atWork = (crashes: readonly Crash[]) => crashes.filter((crash) => crash.atWork)

/** Whether all promises were kept. */
export function isWell({ struck, sums, lost, crashes }: Pick<Run, 'struck' | 'sums' | 'lost' | 'crashes'>): boolean {
  const { missing, invented, twice, addsUp } = sums
  const wrong = [missing, invented, twice, lost, late(struck), atWork(crashes)]
  return addsUp && wrong.every(({ length }) => length === 0)
}

const seconds = (ms: number) => (ms / 1000).toFixed(1)

/** What was done, how soon all was well again, and whether the sums are right; as Markdown, for docs/reliability.md. */
export function report({ struck, sums, lost, crashes, machine, asked }: Run): string {
  const rows = [...Map.groupBy(struck, ({ name }) => name)].map(([name, all]) => {
    const recovered = all.map(({ recoveredMs }) => recoveredMs)
    const inFlight = all.reduce((sum, one) => sum + one.inFlight.size, 0)
    const lasted = seconds(Math.max(...all.map(({ from, to }) => to - from)))
    return `| ${name} | ${all.length} | ${lasted} | ${inFlight} | ${seconds(median(recovered))} | ${seconds(Math.max(...recovered))} |`
  })
  const { accepted, arrivals, endpoints, missing, invented, twice, repeats } = sums
  return [
    `${asked.processes} processes, ${asked.perSecond} events/s, ${asked.minutes} minutes, seed ${asked.seed}; ${machine.cpu}, ${machine.cores} cores, ${machine.system}`,
    '',
    '| fault | times | lasted up to (s) | attempts unrecorded, or sent meanwhile | recovered in, median (s) | longest (s) |',
    '| --- | ---: | ---: | ---: | ---: | ---: |',
    ...rows.toSorted(),
    '',
    `- ${accepted} events accepted, ${arrivals} requests at ${endpoints} endpoints`,
    `- ${missing.length} missing, ${invented.length} never accepted, ${twice.length} under two ids`,
    `- ${repeats.length} attempts repeated: ${repeats.length - lost.length} were in flight at a fault, ${lost.length} were not`,
    `- ${struck.length} faults, ${late(struck).length} of them with more than ${seconds(RECOVERY_BAR_MS)} s to recovery`,
    `- ${atWork(crashes).length} processes ended by themselves at work, ${crashes.length - atWork(crashes).length} while they were started`,
    '',
    sums.ledger,
  ].join('\n')
}
