import type { Queryable } from '../database/db.ts'
import type { StripeReply } from '../network/stripe-api.ts'
import { FAILURES_TO_OPEN, openCircuitUntil, openSecondsOf } from './circuit.ts'
import type { DueFetch } from './due-fetches.ts'

/** What a process knows of a source of many clients whose calls fail. */
interface SourceTrouble {
  /** With which key; sealed. What failed with another one says nothing. */
  apiKey: string | null
  failures: number
  /** No call before, in milliseconds by the database's clock. */
  until: number
  failure: Exclude<StripeReply, { kind: 'found' }>
}

/** Where Stripe does not say how long it wants to be left alone. */
const RATE_LIMITED_SECONDS = 1

/**
 * The sources whose clients share one API key, in this process: what Stripe says to a call of one client counts for all of them. It is
 * written down for a client as soon as that one has something to fetch, in its own rows: they may lie on other nodes.
 */
export function createSharedSources({ db, now }: { db: Queryable; now: () => Date }) {
  const troubles = new Map<string, SourceTrouble>()
  const troubleOf = ({ sourceId, apiKey }: DueFetch) => {
    const trouble = troubles.get(sourceId)
    return trouble?.apiKey === apiKey ? trouble : undefined
  }

  const noteFailure = (due: DueFetch, failure: SourceTrouble['failure']) => {
    const at = now().getTime()
    const known = troubleOf(due)
    // Calls that were under way when it was left alone say nothing new.
    if (known && known.failures >= FAILURES_TO_OPEN && known.until > at) return
    const isRefused = failure.code === 'api_key_refused'
    const failures = Math.max((known?.failures ?? 0) + 1, isRefused ? FAILURES_TO_OPEN : 1)
    const limited =
      failure.kind === 'trouble' && failure.code === 'rate_limited'
        ? (failure.retryAfterSeconds ?? RATE_LIMITED_SECONDS)
        : 0
    const seconds = failures >= FAILURES_TO_OPEN ? Math.max(openSecondsOf(failures, isRefused), limited) : limited
    const until = Math.max(known?.until ?? 0, at + seconds * 1000)
    troubles.set(due.sourceId, { apiKey: due.apiKey, failures, until, failure })
  }

  /** The client's fetches of the source wait as the source's do. */
  const keepBack = ({ clientId, sourceId }: DueFetch, { failures, until, failure }: SourceTrouble) =>
    failures >= FAILURES_TO_OPEN
      ? openCircuitUntil(db, { clientId, sourceId, failures, until: new Date(until) }, failure)
      : db.query(
          `update hydrations set next_attempt_at = $3
            where client_id = $1 and source_id = $2 and state = 'pending' and next_attempt_at < $3`,
          [clientId, sourceId, new Date(until)],
        )

  return {
    noteReply(due: DueFetch, reply: StripeReply) {
      if (!due.isShared) return
      const isTrouble = reply.kind === 'trouble' || (reply.kind === 'refused' && reply.code === 'api_key_refused')
      if (isTrouble) noteFailure(due, reply)
      else troubles.delete(due.sourceId)
    },
    /** Whether one call tries if Stripe answers again. */
    isTrying: (due: DueFetch): boolean => (troubleOf(due)?.failures ?? 0) >= FAILURES_TO_OPEN,
    /** Answers those that may be fetched now; the others wait, and that is written down. */
    async keepBackTroubled(due: readonly DueFetch[]): Promise<DueFetch[]> {
      const free: DueFetch[] = []
      const kept = new Map<string, [DueFetch, SourceTrouble]>()
      for (const one of due) {
        const trouble = troubleOf(one)
        if (trouble && trouble.until > now().getTime()) kept.set(`${one.clientId} ${one.sourceId}`, [one, trouble])
        else free.push(one)
      }
      for (const [one, trouble] of kept.values()) await keepBack(one, trouble)
      return free
    },
  }
}

export type SharedSources = ReturnType<typeof createSharedSources>
