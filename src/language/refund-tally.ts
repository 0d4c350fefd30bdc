/** What was refunded of one payment. Stripe reports a refund on up to three paths; each refund is one entry here. */
export interface RefundTally {
  entries: RefundShare[]
}

/** One report of a refund: by a refund's id, or by how much of the payment is refunded in all (`upTo`). */
export interface RefundShare {
  id: string | null
  upTo: number | null
  amount: number
  /** Known to be on its way, and not sent yet: it may still fail. */
  pending?: true
}

/**
 * Counts a share once. A refund's id is one refund; a rise of the cumulative amount without an id is the refund of that
 * amount that no rise was matched with yet, or those that were sent cover it. `isNew`: it has to be sent now.
 */
export function countShare(tally: RefundTally | null, share: RefundShare): { tally: RefundTally; isNew: boolean } {
  const entries = tally?.entries ?? []
  const replaceEntry = (entry: RefundShare, next: RefundShare) => ({
    entries: entries.map((one) => (one === entry ? next : one)),
  })
  const same = entries.find((entry) => (share.id === null ? entry.upTo === share.upTo : entry.id === share.id))
  if (same) {
    const succeedsNow = same.pending === true && share.id !== null && !share.pending
    const { pending: _, ...settled } = same
    return succeedsNow ? { tally: replaceEntry(same, settled), isNew: true } : { tally: { entries }, isNew: false }
  }
  const counterpart = entries.find(
    (entry) => entry.amount === share.amount && (share.id === null ? entry.upTo === null : entry.id === null),
  )
  if (counterpart) {
    const matched = { ...counterpart, id: counterpart.id ?? share.id, upTo: counterpart.upTo ?? share.upTo }
    return { tally: replaceEntry(counterpart, matched), isNew: false }
  }
  const isCovered =
    share.id === null &&
    share.upTo !== null &&
    entries.every(({ id }) => id !== null) &&
    totalRefunded({ entries }) >= share.upTo
  if (isCovered) return { tally: { entries }, isNew: false }
  return { tally: { entries: [...entries, share] }, isNew: !share.pending }
}

/** Minor units refunded so far, of what was sent. */
export const totalRefunded = (tally: RefundTally | null): number =>
  (tally?.entries ?? []).reduce((sum, { amount, pending }) => (pending ? sum : sum + amount), 0)

/** A refund that did not take place: it counts no longer, and a rise that it made is no other refund's. */
export function withdrawShare(tally: RefundTally | null, share: RefundShare): RefundTally {
  const entries = tally?.entries ?? []
  const known = entries.some(({ id }) => id === share.id)
  if (!known) return countShare(tally, { ...share, pending: true }).tally
  return { entries: entries.map((entry) => (entry.id === share.id ? { ...entry, pending: true } : entry)) }
}
