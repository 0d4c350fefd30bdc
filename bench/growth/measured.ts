import type { Db, Queryable } from '../../src/database/db.ts'
import { median, percentile } from '../figures.ts'
import type { Case } from './cases.ts'
import { type Plan, planOf, type Ran } from './plans.ts'

/** What a case took on one database. */
export interface Measured {
  p50: number
  p95: number
  /** Of all its statements. */
  rows: number
  buffers: number
  planMs: number
  indexes: string[]
  /** Tables that were read from one end to the other. */
  whole: string[]
}

const ROUNDS = 20

/** Runs the case over and over on a warm cache, and looks at the plans of its statements. */
export async function measured(db: Db, { run, rounds = ROUNDS }: Case): Promise<Measured> {
  const times: number[] = []
  let ran: Ran[] = []
  for (let round = rounds > 1 ? -1 : 0; round < rounds; round += 1) {
    ran = await undone(db, async (tx) => {
      const watch = watched(tx)
      const started = performance.now()
      await run(watch.db)
      if (round >= 0) times.push(performance.now() - started)
      return watch.ran
    })
  }
  const plans: Plan[] = []
  // Of writing statements only those are run again that find what they write to.
  if (rounds > 1)
    for (const one of ran.filter(({ text }) => /^\s*(select|with|update)/i.test(text)))
      plans.push(await undone(db, (tx) => planOf(tx, one)))
  const sum = (of: (plan: Plan) => number) => plans.reduce((all, plan) => all + of(plan), 0)
  return {
    p50: median(times),
    p95: percentile(times, 95),
    rows: sum(({ rows }) => rows),
    buffers: sum(({ buffers }) => buffers),
    planMs: sum(({ planMs }) => planMs),
    indexes: [...new Set(plans.flatMap(({ indexes }) => indexes))],
    whole: [...new Set(plans.flatMap(({ whole }) => whole))],
  }
}

async function undone<T>(db: Db, work: (tx: Queryable) => Promise<T>): Promise<T> {
  const tx = await db.connect()
  try {
    await tx.query('begin')
    return await work(tx)
  } finally {
    await tx.query('rollback')
    tx.release()
  }
}

/** The database with every statement that it is asked. */
function watched(db: Queryable): { db: Queryable; ran: Ran[] } {
  const ran: Ran[] = []
  const query = (first: any, given?: unknown[]) => {
    const { text, values = [] } = typeof first === 'string' ? { text: first, values: given } : first
    ran.push({ text, values })
    return db.query(first, given)
  }
  return { db: { query } as unknown as Queryable, ran }
}
