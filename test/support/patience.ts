import { availableParallelism, loadavg } from 'node:os'

/** Load per core that the tests themselves make. */
const OWN_LOAD = 2

/**
 * So many milliseconds of a machine that has nothing else to do: longer on one that is busy with something else. A limit
 * stretched like this still fails, on a quiet machine, what takes too long.
 */
export const stretch = (milliseconds: number): number =>
  milliseconds * Math.max(1, (loadavg()[0] ?? 0) / availableParallelism() / OWN_LOAD)
