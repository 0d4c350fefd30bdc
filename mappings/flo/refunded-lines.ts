import type Stripe from 'stripe'
import type { Json } from '../../src/domain/json.ts'
import { memoizeByKey } from '../../src/language/memoized.ts'
import type { Credit } from '../accessors/facts.ts'
import type { Line } from '../accessors/invoice.ts'
import { type Bought, boughtThing } from './item.ts'

// Which lines of a purchase a refund gives back, how much of each, and what had been paid for them. All in minor units.

/** A refund, and what is known of what it gives back. */
export interface RefundedPurchase {
  /** What credit notes have given back of the invoice. */
  credits: Credit[] | null
  invoice: Stripe.Invoice | null
  /** What was bought: the lines of the invoice or Checkout session, or the payment itself. */
  bought: Bought[]
  /** The refund's id; null where only the charge tells of it. */
  refundId: string | null
  /** Unix seconds. */
  at: number
  /** The money that goes back with it. */
  amount: number
  /** What was captured of the payment, null where that is not known. */
  captured: number | null
  paymentId: string | null
}

/** The lines that credit notes name; else the only one; else the first that costs something, for the whole. */
export function linesRefunded(refund: RefundedPurchase): Bought[] {
  const { bought, invoice, amount, captured, paymentId } = refund
  const named = linesNamed(refund)
  if (named.length > 0) return named
  const first = bought.find(({ line }) => costOf(line, invoice) > 0) ?? bought[0]
  if (!first)
    return [{ ...boughtThing(String(paymentId), null), refunded: amount, paid: captured, attribution: 'charge' }]
  const isOnly = bought.length === 1
  const paid = invoice ? (isOnly ? paidForLine(first.line, invoice) : dueOf(invoice)) : captured
  return [{ ...first, refunded: amount, paid: paid ?? captured, attribution: isOnly ? null : 'invoice' }]
}

/** Whether credit notes say of the whole refund which lines are meant; old ones do not say of how much. */
export function isNamedInFull(
  credits: Credit[] | null,
  refundId: string | null,
  amount: number | string | null,
): boolean {
  const meant = (credits ?? []).filter(({ refund }) => refund === refundId)
  return meant.length > 0 && (moneyOf(meant) ?? Number(amount)) >= Number(amount)
}

/** Minor units of a refund that notes are about; null where one of them does not say. */
const moneyOf = (notes: Credit[]): number | null =>
  notes.some(({ money }) => money === null) ? null : sumOf(notes.map(({ money }) => money ?? 0))

function linesNamed({ credits, invoice, bought, refundId, at, amount }: RefundedPurchase): Bought[] {
  const notes = (credits ?? []).filter(({ lines }) => lines.length > 0)
  const meant = refundId === null ? nearestOfAmount(notes, amount, at) : notes.filter((one) => one.refund === refundId)
  const weights = weighLines(meant, bought)
  if (weights.size === 0) return []
  // What no note speaks of may be of any line that none names.
  const other = bought.find((one) => costOf(one.line, invoice) > 0 && !weights.has(one))
  const rest = other ? Math.max(0, amount - (moneyOf(meant) ?? amount)) : 0
  const shares = shareOut(amount - rest, [...weights.values()])
  const named = [...weights.keys()].map((one, place) => ({
    ...one,
    refunded: shares[place] ?? 0,
    paid: invoice && paidForLine(one.line, invoice),
  }))
  if (!other || rest === 0) return named
  return [...named, { ...other, refunded: rest, paid: invoice && dueOf(invoice), attribution: 'invoice' }]
}

/** How much of each line notes give back. */
function weighLines(notes: Credit[], bought: Bought[]): Map<Bought, number> {
  const weights = new Map<Bought, number>()
  // Of two lines with one id the first is meant.
  const byLine = new Map(bought.toReversed().map((one) => [one.line?.id, one]))
  for (const { lines, money } of notes) {
    const amounts = lines.map((line) => line.amount)
    const shares = money === null ? amounts : shareOut(money, amounts)
    for (const [place, { line }] of lines.entries()) {
      const found = byLine.get(line)
      if (found) weights.set(found, (weights.get(found) ?? 0) + (shares[place] ?? 0))
    }
  }
  return weights
}

/** A charge does not name its refund: the note of the same money that is nearest in time is about it. */
function nearestOfAmount(credits: Credit[], amount: number, at: number): Credit[] {
  const alike = credits.filter(({ money, lines }) => (money ?? sumOf(lines.map((line) => line.amount))) === amount)
  const [nearest] = alike.sort((a, b) => Math.abs(a.created - at) - Math.abs(b.created - at))
  return nearest ? [nearest] : []
}

const sumOf = (amounts: readonly number[]) => amounts.reduce((sum, amount) => sum + amount, 0)

/** Splits an amount by weights, to whole units that add up to it. */
function shareOut(amount: number, weights: readonly number[]): number[] {
  const whole = sumOf(weights)
  let [weight, given] = [0, 0]
  return weights.map((one, place) => {
    weight += one
    const upTo = whole === 0 ? (place === weights.length - 1 ? amount : 0) : Math.round((amount * weight) / whole)
    const share = upTo - given
    given = upTo
    return share
  })
}

type OldInvoice = Stripe.Invoice & { tax?: number | null }
type Tax = { amount: number; inclusive?: boolean; tax_behavior?: string }
type LineDetails = {
  discount_amounts?: { amount: number }[] | null
  taxes?: Tax[] | null
  tax_amounts?: Tax[] | null
  pretax_credit_amounts?: { amount: number; type?: string }[] | null
}

/** What was to be paid for a line: discounts and credits off, exclusive tax on, and no more than the invoice asked for. */
function paidForLine(line: Line | null, invoice: Stripe.Invoice): number | null {
  if (line === null || typeof line.amount !== 'number') return null
  const { discount_amounts: discounts, pretax_credit_amounts: credits } = line as Line & LineDetails
  // Before lines told their own, discount and tax stood on the invoice alone.
  const share = Number(invoice.subtotal) > 0 ? line.amount / Number(invoice.subtotal) : 0
  const tax = exclusiveTaxOf(line) ?? share * taxOf(invoice)
  const discount = discounts ? sumOf(discounts.map(({ amount }) => amount)) : share * discountOf(invoice)
  const credit = sumOf((credits ?? []).map(({ type, amount }) => (type === 'credit_balance_transaction' ? amount : 0)))
  const net = Math.round(line.amount - discount - credit + tax)
  const due = dueOf(invoice)
  return due === null ? net : Math.min(net, due)
}

/** What a line cost: one that a discount pays for cost nothing. */
const costOf = (line: Line | null, invoice: Stripe.Invoice | null): number =>
  (invoice && line ? paidForLine(line, invoice) : (line as Json)?.amount_total) ?? Number(line?.amount ?? 0)

/** What an invoice asked for, whatever of it is paid by now. */
const dueOf = ({ amount_due: due }: Stripe.Invoice): number | null => (typeof due === 'number' && due > 0 ? due : null)

function exclusiveTaxOf(line: Line): number | null {
  const { taxes, tax_amounts: old } = line as Line & LineDetails
  const told = taxes ?? old
  if (!told) return null
  return sumOf(told.map((tax) => (tax.tax_behavior === 'exclusive' || tax.inclusive === false ? tax.amount : 0)))
}

/** The tax that came on top: asked for again with every line. */
const taxOf = memoizeByKey((invoice: Stripe.Invoice): number => {
  const byLine = (invoice.lines?.data ?? []).map(exclusiveTaxOf)
  return byLine.some((tax) => tax !== null) ? sumOf(byLine.map((tax) => tax ?? 0)) : ((invoice as OldInvoice).tax ?? 0)
})

const discountOf = (invoice: Stripe.Invoice): number =>
  typeof invoice.total === 'number' && typeof invoice.subtotal === 'number'
    ? Math.max(0, invoice.subtotal + taxOf(invoice) - invoice.total)
    : 0

/** What was captured of a charge; null where it does not say. */
export function capturedOf(charge: Json, received: number | null): number | null {
  if (charge === null || typeof charge.amount !== 'number') return received
  // What is known of the charge may be older than the capture that the payment shows.
  if (isUncaptured(charge)) return received ?? 0
  const captured = charge.amount_captured > 0 ? charge.amount_captured : charge.amount
  // Before charges told it, a partial capture showed in the payment alone.
  return received === null || received <= 0 ? captured : Math.min(captured, received)
}

/** What a capture in part leaves over; null where it is not known. */
export function leftOverOf(charge: Json, intent: Json, received: number | null): number | null {
  const captured = capturedOf(charge, received)
  const authorized: unknown = charge?.amount ?? intent?.amount
  return captured !== null && captured > 0 && typeof authorized === 'number' ? authorized - captured : null
}

/** Money that was authorised and never taken. */
export const isUncaptured = (charge: Json): boolean =>
  charge !== null && charge.captured === false && !(charge.amount_captured > 0)

/** What a charge has given back of what was captured, now and before. */
export interface GivenBack {
  now: number
  before: number
}

/**
 * `amount_refunded` is cumulative. Of a charge that was captured in part it begins with what was released, which is no
 * refund; where it does not (the charge says that it is refunded, or came to less before), all of it is.
 */
export function givenBackBy(charge: Json, before: Json, received: number | null): GivenBack {
  const captured = capturedOf(charge, received) ?? 0
  const released = Math.max(0, charge.amount - captured)
  const sum: number = charge.amount_refunded ?? 0
  const earlier: number = before?.amount_refunded ?? 0
  if (isUncaptured(charge)) return { now: 0, before: 0 }
  const isRelease = earlier >= released || sum === released || sum > captured
  if (released === 0 || sum < released || !isRelease || (charge.refunded === true && sum < charge.amount))
    return { now: sum, before: before !== null && isUncaptured(before) ? 0 : earlier }
  return { now: sum - released, before: Math.max(0, earlier - released) }
}

/** One of the refunds that an old charge lists; `raised` is how much it gave back, where it is known that it made the rise. */
export interface ListedRefund {
  id: string | null
  status: string | null
  raised: number | null
}

/**
 * Which of the refunds that a charge lists, the newest first, raised the sum from `before`: a charge is shown as it is when the
 * event is sent, so that there may be later ones above it. The newest where the list does not tell.
 */
export function refundThatRaised(list: Json, before: number | null, now: number | null): ListedRefund | null {
  const refunds: Json[] = Array.isArray(list) ? list : []
  const [newest] = refunds
  if (!newest) return null
  const shown = (refund: Json, raised: number | null) => ({ id: refund.id, status: refund.status ?? null, raised })
  if (before === null || now === null) return shown(newest, null)
  let sum = 0
  for (const refund of refunds.toReversed()) {
    if (['failed', 'canceled'].includes(refund?.status)) continue
    if (sum === before && sum + refund?.amount <= now) return shown(refund, refund.amount)
    sum += Number(refund?.amount)
  }
  return shown(newest, null)
}
