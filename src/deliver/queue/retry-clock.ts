// setTimeout takes 32 bits of milliseconds; a timer that fires early finds nothing due and is set again.
const LONGEST_MS = 2 ** 31 - 1

/**
 * The retry clock of one client: calls `onDue` with the endpoints whose next delivery has come due. For each
 * endpoint it knows the earliest time. It is set by durations, so that it is right where the machine's clock differs from the database's.
 */
export function createRetryClock({ onDue }: { onDue: (endpointIds: string[]) => void }) {
  const dueAt = new Map<string, number>()
  let timer: NodeJS.Timeout | undefined
  let armedFor = Number.POSITIVE_INFINITY

  const armTimer = (at: number) => {
    if (at >= armedFor) return
    clearTimeout(timer)
    armedFor = at
    timer = setTimeout(ringDue, Math.min(Math.max(0, Math.ceil(at - performance.now())), LONGEST_MS))
  }
  const ringDue = () => {
    armedFor = Number.POSITIVE_INFINITY
    const now = performance.now()
    const dueIds: string[] = []
    let earliest = Number.POSITIVE_INFINITY
    for (const [endpointId, at] of dueAt)
      if (at <= now) dueIds.push(endpointId)
      else earliest = Math.min(earliest, at)
    for (const endpointId of dueIds) dueAt.delete(endpointId)
    armTimer(earliest)
    if (dueIds.length > 0) onDue(dueIds)
  }
  return {
    setDue(endpointId: string, seconds: number) {
      const at = performance.now() + seconds * 1000
      if (at >= (dueAt.get(endpointId) ?? Number.POSITIVE_INFINITY)) return
      dueAt.set(endpointId, at)
      armTimer(at)
    },
    /** Seconds until the next call of `onDue`; null when nothing is set. */
    secondsUntilNext: () => (armedFor === Number.POSITIVE_INFINITY ? null : (armedFor - performance.now()) / 1000),
    stop() {
      clearTimeout(timer)
      dueAt.clear()
    },
  }
}

export type RetryClock = ReturnType<typeof createRetryClock>
