import { createHash } from 'node:crypto'

/** `FLO_THOROUGH=1`: every test takes its whole set. Without it, one that shows a kind by fewer takes a fixed sample. */
const isThorough = process.env.FLO_THOROUGH === '1'

/** How many of something a test takes: a few, or with `FLO_THOROUGH=1` as many as are worth a long run. */
export const chooseCount = (few: number, many: number): number => (isThorough ? many : few)

/** One in `every` of the named cases, always the same ones, whichever cases come and go beside them. */
export const sampleCases = <Case extends readonly [name: string, ...unknown[]]>(
  cases: readonly Case[],
  every: number,
) => cases.filter(([name]) => isThorough || createHash('sha256').update(name).digest().readUInt32BE() % every === 0)
