import type { KeyRing } from '../keyring.ts'

/** A signing secret as endpoints.secrets keeps it: sealed, and until when it signs (null: no end). Newest first. */
export interface KeptSecret {
  secret: string
  until: string | null
}

/** How many may sign at once. Rule: DESIGN.md 4, rotation. */
const MAX_LIVE = 5

/** The secrets that still sign at `now`. */
export const live = (secrets: readonly KeptSecret[], now: Date): KeptSecret[] =>
  secrets.filter(({ until }) => until === null || Date.parse(until) > now.getTime()).slice(0, MAX_LIVE)

/**
 * The secrets after a rotation: the new one first; the one before goes on signing for `gracePeriodSeconds`, those before it
 * as long as they were promised. With more than five the oldest go.
 */
export function rotated(
  secrets: readonly KeptSecret[],
  fresh: string,
  { now, gracePeriodSeconds, keyRing }: { now: Date; gracePeriodSeconds: number; keyRing: Pick<KeyRing, 'encrypt'> },
): KeptSecret[] {
  const end = new Date(now.getTime() + gracePeriodSeconds * 1000).toISOString()
  const old = secrets.map(({ secret, until }) => ({ secret, until: until ?? end }))
  return live([{ secret: keyRing.encrypt(fresh), until: null }, ...old], now)
}
