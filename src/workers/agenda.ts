/** Moments of many keys, one for each key. Keys whose moments lie close together come due together. */
export interface Agenda {
  /** Sets the key's moment, in milliseconds, in place of the one it has; it may come due by `spacingMs` later, together with others. */
  setMoment(key: string, at: number, spacingMs?: number): void
  cancelMoment(key: string): void
  cancelAll(): void
}

const SPACING_MS = 10
/** A few milliseconds late rather than early: the database's clock decides what is due. */
const LATE_MS = 5
const LONGEST_TIMER_MS = 2 ** 30

/** `onDue` gets keys whose moment has come. There is a timer for each stretch of time in which moments lie, and none for each key. */
export function createAgenda(now: () => number, onDue: (keys: string[]) => void): Agenda {
  const moments = new Map<string, number>()
  const stretches = new Map<number, { keys: Set<string>; timer: NodeJS.Timeout }>()

  const cancelMoment = (key: string) => {
    const end = moments.get(key)
    const stretch = end === undefined ? undefined : stretches.get(end)
    if (end === undefined || !stretch) return
    moments.delete(key)
    stretch.keys.delete(key)
    if (stretch.keys.size > 0) return
    clearTimeout(stretch.timer)
    stretches.delete(end)
  }
  const startTimer = (end: number) =>
    setTimeout(() => endStretch(end), Math.min(Math.max(0, end - now()) + LATE_MS, LONGEST_TIMER_MS))
  const endStretch = (end: number) => {
    const keys = [...(stretches.get(end)?.keys ?? [])]
    stretches.delete(end)
    for (const key of keys) moments.delete(key)
    onDue(keys)
  }
  return {
    setMoment(key, at, spacingMs = SPACING_MS) {
      cancelMoment(key)
      const end = Math.ceil(at / spacingMs) * spacingMs
      const stretch = stretches.get(end) ?? { keys: new Set(), timer: startTimer(end) }
      stretches.set(end, stretch)
      stretch.keys.add(key)
      moments.set(key, end)
    },
    cancelMoment,
    cancelAll() {
      for (const { timer } of stretches.values()) clearTimeout(timer)
      stretches.clear()
      moments.clear()
    },
  }
}
