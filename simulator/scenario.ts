import type { World } from './world.ts'

/** An event that a scenario leads to; where that depends on the shape, in versions since or before a date. */
export type Expectation = string | { type: string; since?: string; before?: string }

/** A story of a billing world, and what clients hear of it, in order. */
export interface Scenario {
  name: string
  /** One sentence for the operator who triggers it. */
  about: string
  play(world: World): void
  /** Flo's events. */
  flo: readonly Expectation[]
  /** Florentin's events. */
  florentin: readonly Expectation[]
  /** What the operator says that its plans are worth, by the nickname of the price: Florentin's upgrades may go by that. */
  ranks?: Readonly<Record<string, number>>
}

/** Keeps a scenario's literal types in check. */
export const defineScenario = (declared: Scenario): Scenario => declared

/** The contracts whose events every scenario names. */
export const CONTRACTS = ['flo', 'florentin'] as const

/** The event types that a contract's clients hear of a scenario, told in one API version. */
export const expectedEventTypes = (scenario: Scenario, date: string, contract: (typeof CONTRACTS)[number]): string[] =>
  scenario[contract]
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

// Florentin tells less: that there is an account, a subscription, an invoice.

/** Somebody becomes a customer, subscribes, and is sent the first invoice. */
export const firstPurchase: readonly Expectation[] = ['account.created', 'subscription.purchased', 'invoice.created']
/** The first invoice has to be paid before the subscription is usable. */
export const paidFirst: readonly Expectation[] = ['account.created', 'invoice.created', 'subscription.purchased']
/** A customer is sent an invoice. */
export const firstInvoice: readonly Expectation[] = ['account.created', 'invoice.created']
/** Checkout made a customer of everybody who paid. */
export const checkoutVisitor: Expectation = { type: 'account.created', before: '2022-08-01' }
/** Before invoices had a status a draft was not known as one. */
export const unknownDraft: Expectation = { type: 'invoice.created', before: '2018-11-08' }
