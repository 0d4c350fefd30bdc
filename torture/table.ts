import { medianOf } from '../bench/figures.ts'
import type { describeMachine } from '../bench/machine.ts'
import type { Crash } from './gateways.ts'
import type { StrikeReport } from './strike.ts'
import { type Repeat, type Sums, unevenClients } from './sums.ts'

/** What is promised of `kill -9`, and expected of every other fault. */
export const RECOVERY_BAR_MS = 10_000

interface TortureRun {
  struck: readonly StrikeReport[]
  sums: Sums
  /** Repeats that no fault explains. */
  lost: readonly Repeat[]
  crashes: readonly Crash[]
  machine: ReturnType<typeof describeMachine>
  options: { minutes: number; processes: number; clients: number; perSecond: number; seed: string }
}

const lateStrikes = (struck: readonly StrikeReport[]) =>
  struck.filter(({ recoveredMs }) => recoveredMs > RECOVERY_BAR_MS)
const crashesAtWork = (crashes: readonly Crash[]) => crashes.filter((crash) => crash.wasListening)

/** Whether all promises were kept. */
export function isWell({
  struck,
  sums,
  lost,
  crashes,
}: Pick<TortureRun, 'struck' | 'sums' | 'lost' | 'crashes'>): boolean {
  const { missing, invented, astray, deliveredTwice: twice, addsUp } = sums
  const uneven = unevenClients(sums.clients)
  const wrong = [missing, invented, astray, twice, uneven, lost, lateStrikes(struck), crashesAtWork(crashes)]
  return addsUp && wrong.every(({ length }) => length === 0)
}

function clientLines(clients: Sums['clients']): string[] {
  if (clients.length === 0) return []
  const accepted = clients.map((one) => one.accepted)
  const routed = clients.filter(({ isRouted }) => isRouted).length
  return [
    `- ${clients.length} clients, ${routed} of them behind one source: ${Math.max(...accepted)} events of the busiest, ${Math.min(...accepted)} of the quietest; ${unevenClients(clients).length} whose own sums are wrong`,
  ]
}

const secondsText = (ms: number) => (ms / 1000).toFixed(1)

/** What was done, how soon all was well again, and whether the sums are right; as Markdown, for docs/reliability.md. */
export function tortureReport({ struck, sums, lost, crashes, machine, options: asked }: TortureRun): string {
  const rows = [...Map.groupBy(struck, ({ name }) => name)].map(([name, all]) => {
    const recovered = all.map(({ recoveredMs }) => recoveredMs)
    const inFlight = all.reduce((sum, one) => sum + one.inFlight.size, 0)
    const lasted = secondsText(Math.max(...all.map(({ from, to }) => to - from)))
    return `| ${name} | ${all.length} | ${lasted} | ${inFlight} | ${secondsText(medianOf(recovered))} | ${secondsText(Math.max(...recovered))} |`
  })
  const { accepted, arrivals, endpoints, missing, invented, astray, deliveredTwice: twice, repeats, resent } = sums
  return [
    `${asked.processes} processes, ${asked.clients} clients, ${asked.perSecond} events/s, ${asked.minutes} minutes, seed ${asked.seed}; ${machine.cpu}, ${machine.cores} cores, ${machine.system}`,
    '',
    '| fault | times | lasted up to (s) | attempts unrecorded, or sent meanwhile | recovered in, median (s) | longest (s) |',
    '| --- | ---: | ---: | ---: | ---: | ---: |',
    ...rows.toSorted(),
    '',
    `- ${accepted} events accepted, ${arrivals} requests at ${endpoints} endpoints`,
    ...clientLines(sums.clients),
    `- ${missing.length} missing, ${invented.length} never accepted, ${twice.length} under two ids, ${astray.length} with a client whose they are not`,
    `- ${repeats.length} attempts repeated: ${repeats.length - lost.length} were in flight at a fault, ${lost.length} were not`,
    `- ${resent.length} attempts sent once more, since a kept connection was reset under them`,
    `- ${struck.length} faults, ${lateStrikes(struck).length} of them with more than ${secondsText(RECOVERY_BAR_MS)} s to recovery`,
    `- ${crashesAtWork(crashes).length} processes ended by themselves at work, ${crashes.length - crashesAtWork(crashes).length} while they were started`,
    '',
    sums.ledger,
  ].join('\n')
}
