const SWEEP_MS = 50
/** A sweep that comes so late was held up by this process: paused, or busy with something else. */
const STALL_MS = 500

/** A request that has not ended. Moments are milliseconds of `performance.now()`. */
export interface OpenRequest {
  deadline: number
  slowAt: number
  /** Called once when `slowAt` has passed. */
  onSlow(): void
  /** Called when `deadline` has passed; the request is to end then. */
  onDeadline(): void
}

/**
 * Watches the deadlines of all open requests with one timer, which runs only while there are any. Time in which this process
 * stood still does not count: answers may have come, and nobody has looked.
 */
export function createDeadlineWatch() {
  const openRequests = new Set<OpenRequest>()
  let timer: NodeJS.Timeout | undefined
  let sweptAt = 0

  const forgiveStall = (stalledMs: number) => {
    for (const request of openRequests) {
      request.deadline += stalledMs
      request.slowAt += stalledMs
    }
  }
  const sweepRequests = () => {
    const at = performance.now()
    const stalledMs = at - sweptAt - SWEEP_MS
    sweptAt = at
    if (stalledMs > STALL_MS) forgiveStall(stalledMs)
    for (const request of openRequests)
      if (request.deadline <= at) request.onDeadline()
      else if (request.slowAt <= at) {
        request.slowAt = Number.POSITIVE_INFINITY
        request.onSlow()
      }
    if (openRequests.size === 0) stop()
  }
  const stop = () => {
    clearInterval(timer)
    timer = undefined
  }
  return {
    addRequest(request: OpenRequest) {
      openRequests.add(request)
      if (timer) return
      sweptAt = performance.now()
      timer = setInterval(sweepRequests, SWEEP_MS)
    },
    removeRequest: (request: OpenRequest) => void openRequests.delete(request),
    countOpen: () => openRequests.size,
    stop,
  }
}
