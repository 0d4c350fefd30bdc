import type { Queryable } from './db.ts'

/** An insert of several rows into one table. */
interface RowInsert<Row> {
  /** Of the prepared statement; its size is added. */
  name: string
  table: string
  /** The columns, each with what a row has in it. */
  columns: { readonly [column: string]: (row: Row) => unknown }
  /** Columns that are the same in all rows, as SQL: `{ updated_at: 'now()' }`. */
  constants?: { readonly [column: string]: string }
  /** What follows the rows: `on conflict ... returning ...`. */
  end?: string
  /** The statements over which the rows are split go out together: for one connection, not for a pool. */
  isSentAtOnce?: boolean
}

const PARAMETERS_MAX = 65_535
/** More rows at once cost PostgreSQL and the driver no less for each, and a longer text to parse on each connection. */
const ROWS_MAX = 128

/**
 * Makes a function that inserts rows and answers what `returning` gives, in no particular order. It is `values` and not
 * `insert ... select ... from unnest(...)`: on Citus that takes the rows through the coordinator, and costs many times as much. So
 * that few plans are prepared, statements have few sizes: with `on conflict do nothing` the last row is repeated up to the next
 * size, else the rows are split over several statements, in their order. Call it in a transaction where all rows are to be
 * stored or none.
 */
export function createRowInsert<Row, Result = never>({
  name,
  table,
  columns,
  constants = {},
  end = '',
  isSentAtOnce = false,
}: RowInsert<Row>): (db: Queryable, rows: readonly Row[]) => Promise<Result[]> {
  const readers = Object.values(columns)
  const heads = [...Object.keys(columns), ...Object.keys(constants)].join(', ')
  const fixed = Object.values(constants)
  const canRepeat = /on conflict (\([^)]*\) )?do nothing/.test(end)
  const most = floorOfSizes(Math.min(ROWS_MAX, Math.floor(PARAMETERS_MAX / readers.length)))
  const texts = new Map<number, string>()
  const textOf = (size: number) => {
    const text =
      texts.get(size) ?? `insert into ${table} (${heads}) values ${valuesSql(size, readers.length, fixed)} ${end}`
    texts.set(size, text)
    return text
  }
  const insertSome = async (db: Queryable, rows: readonly Row[], size: number): Promise<Result[]> => {
    const values = valuesOf(rows, size, readers)
    const { rows: results } = await db.query({ name: `${name}.${size}`, text: textOf(size), values })
    return results as Result[]
  }
  return async (db, rows) => {
    const results: (Result[] | Promise<Result[]>)[] = []
    for (let at = 0; at < rows.length; ) {
      const left = rows.length - at
      const size = Math.min(most, canRepeat ? ceilingOfSizes(left) : floorOfSizes(left))
      const inserted = insertSome(db, rows.slice(at, at + size), size)
      results.push(isSentAtOnce ? inserted : await inserted)
      at += size
    }
    return (await Promise.all(results)).flat()
  }
}

/** The values of so many rows, one after another; the last row is repeated where there are fewer. One list, and none for each row. */
function valuesOf<Row>(rows: readonly Row[], size: number, readers: readonly ((row: Row) => unknown)[]): unknown[] {
  const values: unknown[] = []
  for (let at = 0; at < size; at += 1) {
    const row = rows[Math.min(at, rows.length - 1)] as Row
    for (const read of readers) values.push(writeQuickly(read(row)))
  }
  return values
}

/** A date as PostgreSQL reads it: the language writes it several times as quickly as the driver. Other years are left to the driver. */
const writeQuickly = (value: unknown): unknown =>
  value instanceof Date && value.getUTCFullYear() >= 1 && value.getUTCFullYear() <= 9999 ? value.toISOString() : value

/** `($1, $2, now()), ($3, $4, now())`. */
function valuesSql(size: number, width: number, fixed: readonly string[]): string {
  const rowSql = (_: unknown, at: number) =>
    `(${[...Array.from({ length: width }, (_, column) => `$${at * width + column + 1}`), ...fixed].join(', ')})`
  return Array.from({ length: size }, rowSql).join(', ')
}

// Powers of two and what lies half-way between two of them: at most a third of the rows is repeated.
const SIZES = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, ROWS_MAX] as const

const ceilingOfSizes = (count: number): number => SIZES.find((size) => size >= count) ?? ROWS_MAX
const floorOfSizes = (count: number): number => SIZES.findLast((size) => size <= count) ?? 1
