import type Stripe from 'stripe'
import type { Credit } from './facts.ts'

// What a credit note says of the refunds that it names, in every shape.

type OldNote = Stripe.CreditNote & { refund?: string | { id: string } | null }
type NoteLine = Stripe.CreditNoteLineItem & { tax_amounts?: { amount: number; inclusive: boolean }[] | null }

/** The refunds that a credit note names, with what it gives back of each line: discounts off, exclusive tax on. */
export function creditsNamed(note: OldNote | null): Credit[] {
  if (!note) return []
  const lines = ((note.lines?.data ?? []) as NoteLine[]).flatMap((credited) =>
    typeof credited?.invoice_line_item === 'string'
      ? [{ line: credited.invoice_line_item, amount: netCredit(credited) }]
      : [],
  )
  const refunds = (note.refunds ?? []).map(({ refund, amount_refunded }) => ({
    refund,
    money: amount_refunded ?? null,
  }))
  const named = refunds.length > 0 ? refunds : [{ refund: note.refund ?? null, money: null }]
  return named.flatMap(({ refund, money }) => {
    const id = typeof refund === 'string' ? refund : refund?.id
    return id ? [{ note: note.id, refund: id, created: note.created, money, lines }] : []
  })
}

function netCredit({ amount, discount_amount, taxes, tax_amounts }: NoteLine): number {
  const taxed = [
    ...(taxes ?? []).map((tax) => (tax.tax_behavior === 'exclusive' ? tax.amount : 0)),
    ...(tax_amounts ?? []).map((tax) => (tax.inclusive ? 0 : tax.amount)),
  ]
  return taxed.reduce((sum, tax) => sum + tax, Number(amount ?? 0) - Number(discount_amount ?? 0))
}
