import type { BenchPostgres } from './postgres.ts'

/** What a row works with. */
export interface Bench {
  postgres: BenchPostgres
  /** Short rounds: shows that the row runs, not how fast. */
  quick: boolean
  /** A line for whoever waits. */
  say(line: string): void
}

/** What a figure has to reach. */
export interface Bar {
  atLeast?: number
  atMost?: number
}

/** A figure in relation to the baseline of the same name: the median of the rounds. */
export interface Ratio extends Bar {
  of: string
  value: number
  rounds?: number[]
}

/** One measured thing and, beside it, what it is compared with. */
export interface Figure extends Bar {
  what: string
  value: number
  unit: string
  ratio?: Ratio
  /** Rounds, spread, machine time: whatever explains the figure. */
  detail?: Record<string, unknown>
  note?: string
}

/** A row of the benchmark: `npm run bench -- <name>` runs it alone. */
export interface Row {
  name: string
  /** What is done, and beside what: for docs/performance.md. */
  about: string
  /** Takes longer than the others together: it runs only where it is named. */
  alone?: true
  /** What it needs beside PostgreSQL; without it the row says so. */
  measure(bench: Bench): Promise<Figure[]>
}

/** Whether a figure holds its bar; undefined when it has none. */
export function isMet({ value, ratio, atLeast, atMost }: Figure): boolean | undefined {
  const [measured, least, most] = ratio ? [ratio.value, ratio.atLeast, ratio.atMost] : [value, atLeast, atMost]
  if (least === undefined && most === undefined) return undefined
  return (least === undefined || measured >= least) && (most === undefined || measured <= most)
}

/** What `npm run bench` writes. */
export interface Report {
  /** When it began; UTC. */
  date: string
  quick: boolean
  machine: { cpu: string; cores: number; memoryGb: number; system: string }
  /** Processes that others kept busy when it began; 0: the machine was ours. */
  loadBefore: number
  versions: Record<string, string>
  /** How everything that was measured wrote its log. */
  log?: string
  results: { row: string; about: string; figures?: Figure[]; error?: string }[]
}
