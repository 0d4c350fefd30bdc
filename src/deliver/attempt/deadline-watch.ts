const SWEEP_MS = 50

/** A request that has not ended. Moments are milliseconds of `performance.now()`. */
export interface OpenRequest {
  deadline: number
  slowAt: number
  /** Called once when `slowAt` has passed. */
  onSlow(): void
  /** Called when `deadline` has passed; the request is to end then. */
  onDeadline(): void
}

/** Watches the deadlines of all open requests with one timer, which runs only while there are any. */
export function createDeadlineWatch() {
  const openRequests = new Set<OpenRequest>()
  let timer: NodeJS.Timeout | undefined

  const sweepRequests = () => {
    const at = performance.now()
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
      timer ??= setInterval(sweepRequests, SWEEP_MS)
    },
    removeRequest: (request: OpenRequest) => void openRequests.delete(request),
    countOpen: () => openRequests.size,
    stop,
  }
}
