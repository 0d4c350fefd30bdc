/** How many deliveries of a replay are pending at its endpoint. */
export interface WaitingDeliveries {
  /** Due now, including those in flight. */
  due: number
  /** Failed, and waiting for their next attempt. */
  later: number
}

// Half of an endpoint's default concurrency: at a slow endpoint a live delivery still finds a free slot.
const MIN_WINDOW = 5
const MAX_WINDOW = 500
// At a failing endpoint no more than this many may wait for a retry; no more are made until some of these have ended.
const MAX_RETRYING = 5_000

/**
 * How many deliveries may be due at the endpoint at once. What is due first is sent first, so a live delivery may find as many
 * ahead of it: about as many as the endpoint has taken since the last look. `wasFilled`: the window was full then.
 */
export function nextWindowSize(window: number, { due }: WaitingDeliveries, wasFilled: boolean): number {
  if (due > window * 0.75) return Math.max(MIN_WINDOW, window >> 1)
  return wasFilled && due <= window * 0.25 ? Math.min(MAX_WINDOW, window * 2) : window
}

/** How many may be added now. */
export const roomInWindow = (window: number, { due, later }: WaitingDeliveries): number =>
  later >= MAX_RETRYING ? 0 : Math.max(0, window - due)

export const FIRST_WINDOW_SIZE = MIN_WINDOW
