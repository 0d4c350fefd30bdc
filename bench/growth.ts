import { statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { asked, casesFor, forgotten } from './growth/cases.ts'
import { fill } from './growth/fill.ts'
import { type Plan, planOf } from './growth/plans.ts'
import { benchPostgres } from './postgres.ts'

// Every list of the management API on ten million deliveries: which index it goes by, and how many rows it looks at. Not a
// part of `npm run bench`: it needs some gigabytes and minutes.

const { values: flags } = parseArgs({ options: { deliveries: { type: 'string', default: '10000000' } } })
const deliveries = Number(flags.deliveries)
const MINUTES = 10
const BYTES_EACH = 1000
/** A page of 50, one row of each day's partition, and what belongs to each row. */
const FEW_ROWS = 1000
/** What a page looks at where a filter has no index: see src/api/page-sql.ts. */
const LOOK_ROWS = 10_000

const { bavail, bsize } = await statfs(tmpdir())
if (bavail * bsize < deliveries * BYTES_EACH * 2) {
  console.error(`${tmpdir()} has too little room for ${deliveries} deliveries: try fewer, with --deliveries.`)
  process.exit(1)
}
const endBy = performance.now() + MINUTES * 60_000
const isLate = () => performance.now() > endBy
const say = (line: string) => console.error(`  ${line}`)
// Nothing here has to outlive a power cut; how it is read is the same.
const postgres = await benchPostgres({
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_wal_size: '16GB',
  maintenance_work_mem: '512MB',
  autovacuum: 'off',
})
const stop = async (code: number): Promise<never> => {
  await postgres.stop()
  process.exit(code)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop(1))

let failed = 0
try {
  const { db } = await postgres.fresh()
  const filled = await fill(db, deliveries, { isLate, say })
  const { rows } = await db.query('select pg_size_pretty(pg_database_size(current_database())) as size')
  say(`${filled.deliveries} deliveries over ${filled.days} days, ${rows[0].size}`)
  const cases = await casesFor(db, filled)
  for (const path of forgotten(cases)) {
    failed += 1
    console.log(`FAILED  no case asks for GET ${path}`)
  }
  for (const one of cases) {
    if (isLate()) throw new Error(`After ${MINUTES} minutes there are still cases to ask.`)
    await asked(db, filled.big, one)
    for (const ran of await asked(db, filled.big, one)) {
      const plan = await planOf(db, ran)
      const fine = plan.whole.length === 0 && plan.rows <= FEW_ROWS + (one.looks ? LOOK_ROWS : 0)
      if (!fine) failed += 1
      console.log(line(one.what, ran.ms, plan, fine))
    }
  }
} catch (error) {
  console.error((error as Error).message)
  await stop(1)
}
console.log(failed === 0 ? '\nEvery statement goes by an index over few rows.' : `\n${failed} do not.`)
await stop(failed === 0 ? 0 : 1)

function line(what: string, ms: number, { rows, indexes, whole, buffers, planMs, runMs }: Plan, fine: boolean): string {
  const by = [...indexes, ...whole.map((table) => `ALL OF ${table}`)].join(', ')
  const cells = [fine ? 'ok' : 'FAILED', what.padEnd(64), `${ms.toFixed(1)} ms`.padStart(10)]
  return `${cells.join('  ')}  (plan ${planMs.toFixed(1)}, run ${runMs.toFixed(1)})  ${rows} rows  ${buffers} buffers  ${by}`
}
