import type { AttemptNews } from '../attempt-news.ts'
import type { DueDelivery } from '../queue/due-deliveries.ts'
import type { AttemptAnswer } from './answer.ts'

/** An attempt that was made, and what its delivery becomes by it. */
export interface AttemptMade {
  delivery: DueDelivery
  /** 1-based. */
  number: number
  signature: string | null
  answer: AttemptAnswer
  /** Seconds until the next attempt; null: there is none. */
  nextDelaySeconds: number | null
  /** The news to report when the delivery has failed for good by this attempt. */
  exhaustedNews?: AttemptNews | null
}

/** `elsewhere`: the delivery has this attempt already; `lost`: it could not be written down, and is in the log. */
export type RecordResult = 'recorded' | 'elsewhere' | 'lost'

/** A result, or the promise of one that others do not wait for. */
export interface LaterResult {
  later: RecordResult | Promise<RecordResult>
}

/** The state of the delivery after this attempt. */
export function stateAfter({ answer: { outcome }, nextDelaySeconds }: AttemptMade): 'delivered' | 'pending' | 'failed' {
  switch (outcome.kind) {
    case 'delivered':
      return 'delivered'
    case 'gone':
    case 'refused':
    case 'unreachable':
      return nextDelaySeconds === null ? 'failed' : 'pending'
    default:
      return outcome satisfies never
  }
}
