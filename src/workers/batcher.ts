/** Adds one item to a batch; the promise settles with that item's own result. */
export type AddToBatch<In, Out> = (item: In) => Promise<Out>

/**
 * Gathers items that arrive close together and flushes them as one. A flush starts at once when fewer than `inFlight`
 * are running and the last one started `spacingMs` ago, and takes all that has gathered, as long as their sizes (1 each
 * by default) come to `max` at most; an item that is larger is flushed by itself.
 * `flush` returns one result per item, in order; when it throws, every item of that batch is rejected with the error.
 */
export function createBatcher<In, Out>(
  flushBatch: (items: In[]) => Promise<Out[]>,
  {
    max = 500,
    inFlight = 1,
    spacingMs = 0,
    size: sizeOf = () => 1,
  }: { max?: number; inFlight?: number; spacingMs?: number; size?: (item: In) => number } = {},
): AddToBatch<In, Out> {
  type WaitingItem = { item: In; resolve: (out: Out) => void; reject: (error: unknown) => void }
  let waiting: WaitingItem[] = []
  let running = 0
  let scheduled = false
  let startedAt = 0

  const scheduleFlush = () => {
    if (scheduled || waiting.length === 0 || running >= inFlight) return
    scheduled = true
    const early = startedAt + spacingMs - performance.now()
    if (early > 1) setTimeout(startFlush, early)
    else setImmediate(startFlush)
  }
  const startFlush = async () => {
    scheduled = false
    let [count, sum] = [0, 0]
    for (const { item } of waiting) {
      sum += sizeOf(item)
      if (count > 0 && sum > max) break
      count += 1
    }
    const batch = waiting.slice(0, count)
    waiting = waiting.slice(count)
    running += 1
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
