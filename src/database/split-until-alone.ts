/**
 * Whether PostgreSQL refuses what a statement holds, however often it is sent: class 22 (a NUL in a text) and 54 (a text too
 * long for an index). All other classes speak of the database, or of the rows that are there.
 */
export const isRefusedData = (error: unknown): boolean =>
  /^(22|54)/.test(String((error as { code?: unknown } | null)?.code))

interface Splitting<Item, Result> {
  /** Does all at once, or throws and has done nothing. */
  work: (items: readonly Item[]) => Promise<Result[]>
  /** Whether what `work` threw is the fault of a single item; anything else is thrown on. */
  isItemsFault?: (error: unknown) => boolean
  /** What becomes of the item that `work` cannot do. */
  onAlone: (item: Item, error: unknown) => Result | Promise<Result>
}

/**
 * Works on all items at once. One that cannot be worked on fails them all: then each half is tried apart, until that item
 * stands alone. Answers the results in the order of the items.
 */
export async function splitUntilAlone<Item, Result>(
  items: readonly Item[],
  splitting: Splitting<Item, Result>,
): Promise<Result[]> {
  const { work, isItemsFault = isRefusedData, onAlone } = splitting
  try {
    return await work(items)
  } catch (error) {
    const [first] = items
    if (first === undefined || !isItemsFault(error)) throw error
    if (items.length === 1) return [await onAlone(first, error)]
    const half = items.length >> 1
    return [
      ...(await splitUntilAlone(items.slice(0, half), splitting)),
      ...(await splitUntilAlone(items.slice(half), splitting)),
    ]
  }
}
