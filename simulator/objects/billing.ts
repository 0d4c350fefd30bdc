import type { Recurrence } from '../calendar.ts'

// What is so in the simulated billing world, whatever API version tells it. Times are Unix seconds, money is in minor units.

/** What every object has. */
export interface BillingObject {
  id: string
  created: number
}
export type Metadata = Record<string, string>

export interface Customer extends BillingObject {
  kind: 'customer'
  email: string | null
  name: string | null
  currency: string | null
  balance: number
  metadata: Metadata
  /** The card that pays, null when there is none. */
  card: Card | null
  invoicePrefix: string
  invoicesSoFar: number
  testClock: string | null
  /** Embedded in the customer until 2020. */
  subscriptions: Subscription[]
}

export interface Card {
  paymentMethod: string
  id: string
  fingerprint: string
}

export interface Product extends BillingObject {
  kind: 'product'
  name: string
  description: string | null
  metadata: Metadata
  updated: number
}

export interface Price extends BillingObject {
  kind: 'price'
  product: Product
  currency: string
  /** Minor units as a decimal, up to 12 places; null when tiers set the amount. */
  unitAmount: string | null
  tiers: Tier[] | null
  recurring: (Recurrence & { usage: 'licensed' | 'metered' }) | null
  nickname: string | null
  metadata: Metadata
}
/** Units up to `upTo` (null: all further ones) cost `unitAmount` each. */
export interface Tier {
  upTo: number | null
  unitAmount: number
}

export type SubscriptionStatus =
  | 'incomplete'
  | 'incomplete_expired'
  | 'trialing'
  | 'active'
  | 'past_due'
  | 'unpaid'
  | 'paused'
  | 'canceled'
export type PauseReason = 'pause_requested' | 'trial_end_without_payment_method' | 'final_payment_failure'
export type CollectionMethod = 'charge_automatically' | 'send_invoice'

export interface Subscription extends BillingObject {
  kind: 'subscription'
  customer: string
  status: SubscriptionStatus
  items: Item[]
  startDate: number
  /** Since when the items are as they are: what `start` meant until 2019. */
  configuredAt: number
  anchor: number
  periodStart: number
  periodEnd: number
  trialStart: number | null
  trialEnd: number | null
  missingPaymentMethod: 'create_invoice' | 'cancel' | 'pause'
  cancelAt: number | null
  cancelAtPeriodEnd: boolean
  canceledAt: number | null
  endedAt: number | null
  cancellationReason: 'cancellation_requested' | 'payment_failed' | null
  collection: CollectionMethod
  daysUntilDue: number | null
  paymentMethod: string | null
  latestInvoice: string | null
  pauseCollection: { behavior: 'void' | 'keep_as_draft' | 'mark_uncollectible'; resumesAt: number | null } | null
  paused: { at: number; why: PauseReason } | null
  schedule: string | null
  flexible: boolean
  metadata: Metadata
  testClock: string | null
}

export interface Item extends BillingObject {
  kind: 'subscription_item'
  subscription: string
  price: Price
  /** Null on a metered item. */
  quantity: number | null
  /** A trial of this item alone (endive). */
  trialOffer: { id: string; start: number; end: number } | null
  /** Up to when periods are billed in advance (dahlia). */
  billedUntil: number | null
  /** Of an item with another interval than the first; null: the subscription's. */
  period: { start: number; end: number } | null
}

export type BillingReason =
  | 'subscription_create'
  | 'subscription_cycle'
  | 'subscription_update'
  | 'subscription_threshold'
  | 'manual'
  | 'upcoming'

export interface Invoice extends Omit<BillingObject, 'id'> {
  kind: 'invoice'
  /** Null on a preview. */
  id: string | null
  customer: string
  customerEmail: string | null
  customerName: string | null
  subscription: string | null
  subscriptionMetadata: Metadata | null
  status: 'draft' | 'open' | 'paid' | 'void' | 'uncollectible'
  billingReason: BillingReason
  collection: CollectionMethod
  currency: string
  lines: Line[]
  number: string | null
  /** The window in which items were gathered: of a cycle's invoice the period before. */
  periodStart: number
  periodEnd: number
  dueDate: number | null
  attempts: number
  attempted: boolean
  autoAdvance: boolean
  nextPaymentAttempt: number | null
  finalizesAt: number | null
  finalizedAt: number | null
  paidAt: number | null
  voidedAt: number | null
  uncollectibleAt: number | null
  amountPaid: number
  paidOutOfBand: boolean
  paymentIntent: string | null
  charge: string | null
  creditedBeforePayment: number
  creditedAfterPayment: number
  endingBalance: number | null
  urlKey: string | null
  metadata: Metadata
  testClock: string | null
}

/** A coupon in use. */
export interface Discount {
  id: string
  start: number
  coupon: { id: string; created: number; percentOff: number }
}

export interface Line extends BillingObject {
  kind: 'line'
  invoice: string | null
  /** A period of a subscription, or an invoice item. */
  of: 'subscription' | 'invoiceitem'
  amount: number
  currency: string
  description: string
  quantity: number
  price: Price
  unitAmount: string | null
  periodStart: number
  periodEnd: number
  proration: boolean
  subscription: string | null
  subscriptionItem: string | null
  invoiceItem: string | null
  discount: { of: Discount; amount: number } | null
  tax: { rate: string; amount: number } | null
}

export interface InvoiceItem extends BillingObject {
  kind: 'invoiceitem'
  customer: string
  invoice: string | null
  line: Line
  testClock: string | null
}

export interface Session extends BillingObject {
  kind: 'checkout.session'
  mode: 'payment' | 'subscription'
  amount: number
  currency: string
  clientReferenceId: string | null
  customer: string | null
  email: string | null
  name: string | null
  invoice: string | null
  invoiceCreation: boolean
  /** The page asks for the terms of service to be accepted. */
  terms: boolean
  paymentIntent: string | null
  subscription: string | null
  paymentStatus: 'paid' | 'unpaid' | 'no_payment_required'
  status: 'open' | 'complete' | 'expired'
  expiresAt: number
  metadata: Metadata
}

export interface Schedule extends BillingObject {
  kind: 'subscription_schedule'
  customer: string
  subscription: string | null
  releasedSubscription: string | null
  status: 'active' | 'completed' | 'released'
  endBehavior: 'release' | 'cancel'
  phases: { start: number; end: number; items: { price: Price; quantity: number }[] }[]
  currentPhase: number | null
  releasedAt: number | null
  completedAt: number | null
  flexible: boolean
  testClock: string | null
}

/** A customer's use of a meter has reached what an alert was set to. Stripe gives it no id. */
export interface Alert extends Omit<BillingObject, 'id'> {
  kind: 'billing.alert_triggered'
  id: null
  alert: string
  title: string
  meter: string
  threshold: number
  customer: string
  value: number
}
