import type { Readiness } from '../startup/readiness.ts'

/**
 * Whether a gateway of several processes is ready: each that runs has to be, and to answer (null: it did not), since any of them may
 * get the next request. One that is being replaced gets none.
 */
export function combineReadiness(readings: readonly (Readiness | null)[], wanted: number): Readiness {
  const heard = readings.flatMap((reading) => reading ?? [])
  const details: Record<string, unknown> = {}
  for (const [part, state] of heard.flatMap((reading) => Object.entries(reading.details)))
    details[part] = typeof state === 'boolean' ? state && (details[part] ?? true) : (details[part] ?? state)
  const running = heard.length
  const isReady = running > 0 && running === readings.length && heard.every((reading) => reading.isReady)
  return { isReady, details: { ...details, processes: { wanted, running, silent: readings.length - running } } }
}
