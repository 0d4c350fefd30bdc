interface ReadingCacheOptions {
  /** A value that is younger is returned without a new reading. */
  freshMs: number
  /** The share of the time that reading may take: after a slow reading the next one comes later. */
  share: number
  /** How long after a failed reading the next one comes. */
  againMs: number
  /** How long a caller waits for a new value before it gets the last one. */
  waitMs: number
}

/**
 * Caches a value that is expensive to read. Concurrent callers of `readLatest` share one reading; it never throws, and is null
 * until a reading has succeeded. When one fails, `onFailed` gets the error, and the last value stays.
 */
export function createReadingCache<T>(
  read: () => Promise<T>,
  { freshMs, share, againMs, waitMs: patienceMs }: ReadingCacheOptions,
  onFailed: (error: unknown) => void,
) {
  let last: { value: T; at: number } | null = null
  let notBefore = 0
  let reading: Promise<void> | null = null

  const refresh = async () => {
    const startedAt = performance.now()
    let waitMs: number
    try {
      const value = await read()
      const at = performance.now()
      last = { value, at }
      waitMs = Math.max(freshMs, (at - startedAt) / share)
    } catch (error) {
      onFailed(error)
      waitMs = againMs
    }
    notBefore = performance.now() + waitMs
    reading = null
  }
  return {
    async readLatest(): Promise<T | null> {
      if (!reading && performance.now() >= notBefore) reading = refresh()
      if (reading) {
        let timer: NodeJS.Timeout | undefined
        const timeout = new Promise<void>((resolve) => {
          timer = setTimeout(resolve, patienceMs)
        })
        await Promise.race([reading, timeout])
        clearTimeout(timer)
      }
      return last?.value ?? null
    },
    /** Seconds since the last successful reading; null: there was none. */
    ageSeconds: () => (last === null ? null : (performance.now() - last.at) / 1000),
  }
}
