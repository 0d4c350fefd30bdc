import type { World } from './world.ts'

/** A Flo event that a scenario leads to, where it depends on the shape: in versions since or before a date. */
export type Expectation = string | { type: string; since?: string; before?: string }

/** A story of a billing world, and the Flo events that it leads to, in order. */
export interface Scenario {
  name: string
  /** One sentence for the operator who triggers it. */
  about: string
  play(world: World): void
  expect: readonly Expectation[]
}

/** Keeps a scenario's literal types in check. */
export const scenario = (told: Scenario): Scenario => told

/** The types that a scenario leads to from events of one API version. */
export const expected = ({ expect }: Scenario, date: string): string[] =>
  expect
    .map((one) => (typeof one === 'string' ? { type: one } : one))
    .filter(({ since = '', before = '9' }: { since?: string; before?: string }) => date >= since && date < before)
    .map(({ type }) => type)

/** A draft becomes open: that shows in its number and page, which the oldest shape lacks. */
const finalized: Expectation = { type: 'invoice.updated', since: '2018-02-05' }

/** An invoice from draft to payment. */
export const paidInvoice: readonly Expectation[] = ['invoice.created', finalized, 'invoice.paid']
/** An invoice that is paid as soon as it is there. */
export const settledInvoice: readonly Expectation[] = ['invoice.created', 'invoice.paid']
/** An invoice that waits for its payment. */
export const openInvoice: readonly Expectation[] = ['invoice.created', finalized]
/** A subscription whose first invoice the card pays. */
export const firstPayment: readonly Expectation[] = ['subscription.created', ...paidInvoice]
/** A subscription that starts with a trial. */
export const trialStart: readonly Expectation[] = ['subscription.created', ...settledInvoice]
/** A recurring period that is billed and paid. */
export const cycle: readonly Expectation[] = [...paidInvoice, 'subscription.renewed']
