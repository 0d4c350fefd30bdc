/**
 * The `set` part of an update: `a = $2, b = $3` for the columns whose value is given (undefined: left alone), and the
 * values. `first` is the number of the first parameter. Null when nothing changes. Columns come from code, never from a request.
 */
export function updateSet(columns: Record<string, unknown>, first: number): { sql: string; values: unknown[] } | null {
  const given = Object.entries(columns).filter(([, value]) => value !== undefined)
  if (given.length === 0) return null
  return {
    sql: given.map(([column], at) => `${column} = $${first + at}`).join(', '),
    values: given.map(([, value]) => value),
  }
}
