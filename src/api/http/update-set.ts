/**
 * The `set` clause of an update, `a = $2, b = $3`, for the columns with a value (undefined: unchanged), and the values.
 * `firstParameter` is the number of the first placeholder. null if nothing changes. Column names come from code, never from a
 * request.
 */
export function updateSet(
  columns: Record<string, unknown>,
  firstParameter: number,
): { sql: string; values: unknown[] } | null {
  const given = Object.entries(columns).filter(([, value]) => value !== undefined)
  if (given.length === 0) return null
  return {
    sql: given.map(([column], at) => `${column} = $${firstParameter + at}`).join(', '),
    values: given.map(([, value]) => value),
  }
}
