import type { Response } from 'express'
import { type Db, inTransaction, type Queryable } from '../../database/db.ts'
import { Refusal } from '../../errors.ts'
import { type ByteBudget, createByteBudget } from '../../network/byte-budget.ts'
import { createFairSlots } from '../../workers/fair-slots.ts'
import type { ApiDeps } from './api-deps.ts'
import { createKeptReplies, type KeptReplies } from './kept-replies.ts'
import type { Route } from './route.ts'

/** The database as one request has it: it is stopped when the request has taken too long. */
export interface RequestDb extends Queryable {
  inTransaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>
}

/** What clients share, each its part: work in the database, time of the process, memory of replies. */
export interface RequestSlots {
  /** Runs a request when its client's turn comes. Throws `overloaded` and `query_too_slow`. */
  runInTurn<T>(
    request: { route: Pick<Route, 'intake'>; bytes: number },
    share: string,
    work: (db: RequestDb) => Promise<T>,
  ): Promise<T>
  /** Counts a reply as long as it is unsent. */
  holdReply(share: string, res: Response, bytes: number): void
  /** What is kept of the answers to requests that may be repeated. */
  kept: KeptReplies
}

const DEFAULT_LIMITS = { slots: 4, statementSeconds: 10 }
/** Requests of a client that wait for their turn, and for how long. */
const WAITING = { waitingPerGroup: 64, waitingMs: 10_000 }
/** Intake waits longer for its turn: a refused event is lost if its sender does not repeat it. */
const INTAKE = { max: 4, perGroup: 1, waitingPerGroup: 500, waitingMs: 20_000 }
/** Smaller ones take no turn: they share commits with others, and wait for nothing else. */
const LARGE_INTAKE_BYTES = 32 * 1024
/** Replies that wait to be read by their callers, together. */
const REPLIES_MAX_BYTES = 64 * 1024 * 1024
const QUERY_CANCELED = '57014'

export function createRequestSlots({ db, intakeDb = db, limits = DEFAULT_LIMITS }: ApiDeps): RequestSlots {
  const refuse = () => new Refusal('overloaded', { retryAfterSeconds: 1 })
  const requests = createFairSlots({
    ...{ max: limits.slots, perGroup: Math.max(1, Math.ceil(limits.slots / 2)) },
    ...{ ...WAITING, refuse },
  })
  const intake = createFairSlots({ ...INTAKE, refuse })
  const replies: ByteBudget = createByteBudget(REPLIES_MAX_BYTES)
  return {
    runInTurn({ route, bytes }, share, work) {
      const slots = route.intake ? intake : requests
      const takesTurn = !route.intake || bytes > LARGE_INTAKE_BYTES
      const runNow = async () => {
        const startedAt = performance.now()
        const watched = requestDb(route.intake ? intakeDb : db, startedAt + limits.statementSeconds * 1000)
        try {
          return await work(watched.db)
        } finally {
          // What it did not wait for the database: parsing, judging, writing JSON.
          if (takesTurn) slots.charge(share, performance.now() - startedAt - watched.waitedMs())
        }
      }
      return takesTurn ? slots.run(share, runNow) : runNow()
    },
    holdReply(share, res, bytes) {
      const held = replies.hold(share, () => res.destroy())
      res.once('close', held.release)
      held.add(bytes)
    },
    kept: createKeptReplies(),
  }
}

/** The pool for one request. A statement that is too slow is stopped by its session; many fast ones are stopped here. */
function requestDb(pool: Db, deadline: number): { db: RequestDb; waitedMs: () => number } {
  let waited = 0
  const waitFor = async <T>(answer: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now()
    if (startedAt > deadline) throw new Refusal('query_too_slow', { retryAfterSeconds: 5 })
    try {
      return await answer()
    } catch (error) {
      if ((error as { code?: unknown }).code !== QUERY_CANCELED) throw error
      throw new Refusal('query_too_slow', { retryAfterSeconds: 5 })
    } finally {
      waited += performance.now() - startedAt
    }
  }
  const watch = (target: Queryable): Queryable => {
    const query = (text: string, values?: unknown[]) => waitFor(() => target.query(text, values))
    return { query: query as unknown as Queryable['query'] }
  }
  return {
    db: { ...watch(pool), inTransaction: (work) => inTransaction(pool, (tx) => work(watch(tx))) },
    waitedMs: () => waited,
  }
}
