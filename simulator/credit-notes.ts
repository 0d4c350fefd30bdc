import type { Invoice, Line } from './objects/billing.ts'
import type { Charge, CreditNote } from './objects/payment.ts'
import { present } from './present.ts'
import { createRefund } from './refunds.ts'
import { asOneRequest, changeObject, newId, recordEvent, type World } from './world.ts'

const newCreditNote = (
  world: World,
  invoice: Invoice,
  credits: { line: Line; amount: number }[],
  rest: Pick<CreditNote, 'type' | 'refund'>,
): CreditNote => ({
  kind: 'credit_note',
  id: newId(world, 'cn'),
  created: world.now,
  customer: invoice.customer,
  invoice: present(invoice.id),
  currency: invoice.currency,
  number: `${invoice.number}-CN-01`,
  lines: credits.map((credit) => ({ id: newId(world, 'cnli'), ...credit })),
  ...rest,
})
const sumOf = (credits: readonly { amount: number }[]) => credits.reduce((sum, { amount }) => sum + amount, 0)

/** Lines of a paid invoice are given back through a refund of its charge. */
export function creditPaid(world: World, invoice: Invoice, charge: Charge, credits: { line: Line; amount: number }[]) {
  asOneRequest(world, () => {
    const given = createRefund(world, charge, sumOf(credits))
    recordEvent(
      world,
      'credit_note.created',
      newCreditNote(world, invoice, credits, { type: 'post_payment', refund: given }),
    )
    const creditedAfterPayment = invoice.creditedAfterPayment + given.amount
    changeObject(world, invoice, { creditedAfterPayment }, 'invoice.updated')
  })
}

/** Lines of an open invoice are waived: less is due. */
export function creditOpen(world: World, invoice: Invoice, credits: { line: Line; amount: number }[]) {
  asOneRequest(world, () => {
    recordEvent(
      world,
      'credit_note.created',
      newCreditNote(world, invoice, credits, { type: 'pre_payment', refund: null }),
    )
    const creditedBeforePayment = invoice.creditedBeforePayment + sumOf(credits)
    changeObject(world, invoice, { creditedBeforePayment }, 'invoice.updated')
  })
}
