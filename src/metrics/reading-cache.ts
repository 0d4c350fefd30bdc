interface ReadingCacheOptions {
  /** What is younger is shown again. */
  freshMs: number
  /** Reading takes this share of the time at most: what took long is asked for less often. */
  share: number
  /** So long after a reading that failed comes the next. */
  againMs: number
  /** Who asks waits so long for a new one, then gets the last. */
  waitMs: number
}

/**
 * Remembers what is dear to read, and never throws: `latest` is null until it could be read once. Several who ask at once
 * share one reading. `failed` hears why a reading failed; the last good one stays, with its age.
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
    /** Seconds since it was last read; null: never. */
    ageSeconds: () => (last === null ? null : (performance.now() - last.at) / 1000),
  }
}
