import type { RequestRate } from '../api/http/rate-limit.ts'
import type { MetricSamples, OwnMetrics } from '../metrics/whole-metrics.ts'
import type { DatabaseAddress } from '../startup/database.ts'
import type { Readiness } from '../startup/readiness.ts'

/** What a child asks of its parent. */
export interface ParentCalls {
  /** It has taken the port. */
  tellListening(url: string): void
  /** Answered when the database is ready. */
  awaitDatabase(argument: null): Promise<DatabaseAddress>
  /** All its parts work. */
  tellReady(argument: null): void
  /** It could not start, and ends. */
  tellFailure(failure: StartFailure): void
  renderMetrics(shown: { own: OwnMetrics; standing: MetricSamples }): Promise<string>
  readReadiness(argument: null): Promise<Readiness>
  /** Seconds to wait; 0: the request is counted. */
  countRequest(request: { name: string; rate: RequestRate | undefined }): number
}

/** What a parent asks of its child. */
export interface ChildCalls {
  readMetrics(argument: null): Promise<OwnMetrics>
  readReadiness(argument: null): Promise<Readiness>
  /** It answers: its event loop turns. */
  answerPing(argument: null): void
  /** Drains; the child ends when it has answered. */
  stop(argument: null): Promise<void>
}

/** Why a child did not start. */
export interface StartFailure {
  message: string
  /** It is for the operator to mend, and shown without a stack. */
  isConfig: boolean
  stack: string | undefined
}
