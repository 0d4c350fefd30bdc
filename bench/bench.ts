import type { BenchPostgres } from './postgres.ts'

/** What a row works with. */
export interface Bench {
  postgres: BenchPostgres
  /** Short rounds: shows that the row runs, not how fast. */
  quick: boolean
  /** A line for whoever waits. */
  say(line: string): void
}

/** One measured thing and, beside it, what it is compared with. */
export interface Figure {
  what: string
  value: number
  unit: string
  /** `value` in relation to the baseline of the same name, and the bar it has to reach (DESIGN: at least, or at most). */
  ratio?: { of: string; value: number; atLeast?: number; atMost?: number }
  atLeast?: number
  atMost?: number
  /** Rounds, spread, machine time: whatever explains the figure. */
  detail?: Record<string, unknown>
  note?: string
}

/** A row of the benchmark: `npm run bench -- <name>` runs it alone. */
export interface Row {
  name: string
  /** What it needs beside PostgreSQL; without it the row says so. */
  measure(bench: Bench): Promise<Figure[]>
}

/** Whether a figure holds its bar; undefined when it has none. */
export function holds({ value, ratio, atLeast, atMost }: Figure): boolean | undefined {
  const [measured, least, most] = ratio ? [ratio.value, ratio.atLeast, ratio.atMost] : [value, atLeast, atMost]
  if (least === undefined && most === undefined) return undefined
  return (least === undefined || measured >= least) && (most === undefined || measured <= most)
}
