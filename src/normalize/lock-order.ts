/** Rows by client and key, as every process orders them: whoever waits for a row of another holds none that the other waits for. */
export function inLockOrder<Row extends { clientId: string }>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
): Row[] {
  const keyed = rows.map((row) => ({ row, key: `${row.clientId} ${keyOf(row)}` }))
  return keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ row }) => row)
}
