import { textOf } from './bytes.ts'
import { VerificationError } from './error.ts'
import { type Unmatched, whyNot } from './why-not.ts'

/** Resolves when a signature fits the body with one of the secrets; else throws why none does. */
export async function matched(check: Unmatched): Promise<void> {
  for (const secret of check.secrets) if (await check.fits(secret, check.body)) return
  throw await whyNot(check)
}

/**
 * Throws `timestamp_out_of_tolerance` when the signature was made more than `toleranceSeconds` before or after `now`. Asked only
 * once the signature fits, so the time is what the sender said and not what somebody wrote over it.
 */
export function inTolerance(seconds: number, toleranceSeconds: number, now: Date): void {
  const offset = Math.floor(now.getTime() / 1000) - seconds
  if (Math.abs(offset) <= toleranceSeconds) return
  throw new VerificationError(
    'timestamp_out_of_tolerance',
    `The signature is right, but it was made at ${iso(seconds * 1000)} by the gateway's clock and it is ${iso(now.getTime())} by this machine's: ${Math.abs(offset)} seconds ${offset > 0 ? 'later' : 'earlier'}, where ${toleranceSeconds} are allowed. Set this machine's clock (NTP); if it is right, an old request was sent again.`,
  )
}

/** A time in a message; what no calendar has is told as it is. */
export const iso = (milliseconds: number): string =>
  Math.abs(milliseconds) <= 8.64e15 ? new Date(milliseconds).toISOString() : `${milliseconds / 1000} s`

/** The JSON object of a verified body, as what the sender promises that it is. Throws `body_malformed` where it is none. */
export function parsed<Event>(body: Uint8Array): Event {
  try {
    const value = JSON.parse(textOf(body))
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // Told below.
  }
  throw new VerificationError(
    'body_malformed',
    'The signature is right, but the body is no JSON object: it is not an event.',
  )
}
