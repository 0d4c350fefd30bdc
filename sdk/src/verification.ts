import { decodeUtf8 } from './bytes.ts'
import { explainMismatch, type SignatureCheck } from './mismatch.ts'
import { VerificationError } from './verification-error.ts'

/** Resolves when a signature fits the body with one of the secrets; else throws why none does. */
export async function checkSignatures(check: SignatureCheck): Promise<void> {
  for (const secret of check.secrets) if (await check.fitsSecret(secret, check.body)) return
  throw await explainMismatch(check)
}

/**
 * Throws `timestamp_out_of_tolerance` when the signature was made more than `toleranceSeconds` before or after `now`. Asked only
 * once the signature fits, so the time is what the sender said and not what somebody wrote over it.
 */
export function checkTolerance(seconds: number, toleranceSeconds: number, now: Date): void {
  const offset = Math.floor(now.getTime() / 1000) - seconds
  if (Math.abs(offset) <= toleranceSeconds) return
  throw new VerificationError(
    'timestamp_out_of_tolerance',
    `The signature is right, but it was made at ${formatTime(seconds * 1000)} by the gateway's clock and it is ${formatTime(now.getTime())} by this machine's: ${Math.abs(offset)} seconds ${offset > 0 ? 'later' : 'earlier'}, where ${toleranceSeconds} are allowed. Set this machine's clock (NTP); if it is right, an old request was sent again.`,
  )
}

/** Whether a time in seconds is within so many seconds of now. */
export const isRecent = (seconds: number, toleranceSeconds: number, now: Date): boolean =>
  Math.abs(now.getTime() / 1000 - seconds) <= toleranceSeconds + 1

/** A time in a message; what is beyond the calendar is shown as it is. */
export const formatTime = (milliseconds: number): string =>
  Math.abs(milliseconds) <= 8.64e15 ? new Date(milliseconds).toISOString() : `${milliseconds / 1000} s`

/** The JSON object of a verified body, as what the sender promises that it is. Throws `body_malformed` where it is none. */
export function parseEvent<Event>(body: Uint8Array): Event {
  try {
    const value = JSON.parse(decodeUtf8(body))
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // Reported below.
  }
  throw new VerificationError(
    'body_malformed',
    'The signature is right, but the body is no JSON object: it is not an event.',
  )
}
