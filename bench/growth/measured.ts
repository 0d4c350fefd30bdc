import type { Db, Queryable } from '../../src/database/db.ts'
import { medianOf, percentileOf } from '../figures.ts'
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
export async function measureCase(db: Db, { run, rounds = ROUNDS }: Case): Promise<Measured> {
  const times: number[] = []
  let ran: Ran[] = []
  for (let round = rounds > 1 ? -1 : 0; round < rounds; round += 1) {
    ran = await inRolledBack(db, async (tx) => {
      const watch = watchStatements(tx)
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
      plans.push(await inRolledBack(db, (tx) => planOf(tx, one)))
  const sumOf = (of: (plan: Plan) => number) => plans.reduce((all, plan) => all + of(plan), 0)
  return {
    p50: medianOf(times),
    p95: percentileOf(times, 95),
    rows: sumOf(({ rows }) => rows),
    buffers: sumOf(({ buffers }) => buffers),
    planMs: sumOf(({ planMs }) => planMs),
    indexes: [...new Set(plans.flatMap(({ indexes }) => indexes))],
    whole: [...new Set(plans.flatMap(({ whole }) => whole))],
  }
}

async function inRolledBack<T>(db: Db, work: (tx: Queryable) => Promise<T>): Promise<T> {
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
function watchStatements(db: Queryable): { db: Queryable; ran: Ran[] } {
  const ran: Ran[] = []
  const recordQuery = (first: string | { text: string; values?: unknown[] }, given?: unknown[]) => {
    const { text, values = [] } = typeof first === 'string' ? { text: first, values: given } : first
    ran.push({ text, values })
    return db.query(text, values)
  }
  return { db: { query: recordQuery } as unknown as Queryable, ran }
}
