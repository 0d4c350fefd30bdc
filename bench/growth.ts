import { statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import type { Db } from '../src/database/db.ts'
import { newLog } from '../src/log.ts'
import type { Bench, Figure, Row } from './bench.ts'
import { medianOf, percentileOf } from './figures.ts'
import { dropCaches } from './growth/api.ts'
import { type Case, listCase, listCases } from './growth/cases.ts'
import { daysUnderTraffic, type Held } from './growth/days.ts'
import { type Filled, fillDatabase } from './growth/fill.ts'
import { type Measured, measureCase } from './growth/measured.ts'
import { workCases } from './growth/work.ts'

const SMALL = { deliveries: 10_000, days: 2 }
const LARGE = { deliveries: 10_000_000, days: 90 }
const BYTES_EACH = 1_000
const MINUTES = 25
/** Blocks that a page may look at: one of each day's index, its own rows and what belongs to them. */
const BUFFERS = 1_000
/** And those of the rows that are judged one by one: see src/api/http/page-sql.ts. */
const JUDGED_BUFFERS = 2_500

// How it is read is the same, and nothing here has to outlive a power cut.
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_wal_size: '16GB',
  maintenance_work_mem: '512MB',
  autovacuum: 'off',
}

/** Everything that is asked of the database, on ten million deliveries of 90 days beside 10,000 of two. */
export const growth: Row = {
  name: 'growth',
  about: `Every list with its filters, first page and deep, in both orders; explain, resend, statistics, metrics and what pumps
look for: on ten million deliveries of 90 days, half of them of one client, beside 10,000 of two days. Times are of warm caches.`,
  alone: true,
  async measure(bench) {
    const size = await fittingCases(bench)
    const endBy = performance.now() + MINUTES * 60_000
    const isLate = () => performance.now() > endBy
    const back = await withSettings(bench)
    const laid: Laid[] = []
    try {
      const young = await laidOut(bench, SMALL, isLate)
      laid.push(young)
      const grown = await laidOut(bench, size, isLate)
      laid.push(grown)
      const beside = new Map<string, Measured>()
      for (const one of await casesOf(young)) beside.set(one.what, await measureCase(young.db, one))
      const figures: Figure[] = []
      const cases = await casesOf(grown)
      for (const one of cases) {
        if (isLate()) break
        figures.push(figureOf(one, await measureCase(grown.db, one), beside.get(one.what)))
      }
      const left = { what: 'cases that were left out', value: cases.length - figures.length, unit: '', atMost: 0 }
      const { quiet, making, dropping } = await daysUnderTraffic(grown.db, newLog('warn'), grown.filled)
      return [
        ...judgeCase(figures),
        left,
        ...figures,
        ...ofDays('making', making, quiet),
        ...ofDays('dropping', dropping, quiet),
      ]
    } finally {
      for (const { drop } of laid) await drop()
      await back()
    }
  },
}

interface Laid {
  db: Db
  drop: () => Promise<void>
  filled: Filled
}

/** Answers what takes the settings back, for the rows that come after. */
async function withSettings({ postgres }: Bench): Promise<() => Promise<void>> {
  const { db, drop } = await postgres.fresh()
  for (const [name, value] of Object.entries(SETTINGS)) await db.query(`alter system set ${name} = '${value}'`)
  await db.query('select pg_reload_conf()')
  return async () => {
    await db.query('alter system reset all')
    await db.query('select pg_reload_conf()')
    await drop()
  }
}

/** As large as it should be, or as the disk allows. */
async function fittingCases({ quick, say }: Bench): Promise<typeof LARGE> {
  const { bavail, bsize } = await statfs(tmpdir())
  const most = Math.floor((bavail * bsize) / 2 / BYTES_EACH)
  const wanted = LARGE.deliveries / (quick ? 50 : 1)
  if (most < wanted) say(`${tmpdir()} has room for ${most.toLocaleString('en')} deliveries only`)
  return { ...LARGE, deliveries: Math.min(wanted, most) }
}

async function laidOut({ postgres, say }: Bench, size: typeof LARGE, isLate: () => boolean): Promise<Laid> {
  const { db, drop } = await postgres.fresh()
  const filled = await fillDatabase(db, size, { isLate, say })
  const { rows } = await db.query('select pg_size_pretty(pg_database_size(current_database())) as size')
  say(`${filled.deliveries.toLocaleString('en')} deliveries over ${filled.days} days, ${rows[0].size}`)
  return { db, drop, filled }
}

async function casesOf({ db, filled }: Laid): Promise<Case[]> {
  const [missing] = dropCaches(await listCase(db, filled))
  if (missing) throw new Error(`Nobody asks for GET ${missing}: bench/growth/cases.ts needs a case.`)
  return [...(await listCases(db, filled)), ...(await workCases(db, filled))]
}

function figureOf({ what, page }: Case, { p50, ...rest }: Measured, young: Measured | undefined): Figure {
  return {
    what,
    value: p50,
    unit: 'ms',
    ...(young && { ratio: { of: '10,000 deliveries', value: p50 / young.p50 } }),
    detail: { page, ...rest },
  }
}

/** What has to hold of every page: how many blocks the worst one looks at, and that none reads a table from end to end. */
function judgeCase(figures: readonly Figure[]): Figure[] {
  const worstOf = (kind: string, atMost: number, what: string): Figure => {
    const pages = figures.filter(({ detail }) => detail?.page === kind)
    const [most] = pages.toSorted((a, b) => buffersOf(b) - buffersOf(a))
    return { what, value: most ? buffersOf(most) : 0, unit: 'buffers', atMost, note: most?.what ?? '' }
  }
  const whole = figures.filter(({ detail }) => detail?.page && (detail.whole as string[]).length > 0)
  return [
    worstOf('found', BUFFERS, 'a page by an index looks at'),
    worstOf('judged', JUDGED_BUFFERS, 'a page whose rows are judged looks at'),
    {
      what: 'pages that read a table from end to end',
      value: whole.length,
      unit: '',
      atMost: 0,
      note: whole[0]?.what ?? '',
    },
  ]
}

const buffersOf = ({ detail }: Figure) => detail?.buffers as number

function ofDays(doing: string, { writes, partitions, ms }: Held, quiet: Held): Figure[] {
  const p95 = percentileOf(writes, 95)
  return [
    { what: `${doing} a partition under traffic`, value: ms / partitions, unit: 'ms' },
    {
      what: `a write meanwhile, p95`,
      value: p95,
      unit: 'ms',
      ratio: { of: 'otherwise', value: p95 / percentileOf(quiet.writes, 95) },
      detail: {
        p50: medianOf(writes),
        most: Math.max(...writes),
        otherwise: medianOf(quiet.writes),
        writes: writes.length,
      },
    },
  ]
}
