/** What was told as given back of one payment. Stripe tells a refund on up to three paths; each is one entry here. */
export interface Tally {
  entries: Share[]
}

/** One sight of money given back: by a refund's id, or by how much the payment has given back in all (`upTo`). */
export interface Share {
  id: string | null
  upTo: number | null
  amount: number
  /** Known to be on its way, and not told yet: it may still fail. */
  pending?: true
}

/**
 * Counts a share once. A refund's id is one refund; a rise of the cumulative amount without an id is the refund of that
 * amount that no rise was matched with yet, or all of those told cover it. `fresh`: it has to be told now.
 */
export function counted(tally: Tally | null, share: Share): { tally: Tally; fresh: boolean } {
  const entries = tally?.entries ?? []
  const instead = (entry: Share, next: Share) => ({ entries: entries.map((one) => (one === entry ? next : one)) })
  const same = entries.find((entry) => (share.id === null ? entry.upTo === share.upTo : entry.id === share.id))
  if (same) {
    const comes = same.pending === true && share.id !== null && !share.pending
    const { pending: _, ...settled } = same
    return comes ? { tally: instead(same, settled), fresh: true } : { tally: { entries }, fresh: false }
  }
  const other = entries.find(
    (entry) => entry.amount === share.amount && (share.id === null ? entry.upTo === null : entry.id === null),
  )
  if (other) {
    const matched = { ...other, id: other.id ?? share.id, upTo: other.upTo ?? share.upTo }
    return { tally: instead(other, matched), fresh: false }
  }
  const covered =
    share.id === null &&
    share.upTo !== null &&
    entries.every(({ id }) => id !== null) &&
    totalOf({ entries }) >= share.upTo
  if (covered) return { tally: { entries }, fresh: false }
  return { tally: { entries: [...entries, share] }, fresh: !share.pending }
}

/** Minor units told as given back so far. */
export const totalOf = (tally: Tally | null): number =>
  (tally?.entries ?? []).reduce((sum, { amount, pending }) => (pending ? sum : sum + amount), 0)

/** A refund that did not take place: it counts no longer, and a rise that it made is no other refund's. */
export function failed(tally: Tally | null, share: Share): Tally {
  const entries = tally?.entries ?? []
  const known = entries.some(({ id }) => id === share.id)
  if (!known) return counted(tally, { ...share, pending: true }).tally
  return { entries: entries.map((entry) => (entry.id === share.id ? { ...entry, pending: true } : entry)) }
}
