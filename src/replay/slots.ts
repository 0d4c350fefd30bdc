/** Returns a function that runs the work it is given, at most `limit` pieces at once; the rest waits in order of arrival. */
export function createSlots(limit: number) {
  const queue: (() => void)[] = []
  let free = limit
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => queue.push(resolve))
    try {
      return await work()
    } finally {
      const next = queue.shift()
      if (next) next()
      else free += 1
    }
  }
}

export type RunInSlot = ReturnType<typeof createSlots>
