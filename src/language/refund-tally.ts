/** What was told as given back of one payment. Stripe tells a refund on up to three paths; each is one entry here. */
export interface RefundTally {
  entries: RefundShare[]
}

/** One sight of money given back: by a refund's id, or by how much the payment has given back in all (`upTo`). */
export interface RefundShare {
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
export function countShare(tally: RefundTally | null, share: RefundShare): { tally: RefundTally; fresh: boolean } {
  const entries = tally?.entries ?? []
  const replaceEntry = (entry: RefundShare, next: RefundShare) => ({
    entries: entries.map((one) => (one === entry ? next : one)),
  })
  const same = entries.find((entry) => (share.id === null ? entry.upTo === share.upTo : entry.id === share.id))
  if (same) {
    const succeedsNow = same.pending === true && share.id !== null && !share.pending
    const { pending: _, ...settled } = same
    return succeedsNow ? { tally: replaceEntry(same, settled), fresh: true } : { tally: { entries }, fresh: false }
  }
  const counterpart = entries.find(
    (entry) => entry.amount === share.amount && (share.id === null ? entry.upTo === null : entry.id === null),
  )
  if (counterpart) {
    const matched = { ...counterpart, id: counterpart.id ?? share.id, upTo: counterpart.upTo ?? share.upTo }
    return { tally: replaceEntry(counterpart, matched), fresh: false }
  }
  const isCovered =
    share.id === null &&
    share.upTo !== null &&
    entries.every(({ id }) => id !== null) &&
    totalRefunded({ entries }) >= share.upTo
  if (isCovered) return { tally: { entries }, fresh: false }
  return { tally: { entries: [...entries, share] }, fresh: !share.pending }
}

/** Minor units told as given back so far. */
export const totalRefunded = (tally: RefundTally | null): number =>
  (tally?.entries ?? []).reduce((sum, { amount, pending }) => (pending ? sum : sum + amount), 0)

/** A refund that did not take place: it counts no longer, and a rise that it made is no other refund's. */
export function withdrawShare(tally: RefundTally | null, share: RefundShare): RefundTally {
  const entries = tally?.entries ?? []
  const known = entries.some(({ id }) => id === share.id)
  if (!known) return countShare(tally, { ...share, pending: true }).tally
  return { entries: entries.map((entry) => (entry.id === share.id ? { ...entry, pending: true } : entry)) }
}
