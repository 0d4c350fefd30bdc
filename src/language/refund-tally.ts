/** What was refunded of one payment. Stripe reports a refund on up to three paths; each refund is one entry here. */
export interface RefundTally {
  entries: RefundShare[]
}

/** One report of a refund: by a refund's id, or by how much of the payment is refunded in all (`upTo`). */
export interface RefundShare {
  id: string | null
  upTo: number | null
  amount: number
  /** Unix seconds: when the refund was made, or when the payment had come to `upTo`. */
  at?: number
  /** Known to be on its way, and not sent yet: it may still fail. */
  pending?: true
  /** It did not take place, and never will: what says that it succeeded is older. */
  failed?: true
  /** Unix seconds when that became known of it: a later rise to the same sum is another refund's. */
  failedAt?: number
  /** Which lines were given back, and how much of each; without it any line may be meant. */
  parts?: readonly RefundPart[]
  /** The payment that it is of, where a tally is that of several payments of one purchase. */
  payment?: string
}

/** How much of one line was given back; `line` is null where it is not known. */
export interface RefundPart {
  line: string | null
  amount: number
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
  const same = entries.find((entry) =>
    share.id === null ? entry.upTo === share.upTo && !isAfterFailure(share, entry) : entry.id === share.id,
  )
  if (same) {
    const succeedsNow = same.pending === true && !same.failed && share.id !== null && !share.pending
    const { pending: _, ...settled } = { ...same, ...partsOf(share) }
    return succeedsNow ? { tally: replaceEntry(same, settled), isNew: true } : { tally: { entries }, isNew: false }
  }
  const counterpart = entries.find(
    (entry) =>
      entry.amount === share.amount &&
      (share.id === null ? entry.upTo === null && !isAfterFailure(share, entry) : entry.id === null),
  )
  if (counterpart) {
    const matched = {
      ...partsOf(share),
      ...counterpart,
      id: counterpart.id ?? share.id,
      upTo: counterpart.upTo ?? share.upTo,
    }
    return { tally: replaceEntry(counterpart, matched), isNew: false }
  }
  if (share.id !== null) {
    const whole = entries.find((entry) => isPartOf(share, entry, entries))
    if (!whole) return { tally: { entries: [...entries, share] }, isNew: !share.pending }
    const { pending: _, ...part } = share
    const rest = takeAmount(whole, whole.amount - share.amount)
    return { tally: { entries: [...replaceEntry(whole, rest).entries, part] }, isNew: false }
  }
  if (share.upTo !== null && isCovered(share.upTo, entries)) return { tally: { entries }, isNew: false }
  // Several refunds of one second show in each of their rises: it stands for what is not known of them by itself.
  const unknown = share.upTo === null ? share.amount : share.upTo - amountKnownIn(share, entries)
  if (unknown <= 0) return { tally: { entries }, isNew: false }
  return { tally: { entries: [...entries, takeAmount(share, Math.min(share.amount, unknown))] }, isNew: !share.pending }
}

/** A charge comes to a sum again when a refund that had made it failed in between. */
const isAfterFailure = (share: RefundShare, { failedAt }: RefundShare): boolean =>
  failedAt !== undefined && share.at !== undefined && share.at > failedAt

const isCovered = (upTo: number, entries: RefundShare[]): boolean =>
  entries.every(({ id }) => id !== null) && totalRefunded({ entries }) >= upTo

/** Minor units of the refunds that are known by themselves to be among those which a payment had come to with a rise. */
const amountKnownIn = ({ upTo, at }: RefundShare, entries: readonly RefundShare[]): number =>
  entries
    .filter((entry) => !entry.failed)
    .filter((entry) =>
      entry.upTo === null
        ? entry.at !== undefined && at !== undefined && entry.at <= at
        : upTo === null || entry.upTo <= upTo,
    )
    .reduce((sum, { amount }) => sum + amount, 0)

/** Whether a refund is one of those that made a rise: it was made before, and all that was given back earlier is known. */
function isPartOf(refund: RefundShare, rise: RefundShare, entries: readonly RefundShare[]): boolean {
  if (rise.id !== null || rise.upTo === null || rise.amount <= refund.amount) return false
  if (refund.at === undefined || rise.at === undefined || refund.at > rise.at) return false
  return rise.upTo - amountKnownIn(rise, entries) < refund.amount
}

/** A share with another amount, each of its lines in proportion. */
function takeAmount(share: RefundShare, amount: number): RefundShare {
  if (amount === share.amount || share.parts === undefined) return { ...share, amount }
  let [before, given] = [0, 0]
  const parts = share.parts.map((part) => {
    before += part.amount
    const upTo = Math.round((amount * before) / share.amount)
    const taken = { ...part, amount: upTo - given }
    given = upTo
    return taken
  })
  return { ...share, amount, parts }
}

const partsOf = ({ parts }: RefundShare) => (parts === undefined ? {} : { parts })

/** The tally of a purchase, with what is counted now of one of its payments. */
export function mergePayment(purchase: RefundTally | null, payment: string, tally: RefundTally): RefundTally {
  const others = (purchase?.entries ?? []).filter((entry) => entry.payment !== payment)
  return { entries: [...others, ...tally.entries.map((entry) => ({ ...entry, payment }))] }
}

/** A share that is sent now, among all that is counted of the purchase: of its own payment, and of the purchase's others. */
export interface CountedShare {
  share: RefundShare
  tally: RefundTally
  others: RefundTally
}

/**
 * Minor units given back so far of one line, over all payments; of every line where none is named. Where the payment says how
 * much was given back of it in all, that counts: what is missing until then was not seen by itself, and what goes beyond came later.
 */
export function refundedOf({ share, tally, others }: CountedShare, line: string | null): number {
  const { upTo } = share
  const earlier = tally.entries.filter((entry) => upTo === null || entry.upTo === null || entry.upTo <= upTo)
  const seen = earlier.filter((entry) => !isAfterFailure(share, entry)).reduce((sum, { amount }) => sum + amount, 0)
  const unseen = upTo === null ? 0 : Math.max(0, upTo - seen)
  return [...earlier, ...others.entries].reduce((sum, entry) => sum + amountOfLine(entry, line), unseen)
}

function amountOfLine({ amount, pending, parts }: RefundShare, line: string | null): number {
  if (pending) return 0
  if (line === null || parts === undefined) return amount
  return parts.reduce((sum, part) => (part.line === line || part.line === null ? sum + part.amount : sum), 0)
}

/** Minor units refunded so far, of what was sent. */
export const totalRefunded = (tally: RefundTally | null): number =>
  (tally?.entries ?? []).reduce((sum, { amount, pending }) => (pending ? sum : sum + amount), 0)

/** A refund that did not take place: it counts no longer, and a rise that it made is no other refund's. */
export function withdrawShare(tally: RefundTally | null, share: RefundShare, failedAt: number): RefundTally {
  const known = (tally?.entries ?? []).some(({ id }) => id === share.id)
  // Where only a rise was counted so far, that may have been it.
  const { entries } = known && tally ? tally : countShare(tally, { ...share, pending: true }).tally
  return {
    entries: entries.map((entry) =>
      entry.id === share.id ? { ...entry, pending: true, failed: true, failedAt: entry.failedAt ?? failedAt } : entry,
    ),
  }
}

/** A refund of which it is known that it did not take place. */
export const hasFailed = (tally: RefundTally, id: string | null): boolean =>
  tally.entries.some((entry) => entry.failed === true && id !== null && entry.id === id)
