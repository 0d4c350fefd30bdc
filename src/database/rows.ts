/** The first of `rows`, for statements that always answer one (`returning`, an aggregate). Throws when there is none. */
export function firstRow<R>(rows: readonly R[]): R {
  const [row] = rows
  if (row === undefined) throw new Error('The database answered no row where a statement always gives one.')
  return row
}
