/** How many deliveries of a replay wait at its endpoint. */
export interface WaitingDeliveries {
  /** Due now, those in flight included. */
  due: number
  /** Failed, and waiting for their next attempt. */
  later: number
}

// Half of the places in flight that an endpoint has by default: at a slow one, a live delivery finds a place free.
const MIN_WINDOW = 5
const MAX_WINDOW = 500
// An endpoint that fails gets no more than this to try again; what is left stays where it is until these have ended.
const MAX_RETRYING = 5_000

/**
 * How many deliveries may be due at the endpoint at once, after a look. What is due first is sent first, so this is how many
 * a live delivery may find before it: about what the endpoint took since the last look. `filled`: it was full then.
 */
export function nextWindowSize(window: number, { due }: WaitingDeliveries, wasFilled: boolean): number {
  if (due > window * 0.75) return Math.max(MIN_WINDOW, window >> 1)
  return wasFilled && due <= window * 0.25 ? Math.min(MAX_WINDOW, window * 2) : window
}

/** How many may be added now. */
export const roomInWindow = (window: number, { due, later }: WaitingDeliveries): number =>
  later >= MAX_RETRYING ? 0 : Math.max(0, window - due)

export const FIRST_WINDOW_SIZE = MIN_WINDOW
