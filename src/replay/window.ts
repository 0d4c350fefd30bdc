/** How many deliveries of a replay wait at its endpoint. */
export interface Waiting {
  /** Due now, those in flight included. */
  due: number
  /** Failed, and waiting for their next attempt. */
  later: number
}

// Half of the places in flight that an endpoint has by default: at a slow one, a live delivery finds a place free.
const LEAST = 5
const MOST = 500
// An endpoint that fails gets no more than this to try again; what is left stays where it is until these have ended.
const MOST_LATER = 5_000

/**
 * How many deliveries may be due at the endpoint at once, after a look. What is due first is sent first, so this is how many
 * a live delivery may find before it: about what the endpoint took since the last look. `filled`: it was full then.
 */
export function nextWindow(window: number, { due }: Waiting, filled: boolean): number {
  if (due > window * 0.75) return Math.max(LEAST, window >> 1)
  return filled && due <= window * 0.25 ? Math.min(MOST, window * 2) : window
}

/** How many may be added now. */
export const roomIn = (window: number, { due, later }: Waiting): number =>
  later >= MOST_LATER ? 0 : Math.max(0, window - due)

export const FIRST_WINDOW = LEAST
