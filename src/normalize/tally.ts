/** What was told as given back of one payment. Stripe tells a refund on up to three paths; each is one entry here. */
export interface Tally {
  entries: { id: string | null; upTo: number | null; amount: number }[]
}

/** One sight of money given back: by a refund's id, or by how much the payment has given back in all (`upTo`). */
export interface Share {
  id: string | null
  upTo: number | null
  amount: number
}

/**
 * Counts a share once. A refund's id is one refund; a rise of the cumulative amount without an id is the refund of that
 * amount that no rise was matched with yet, or all of those told cover it. `fresh` is false for what was counted before.
 */
export function counted(tally: Tally | null, share: Share): { tally: Tally; fresh: boolean } {
  const entries = tally?.entries ?? []
  const same = entries.find((entry) => (share.id === null ? entry.upTo === share.upTo : entry.id === share.id))
  if (same) return { tally: { entries }, fresh: false }
  const other = entries.find(
    (entry) => entry.amount === share.amount && (share.id === null ? entry.upTo === null : entry.id === null),
  )
  if (other) {
    const matched = { ...other, id: other.id ?? share.id, upTo: other.upTo ?? share.upTo }
    return { tally: { entries: entries.map((entry) => (entry === other ? matched : entry)) }, fresh: false }
  }
  const told = totalOf({ entries })
  if (share.id === null && share.upTo !== null && entries.every(({ id }) => id !== null) && told >= share.upTo)
    return { tally: { entries }, fresh: false }
  return { tally: { entries: [...entries, { ...share }] }, fresh: true }
}

/** Minor units told as given back so far. */
export const totalOf = (tally: Tally | null): number =>
  (tally?.entries ?? []).reduce((sum, { amount }) => sum + amount, 0)

/** A refund that failed after it was told: it counts no longer. */
export const without = (tally: Tally | null, id: string): Tally => ({
  entries: (tally?.entries ?? []).filter((entry) => entry.id !== id),
})
