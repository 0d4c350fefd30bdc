import type { Bar, Ratio } from './bench.ts'

/** The value below which `share` percent of `values` lie. */
export function percentileOf(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * share) / 100))] ?? Number.NaN
}

/** Our rounds beside those of the baseline, each with the one that was measured next to it. */
export function runBeside(of: string, ours: readonly number[], base: readonly number[], bar: Bar = {}): Ratio {
  const rounds = ours.map((value, round) => value / (base[round] ?? Number.NaN))
  return { of, value: medianOf(rounds), rounds, ...bar }
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const [lower, upper] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return lower === undefined || upper === undefined ? Number.NaN : (lower + upper) / 2
}
