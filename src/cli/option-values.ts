import type { Queryable } from '../database/db.ts'
import { isUuid } from '../domain/ids.ts'
import { UsageError } from './command.ts'

// What options of several commands mean.

const UNIT_MS = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

/** `2026-04-10T12:00:00Z`, a date, or how long ago (`90s`, `30m`, `6h`, `7d`); undefined stays so. Throws a UsageError. */
export function parseTime(text: string | undefined, now = new Date()): Date | undefined {
  if (text === undefined) return undefined
  const [, count, unit = ''] = /^(\d+)([smhd])$/.exec(text) ?? []
  const unitMs = UNIT_MS.get(unit)
  if (unitMs !== undefined) return new Date(now.getTime() - Number(count) * unitMs)
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? new Date(text) : undefined
  if (time && !Number.isNaN(time.getTime())) return time
  throw new UsageError(
    `"${text}" is not a time: write 2026-04-10T12:00:00Z, a date, or how long ago, such as 30m, 6h or 7d.`,
  )
}

/** A whole number of at least 1; undefined stays so. Throws a UsageError. */
export function parseCount(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new UsageError(`--${option} needs a whole number of 1 or more, not "${text}".`)
  return Number(text)
}

/** The clients with this id or name; all clients when it is undefined. Throws a UsageError when there is none. */
export async function findClients(
  db: Queryable,
  idOrName: string | undefined,
): Promise<{ id: string; name: string }[]> {
  const { rows } = await db.query(
    'select id, name from clients where $1::text is null or id = $2 or name = $1 order by id',
    [idOrName ?? null, idOrName && isUuid(idOrName) ? idOrName : null],
  )
  if (rows.length === 0 && idOrName !== undefined) throw new UsageError(`No client has the id or name "${idOrName}".`)
  return rows
}
