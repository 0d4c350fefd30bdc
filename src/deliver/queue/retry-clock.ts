// setTimeout takes 32 bits of milliseconds; a timer that fires early finds nothing due and is set again.
const LONGEST_MS = 2 ** 31 - 1

/**
 * The retry clock of one client: rings for the endpoints whose next delivery has come due. Of each endpoint the earliest
 * time is kept. Durations only, so a machine whose clock differs from the database's rings at the right moment.
 */
export function retryClock({ ring }: { ring: (endpointIds: string[]) => void }) {
  const due = new Map<string, number>()
  let timer: NodeJS.Timeout | undefined
  let armedFor = Number.POSITIVE_INFINITY

  const arm = (at: number) => {
    if (at >= armedFor) return
    clearTimeout(timer)
    armedFor = at
    timer = setTimeout(fire, Math.min(Math.max(0, Math.ceil(at - performance.now())), LONGEST_MS))
  }
  const fire = () => {
    armedFor = Number.POSITIVE_INFINITY
    const now = performance.now()
    const ripe: string[] = []
    let earliest = Number.POSITIVE_INFINITY
    for (const [endpointId, at] of due)
      if (at <= now) ripe.push(endpointId)
      else earliest = Math.min(earliest, at)
    for (const endpointId of ripe) due.delete(endpointId)
    arm(earliest)
    if (ripe.length > 0) ring(ripe)
  }
  return {
    set(endpointId: string, seconds: number) {
      const at = performance.now() + seconds * 1000
      if (at >= (due.get(endpointId) ?? Number.POSITIVE_INFINITY)) return
      due.set(endpointId, at)
      arm(at)
    },
    /** Seconds until the earliest ring, or null. */
    next: () => (armedFor === Number.POSITIVE_INFINITY ? null : (armedFor - performance.now()) / 1000),
    stop() {
      clearTimeout(timer)
      due.clear()
    },
  }
}

export type RetryClock = ReturnType<typeof retryClock>
