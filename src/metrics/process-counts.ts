import { Counter, type Registry } from 'prom-client'
import { registerGauge } from './gauges.ts'

/** How many processes a gateway is to have, and has at present. */
export interface ProcessCounts {
  wanted: number
  running: number
}

/** The metrics about the processes of a gateway: of the parent where there are several, else of the only one. */
export function registerProcessCounts(
  registry: Registry,
  readCounts: () => ProcessCounts = () => ({ wanted: 1, running: 1 }),
) {
  registerGauge(
    registry,
    {
      name: 'flo_processes',
      help: 'Processes of this gateway (FLO_PROCESSES), by state: wanted, running.',
      label: 'state',
    },
    () => ({ ...readCounts() }),
  )
  const ends = new Counter({
    name: 'flo_process_ends_total',
    help: 'Child processes that ended without being asked to, and were replaced.',
    registers: [registry],
  })
  const unheard = new Counter({
    name: 'flo_process_unheard_total',
    help: 'Times that a child process did not answer in time for a scrape: its gauges are left out, and its counters shown as they were.',
    registers: [registry],
  })
  return { onProcessEnded: () => ends.inc(), onProcessUnheard: () => unheard.inc() }
}
