import { expect, test } from 'vitest'
import type { Queryable } from '../../src/database/db.ts'
import { createRowInsert } from '../../src/database/insert-rows.ts'
import { freshDatabase } from '../support/database.ts'

const { db } = await freshDatabase({ max: 1 })
await db.query(`create table numbers (n int primary key, word text not null, bytes bytea, tags text[], at timestamptz)`)

interface NumberRow {
  n: number
  word: string
}
const columns = { n: (row: NumberRow) => row.n, word: (row: NumberRow) => row.word }
const rowsTo = (count: number): NumberRow[] => Array.from({ length: count }, (_, n) => ({ n, word: `w${n}` }))

/** Passes statements on and writes down how many rows each had. */
function countingStatements() {
  const sizes: number[] = []
  const queryable = {
    query: (statement: { name: string; text: string; values: unknown[] }) => {
      sizes.push(Number(statement.name.split('.').at(-1)))
      return db.query(statement)
    },
  } as unknown as Queryable
  return { sizes, queryable }
}

test.each([0, 1, 2, 5, 7, 11, 59, 60, 127, 128, 129, 511, 1300])(
  '%i rows are inserted, each once, in few sizes',
  async (count) => {
    await db.query('truncate numbers')
    const { sizes, queryable } = countingStatements()
    const insert = createRowInsert<NumberRow>({ name: `plain${count}`, table: 'numbers', columns })
    await insert(queryable, rowsTo(count))
    const { rows } = await db.query('select n, word from numbers order by n')
    expect(rows).toEqual(rowsTo(count))
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(count)
    expect(sizes.length).toBeLessThanOrEqual(count / 128 + 5)
  },
)

test.each([1, 5, 60, 513])(
  'where a conflict does nothing, %i rows take as few statements as can be, and answer once',
  async (count) => {
    await db.query('truncate numbers')
    await db.query(`insert into numbers values (0, 'before')`)
    const { sizes, queryable } = countingStatements()
    const end = 'on conflict (n) do nothing returning n'
    const insert = createRowInsert<NumberRow, { n: number }>({ name: `once${count}`, table: 'numbers', columns, end })
    const inserted = await insert(queryable, rowsTo(count))
    expect(inserted.map(({ n }) => n).sort((a, b) => a - b)).toEqual(
      rowsTo(count)
        .slice(1)
        .map(({ n }) => n),
    )
    expect(sizes).toHaveLength(Math.ceil(count / 128))
  },
)

test('where a conflict changes the row, no row is met twice by one statement', async () => {
  await db.query('truncate numbers')
  const end = 'on conflict (n) do update set word = excluded.word'
  const insert = createRowInsert<NumberRow>({ name: 'changed', table: 'numbers', columns, end })
  await insert(db, rowsTo(7))
  await insert(
    db,
    rowsTo(7).map(({ n }) => ({ n, word: 'new' })),
  )
  const { rows } = await db.query(`select count(*)::int as count from numbers where word = 'new'`)
  expect(rows).toEqual([{ count: 7 }])
})

test('bytes, lists, times, nulls and SQL of its own arrive as what they are', async () => {
  await db.query('truncate numbers')
  const bytes = Buffer.from([0, 1, 255, 0x5c, 0x27])
  const insert = createRowInsert<NumberRow>({
    name: 'kinds',
    table: 'numbers',
    columns: { ...columns, bytes: ({ n }) => (n === 0 ? null : bytes), tags: () => ['a', 'b,"c'] },
    constants: { at: `timestamptz '2026-01-01'` },
  })
  await insert(db, rowsTo(2))
  const { rows } = await db.query('select bytes, tags, at from numbers order by n')
  const at = new Date('2026-01-01T00:00:00Z')
  expect(rows).toEqual([
    { bytes: null, tags: ['a', 'b,"c'], at },
    { bytes, tags: ['a', 'b,"c'], at },
  ])
})

test('dates of all years arrive as they are', async () => {
  await db.query('truncate numbers')
  const dates = ['0001-01-01T00:00:00.001Z', '2026-11-29T23:59:59.999Z', '+010000-01-01T00:00:00.000Z'].map(
    (text) => new Date(text),
  )
  const insert = createRowInsert<NumberRow>({
    name: 'dates',
    table: 'numbers',
    columns: { ...columns, at: ({ n }) => dates[n] },
  })
  await insert(db, rowsTo(dates.length))
  const { rows } = await db.query('select extract(epoch from at)::float8 * 1000 as ms from numbers order by n')
  expect(rows.map(({ ms }) => Math.round(ms))).toEqual(dates.map((date) => date.getTime()))
})

test('a table of many columns is inserted in statements of at most 65,535 parameters', async () => {
  const names = Array.from({ length: 600 }, (_, at) => `c${at}`)
  await db.query(`create table wide (${names.map((name) => `${name} int`).join(', ')})`)
  const insert = createRowInsert<number>({
    name: 'wide',
    table: 'wide',
    columns: Object.fromEntries(names.map((name, at) => [name, (row: number) => row + at])),
  })
  await insert(
    db,
    Array.from({ length: 300 }, (_, row) => row),
  )
  const { rows } = await db.query('select count(*)::int as count, max(c599) as most from wide')
  expect(rows).toEqual([{ count: 300, most: 898 }])
})

test('rows that hold the same moment have a date of their own each, and an endless one stays endless', async () => {
  const { rows } = await db.query(
    `select at from unnest(array['2026-02-03 04:05:06.789+00', '2026-02-03 04:05:06.789+00', 'infinity', '-infinity',
       '2026-02-03 04:05:06.79+00', '0044-03-15 12:00:00+00 BC']::timestamptz[]) with ordinality t (at, place) order by place`,
  )
  const [first, second, endless, beginless, later, ancient] = rows.map(({ at }) => at)
  expect([first, second, later]).toEqual([
    new Date('2026-02-03T04:05:06.789Z'),
    new Date('2026-02-03T04:05:06.789Z'),
    new Date('2026-02-03T04:05:06.790Z'),
  ])
  expect([endless, beginless]).toEqual([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
  expect(ancient.getUTCFullYear()).toBe(-43)
  first.setUTCFullYear(1999)
  expect(second).toEqual(new Date('2026-02-03T04:05:06.789Z'))
})
