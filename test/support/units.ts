import type { Worker } from '../../src/workers/worker.ts'

/** Claims units of one client for a worker: which of them it holds now, and which are another's. */
export async function claimUnitsOf(worker: Pick<Worker, 'claimUnits'>, clientId: string, units: readonly string[]) {
  const { held, elsewhere } = await worker.claimUnits(units.map((unit) => ({ clientId, unit })))
  return { held: held.map(({ unit }) => unit), elsewhere: elsewhere.map(({ unit }) => unit) }
}

/** Gives units of one client back. */
export const releaseUnitsOf = (worker: Pick<Worker, 'releaseUnits'>, clientId: string, units: readonly string[]) =>
  worker.releaseUnits(units.map((unit) => ({ clientId, unit })))
