/** Runs the work it is given, `max` pieces at once; the others wait in the order they came. */
export function slots(max: number) {
  const line: (() => void)[] = []
  let free = max
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => line.push(resolve))
    try {
      return await work()
    } finally {
      const next = line.shift()
      if (next) next()
      else free += 1
    }
  }
}

export type Slots = ReturnType<typeof slots>
