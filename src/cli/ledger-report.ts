import { type Db, inTransaction, type Queryable } from '../database/db.ts'
import { type RetentionHorizons, readHorizons } from '../database/retention-horizons.ts'
import { firstRow } from '../database/rows.ts'
import { ledgerChecks } from './ledger-checks.ts'

/** Does what came in add up with what went out? */
export interface LedgerReport {
  /** Rows by table and state, of the period. */
  counts: Record<string, Record<string, number>>
  /** What is wrong about how many, with a few ids; `wrong` 0: nothing. */
  findings: { name: string; wrong: number; examples: string[] }[]
  /** What is older may be gone: it is not judged. null: nothing of the period is. */
  pastRetention: { payload: Date | null; metadata: Date | null }
}

interface LedgerOptions {
  /** Rows older than this are left out. */
  days?: number
  /** Work that has been due for longer is late. */
  lateSeconds?: number
  /** How long after an endpoint's last change its deliveries are not judged: clocks differ, and what ran then may have seen it as it was. */
  unsureSeconds?: number
}

const EXAMPLES = 5

/** Counts and checks everything in one snapshot of the database, so that a gateway may run meanwhile. */
export const readLedgerReport = (
  db: Db,
  { days = 28, lateSeconds = 60, unsureSeconds = 5 }: LedgerOptions = {},
): Promise<LedgerReport> =>
  inTransaction(db, async (tx) => {
    await tx.query('set transaction isolation level repeatable read, read only')
    const clock = await tx.query<{ since: Date }>('select now() - make_interval(days => $1) as since', [days])
    const { since } = firstRow(clock.rows)
    const kept = await readHorizons(tx)
    const findings = []
    for (const { name, reads, sql } of ledgerChecks) {
      const { rows } = await tx.query(
        // Each check uses some of the parameters; all must have a type. Rows of a client that was deleted are on their way out.
        `select count(*) as wrong, (array_agg(found.id))[1:${EXAMPLES}] as examples from (${sql}) found
            join clients c on c.id = found.client_id
          where $1::timestamptz is not null and $2::float8 is not null and $3::float8 is not null and $4::timestamptz is not null`,
        [laterOf(since, kept[reads]), lateSeconds, unsureSeconds, kept.metadata],
      )
      findings.push({ name, wrong: rows[0].wrong, examples: rows[0].examples ?? [] })
    }
    return { counts: await countRows(tx, since), findings, pastRetention: pastRetentionSince(kept, since) }
  })

const laterOf = (one: Date, other: Date) => (one > other ? one : other)

const pastRetentionSince = ({ payload, metadata }: RetentionHorizons, since: Date): LedgerReport['pastRetention'] => ({
  payload: payload > since ? payload : null,
  metadata: metadata > since ? metadata : null,
})

async function countRows(tx: Queryable, since: Date): Promise<LedgerReport['counts']> {
  const { rows } = await tx.query(
    `select 'source events' as of, state, count(*) from source_events where id >= uuid7_floor($1) group by state
     union all select 'events', contract, count(*) from events where id >= uuid7_floor($1) group by contract
     union all select 'deliveries', state, count(*) from deliveries where event_id >= uuid7_floor($1) group by state
     union all select 'attempts', case when status between 200 and 299 then 'accepted' else 'refused or unanswered' end, count(*)
                 from attempts where event_id >= uuid7_floor($1) group by 2
      order by 1, 2`,
    [since],
  )
  const counts: LedgerReport['counts'] = { 'source events': {}, events: {}, deliveries: {}, attempts: {} }
  for (const { of, state, count } of rows) counts[of] = { ...counts[of], [state]: count }
  return counts
}

/** The ledger as a person reads it. */
export function ledgerText({ counts, findings, pastRetention }: LedgerReport): string {
  const lines = Object.entries(counts).map(([of, states]) => {
    const total = Object.values(states).reduce((sum, count) => sum + count, 0)
    const parts = Object.entries(states).map(([state, count]) => `${state} ${count}`)
    return `${of.padEnd(14)} ${String(total).padStart(9)}   ${parts.join(', ')}`.trimEnd()
  })
  const said = findings.map(({ name, wrong, examples }) =>
    wrong === 0 ? `  yes  ${name}` : `  NO   ${name}: not so for ${wrong}, such as ${examples.join(', ')}`,
  )
  const end = ledgerAddsUp({ findings }) ? 'The ledger adds up.' : 'The ledger does NOT add up.'
  const gone = Object.entries(pastRetention).flatMap(([what, before]) =>
    before ? [`  -    ${what} before ${before.toISOString()} is past its retention, and not judged`] : [],
  )
  return [...lines, '', ...said, ...gone, '', end, ''].join('\n')
}

export const ledgerAddsUp = ({ findings }: Pick<LedgerReport, 'findings'>): boolean =>
  findings.every(({ wrong }) => wrong === 0)
