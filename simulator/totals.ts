import type { Invoice, Line } from './objects/billing.ts'

const sumOf = (lines: readonly Line[], amount: (line: Line) => number) =>
  lines.reduce((sum, line) => sum + amount(line), 0)

export const subtotalOf = ({ lines }: Pick<Invoice, 'lines'>): number => sumOf(lines, ({ amount }) => amount)
export const discountOf = ({ lines }: Pick<Invoice, 'lines'>): number =>
  sumOf(lines, (line) => line.discount?.amount ?? 0)
/** Exclusive tax: it comes on top. */
export const taxOf = ({ lines }: Pick<Invoice, 'lines'>): number => sumOf(lines, (line) => line.tax?.amount ?? 0)
export const totalOf = (invoice: Pick<Invoice, 'lines'>): number =>
  subtotalOf(invoice) - discountOf(invoice) + taxOf(invoice)
/** What is to be paid: a negative total becomes the customer's balance. */
export const amountDue = (invoice: Invoice): number => Math.max(0, totalOf(invoice)) - invoice.creditedBeforePayment
export const amountRemaining = (invoice: Invoice): number => amountDue(invoice) - invoice.amountPaid
