import type { RequestRate } from '../api/http/rate-limit.ts'
import type { MetricSamples, OwnMetrics } from '../metrics/whole-metrics.ts'
import type { DatabaseAddress } from './database.ts'
import type { Readiness } from './readiness.ts'

/** What a process has of the others when it is one of several under one parent (FLO_PROCESSES), and how it reaches them. */
export interface Whole {
  /** Which of them it is: "1", "2", ... */
  process: string
  /** It takes the place of one that has ended: it takes the port when it is ready, since the others answer meanwhile. */
  isReplacement: boolean
  /** It has taken the port. */
  onListening(url: string): void
  /** Waits until the parent has the database ready. */
  awaitDatabase(): Promise<DatabaseAddress>
  /** The metrics of all processes as one text. */
  renderMetrics(own: OwnMetrics, standing: MetricSamples): Promise<string>
  /** Whether all processes are ready. */
  readReadiness(): Promise<Readiness>
  /** Counts a request for all processes: the seconds to wait, 0 for none. */
  countRequest(name: string, rate: RequestRate | undefined): Promise<number>
}
