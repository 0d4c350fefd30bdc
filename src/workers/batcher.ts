/** Adds one item to a batch; the promise settles with that item's own result. */
export type AddToBatch<In, Out> = (item: In) => Promise<Out>

/** So many items in a batch: more will come, and one transaction for all of them costs less. */
const CROWD = 4

/**
 * Gathers items that arrive close together and flushes them as one. A flush starts at once when fewer than `inFlight`
 * are running and the last one started `spacingMs` ago (`crowdedSpacingMs` when it took several items), and takes all that has gathered, as long as their sizes (1 each
 * by default) come to `max` at most; an item that is larger is flushed by itself. Where more has gathered, groups take turns
 * (`groupOf`), each in the order of arrival: who adds much waits for itself, not before others.
 * `flush` returns one result per item, in order; when it throws, every item of that batch is rejected with the error.
 */
export function createBatcher<In, Out>(
  flushBatch: (items: In[]) => Promise<Out[]>,
  {
    max = 500,
    inFlight = 1,
    spacingMs = 0,
    crowdedSpacingMs = spacingMs,
    size: sizeOf = () => 1,
    groupOf,
  }: {
    max?: number
    inFlight?: number
    spacingMs?: number
    crowdedSpacingMs?: number
    size?: (item: In) => number
    groupOf?: (item: In) => string
  } = {},
): AddToBatch<In, Out> {
  type WaitingItem = { item: In; resolve: (out: Out) => void; reject: (error: unknown) => void }
  let waiting: WaitingItem[] = []
  let running = 0
  let scheduled = false
  let startedAt = 0
  let isCrowded = false

  const scheduleFlush = () => {
    if (scheduled || waiting.length === 0 || running >= inFlight) return
    scheduled = true
    const early = startedAt + (isCrowded ? crowdedSpacingMs : spacingMs) - performance.now()
    if (early > 1) setTimeout(startFlush, early)
    else setImmediate(startFlush)
  }
  const takeBatch = (): WaitingItem[] => {
    let sum = 0
    for (const { item } of waiting) sum += sizeOf(item)
    if (sum <= max) return waiting.splice(0)
    const inTurn = groupOf === undefined ? waiting : takeTurns(waiting, ({ item }) => groupOf(item))
    const batch: WaitingItem[] = []
    let taken = 0
    for (const next of inTurn) {
      taken += sizeOf(next.item)
      if (batch.length > 0 && taken > max) break
      batch.push(next)
    }
    const inBatch = new Set(batch)
    waiting = waiting.filter((one) => !inBatch.has(one))
    return batch
  }
  const startFlush = async () => {
    scheduled = false
    const batch = takeBatch()
    running += 1
    isCrowded = batch.length >= CROWD
    startedAt = performance.now()
    scheduleFlush()
    try {
      const results = await flushBatch(batch.map(({ item }) => item))
      if (results.length !== batch.length)
        throw new Error(`a batch of ${batch.length} items was answered with ${results.length} results`)
      for (const [at, result] of results.entries()) batch[at]?.resolve(result)
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
    running -= 1
    scheduleFlush()
  }
  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      scheduleFlush()
    })
}

/** The items of all groups in turn: the first of each, then the second of each, and so on. */
function* takeTurns<T>(items: readonly T[], groupOf: (item: T) => string): Generator<T> {
  let lines: Iterator<T>[] = [...Map.groupBy(items, groupOf).values()].map((line) => line.values())
  while (lines.length > 0) lines = yield* takeRound(lines)
}

/** One item of each line; returns the lines that may have more. */
function* takeRound<T>(lines: readonly Iterator<T>[]): Generator<T, Iterator<T>[]> {
  const left: Iterator<T>[] = []
  for (const line of lines) {
    const { value, done } = line.next()
    if (done) continue
    yield value
    left.push(line)
  }
  return left
}
