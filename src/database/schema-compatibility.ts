import type pg from 'pg'
import { ConfigError } from '../errors.ts'

/**
 * Throws a ConfigError when a migration has said that its schema needs a newer program than `program` (`x.y.z`). A database
 * that holds no such table yet is older than the rule, and is fine.
 */
export async function assertProgramIsCompatible(session: Pick<pg.Client, 'query'>, program: string): Promise<void> {
  const { rows: tables } = await session.query<{ exists: boolean }>(
    `select to_regclass('schema_compatibility') is not null as exists`,
  )
  if (!tables[0]?.exists) return
  const { rows } = await session.query<{ migration: string; oldest: string }>(
    'select migration, oldest_program as oldest from schema_compatibility',
  )
  const newest = rows.reduce<{ migration: string; oldest: string } | null>(
    (most, row) => (most === null || compareVersions(row.oldest, most.oldest) > 0 ? row : most),
    null,
  )
  if (newest !== null && compareVersions(program, newest.oldest) < 0)
    throw new ConfigError(
      `This is flo-gateway ${program}, and the database needs ${newest.oldest} or newer (migration ${newest.migration}): start that version instead.`,
    )
}

/** Below 0: version `a` is older than `b`; above 0: newer. Of `x.y.z-suffix` the suffix does not count. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parseVersion(a), parseVersion(b)]
  for (const [at, part] of left.entries()) {
    const difference = part - (right[at] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

const parseVersion = (version: string): number[] => (version.split('-')[0] ?? '').split('.').map(Number)
