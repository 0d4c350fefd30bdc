// Written by `npm run sdk:types` from the schemas; not to be edited.

export interface FloUser {
  /** The Flo user's id */
  id: string
  /** The client's own id of this user; null until the client or a checkout has named it */
  clientUserId: string | null
  email: string | null
}

export interface FloSubscription {
  /** The subscription's own id: it never changes */
  uuid: string
  /** The plan's id */
  id: string | null
  /** The plan's name */
  name: string | null
  description: string | null
  /** Start of the current period */
  startDate: string | null
  /** End of the current period; of an ended subscription its end */
  endDate: string | null
  state: 'incomplete' | 'trialing' | 'active' | 'past_due' | 'unpaid' | 'paused' | 'cancelled' | 'expired' | null
  quantity: number | null
  /** ISO 4217, upper case */
  currency: string | null
  /** Major units, per unit */
  amount: number | null
  /** Major units: amount x quantity over the recurring items, before tax */
  total: number | null
  /** ISO 8601, UTC, milliseconds */
  cancelAt: string | null
  /** ISO 8601, UTC, milliseconds */
  canceledAt: string | null
  /** ISO 8601, UTC, milliseconds */
  trialEnd: string | null
  /** ISO 8601, UTC, milliseconds */
  pausedAt: string | null
  /** ISO 8601, UTC, milliseconds */
  resumeAt: string | null
  metadata: Record<string, string> | null
  invoiceDetails: FloInvoiceDetails | null
}

export interface FloInvoiceDetails {
  invoiceId: string | null
  invoiceNumber: string | null
  state: 'draft' | 'open' | 'paid' | 'overdue' | 'void' | 'uncollectible' | 'deleted' | null
  billingReason: string | null
  /** ISO 4217, upper case */
  currency: string | null
  /** Major units: 29 is $29.00. null: the source does not say */
  amountDue: number | null
  /** Major units: 29 is $29.00. null: the source does not say */
  amountPaid: number | null
  attemptCount: number | null
  /** ISO 8601, UTC, milliseconds */
  nextPaymentAttempt: string | null
  paymentMethod: {
    type: string
    brand: string | null
    last4: string | null
  } | null
  gateway: 'stripe'
  gatewayEventType: string
  gatewayEventId: string | null
}

export interface FloItem {
  uuid: string
  id: string | null
  name: string | null
  description: string | null
  /** null: of a refund whose payment is not known */
  state: 'purchased' | 'partially_refunded' | 'refunded' | null
  quantity: number | null
  /** ISO 4217, upper case */
  currency: string | null
  /** Major units, per unit */
  amount: number | null
  /** Major units: 29 is $29.00. null: the source does not say */
  total: number | null
  /** Major units: all that was given back so far */
  refundedAmount: number | null
  /** ISO 8601, UTC, milliseconds */
  purchasedAt: string | null
  /** ISO 8601, UTC, milliseconds */
  refundedAt: string | null
  metadata: Record<string, string> | null
  invoiceDetails: FloInvoiceDetails | null
}

export interface FloRelated {
  uuid: string
  id: string | null
  name: string | null
  description: string | null
  quantity: number | null
  /** ISO 4217, upper case */
  currency: string | null
  /** Major units: 29 is $29.00. null: the source does not say */
  amount: number | null
  /** Major units: 29 is $29.00. null: the source does not say */
  total: number | null
  metadata: Record<string, string> | null
}

export interface FloInvoice {
  uuid: string
  /** The gateway's id */
  id: string
  number: string | null
  state: 'draft' | 'open' | 'paid' | 'overdue' | 'void' | 'uncollectible' | 'deleted'
  /** ISO 4217, upper case */
  currency: string | null
  /** Major units: 29 is $29.00. null: the source does not say */
  subtotal: number | null
  /** Major units: 29 is $29.00. null: the source does not say */
  discount: number | null
  /** Major units: 29 is $29.00. null: the source does not say */
  tax: number | null
  /** Major units: 29 is $29.00. null: the source does not say */
  total: number | null
  /** Major units: 29 is $29.00. null: the source does not say */
  amountDue: number | null
  /** Major units: 29 is $29.00. null: the source does not say */
  amountPaid: number | null
  /** Major units: 29 is $29.00. null: the source does not say */
  amountRemaining: number | null
  /** ISO 8601, UTC, milliseconds */
  createdAt: string | null
  /** ISO 8601, UTC, milliseconds */
  dueDate: string | null
  /** ISO 8601, UTC, milliseconds */
  paidAt: string | null
  /** ISO 8601, UTC, milliseconds */
  periodStart: string | null
  /** ISO 8601, UTC, milliseconds */
  periodEnd: string | null
  hostedInvoiceUrl: string | null
  pdfUrl: string | null
  lines: FloInvoiceLine[]
  metadata: Record<string, string> | null
  invoiceDetails: FloInvoiceDetails | null
}

export interface FloInvoiceLine {
  id: string | null
  type: 'subscription' | 'item'
  productId: string | null
  priceId: string | null
  description: string | null
  quantity: number | null
  /** ISO 4217, upper case */
  currency: string | null
  /** Major units: the line's total */
  amount: number | null
  /** ISO 8601, UTC, milliseconds */
  periodStart: string | null
  /** ISO 8601, UTC, milliseconds */
  periodEnd: string | null
  proration: boolean
}

/** A new subscription exists. */
export interface FloSubscriptionCreated {
  /** The delivery's id: the same on every retry, another for every endpoint */
  eventId: string
  eventVersion: 'v1'
  objectType: 'subscription'
  eventType: 'subscription.created'
  user: FloUser
  subscription: FloSubscription
}

/** The subscription changed in a way that none of the other events names. */
export interface FloSubscriptionUpdated {
  /** The delivery's id: the same on every retry, another for every endpoint */
  eventId: string
  eventVersion: 'v1'
  objectType: 'subscription'
  eventType: 'subscription.updated'
  user: FloUser
  subscription: FloSubscription
}

/** The subscription was cancelled, now or by schedule: `cancelAt` and `endDate` say when it ends. */
export interface FloSubscriptionCancelled {
  /** The delivery's id: the same on every retry, another for every endpoint */
  eventId: string
  eventVersion: 'v1'
  objectType: 'subscription'
  eventType: 'subscription.cancelled'
  user: FloUser
  subscription: FloSubscription
}

/** A recurring period was billed successfully. */
export interface FloSubscriptionRenewed {
  /** The delivery's id: the same on every retry, another for every endpoint */
  eventId: string
  eventVersion: 'v1'
  objectType: 'subscription'
  eventType: 'subscription.renewed'
  user: FloUser
  subscription: FloSubscription
}

/** A cancelled subscription, or one scheduled to be, was restored. */
export interface FloSubscriptionReactivated {
  /** The delivery's id: the same on every retry, another for every endpoint */
  eventId: string
  eventVersion: 'v1'
  objectType: 'subscription'
  eventType: 'subscription.reactivated'
  user: FloUser
  subscription: FloSubscription
}

/** The subscription was paused. */
export interface FloSubscriptionPaused {
  /** The delivery's id: the same on every retry, another for every endpoint */
  eventId: string
  eventVersion: 'v1'
  objectType: 'subscription'
  eventType: 'subscription.paused'
  user: FloUser
  subscription: FloSubscription
}

/** A paused subscription was resumed. */
export interface FloSubscriptionResumed {
  /** The delivery's id: the same on every retry, another for every endpoint */
  eventId: string
  eventVersion: 'v1'
  objectType: 'subscription'
  eventType: 'subscription.resumed'
  user: FloUser
  subscription: FloSubscription
}

/** The subscription ended and is no longer active. */
export interface FloSubscriptionExpired {
  /** The delivery's id: the same on every retry, another for every endpoint */
  eventId: string
  eventVersion: 'v1'
  objectType: 'subscription'
  eventType: 'subscription.expired'
  user: FloUser
  subscription: FloSubscription
}

/** A one-off item, or a one-off invoice line, was bought. One event per item. */
export interface FloItemPurchased {
  /** The delivery's id: the same on every retry, another for every endpoint */
  eventId: string
  eventVersion: 'v1'
  objectType: 'item'
  eventType: 'item.purchased'
  user: FloUser
  item: FloItem
  /** There when the item was bought with a subscription */
  subscription?: FloRelated
}

/** A bought item was refunded, in part or whole: `refundedAmount` is what was refunded so far. */
export interface FloItemRefunded {
  /** The delivery's id: the same on every retry, another for every endpoint */
  eventId: string
  eventVersion: 'v1'
  objectType: 'item'
  eventType: 'item.refunded'
  user: FloUser
  item: FloItem
  /** There when the item was bought with a subscription */
  subscription?: FloRelated
}

/** A new invoice exists. */
export interface FloInvoiceCreated {
  /** The delivery's id: the same on every retry, another for every endpoint */
  eventId: string
  eventVersion: 'v1'
  objectType: 'invoice'
  eventType: 'invoice.created'
  user: FloUser
  invoice: FloInvoice
  /** There when the invoice resolves to a subscription */
  subscription?: FloRelated
  /** There when the invoice resolves to an item of a checkout */
  item?: FloRelated
}

/** The invoice changed in a way that none of the other events names. */
export interface FloInvoiceUpdated {
  /** The delivery's id: the same on every retry, another for every endpoint */
  eventId: string
  eventVersion: 'v1'
  objectType: 'invoice'
  eventType: 'invoice.updated'
  user: FloUser
  invoice: FloInvoice
  /** There when the invoice resolves to a subscription */
  subscription?: FloRelated
  /** There when the invoice resolves to an item of a checkout */
  item?: FloRelated
}

/** The invoice, a draft, was deleted. */
export interface FloInvoiceDeleted {
  /** The delivery's id: the same on every retry, another for every endpoint */
  eventId: string
  eventVersion: 'v1'
  objectType: 'invoice'
  eventType: 'invoice.deleted'
  user: FloUser
  invoice: FloInvoice
  /** There when the invoice resolves to a subscription */
  subscription?: FloRelated
  /** There when the invoice resolves to an item of a checkout */
  item?: FloRelated
}

/** The invoice was paid. */
export interface FloInvoicePaid {
  /** The delivery's id: the same on every retry, another for every endpoint */
  eventId: string
  eventVersion: 'v1'
  objectType: 'invoice'
  eventType: 'invoice.paid'
  user: FloUser
  invoice: FloInvoice
  /** There when the invoice resolves to a subscription */
  subscription?: FloRelated
  /** There when the invoice resolves to an item of a checkout */
  item?: FloRelated
}

/** The invoice is overdue. */
export interface FloInvoiceOverdue {
  /** The delivery's id: the same on every retry, another for every endpoint */
  eventId: string
  eventVersion: 'v1'
  objectType: 'invoice'
  eventType: 'invoice.overdue'
  user: FloUser
  invoice: FloInvoice
  /** There when the invoice resolves to a subscription */
  subscription?: FloRelated
  /** There when the invoice resolves to an item of a checkout */
  item?: FloRelated
}

/** Every event of flo.v1 by its type. */
export interface FloEvents {
  'subscription.created': FloSubscriptionCreated
  'subscription.updated': FloSubscriptionUpdated
  'subscription.cancelled': FloSubscriptionCancelled
  'subscription.renewed': FloSubscriptionRenewed
  'subscription.reactivated': FloSubscriptionReactivated
  'subscription.paused': FloSubscriptionPaused
  'subscription.resumed': FloSubscriptionResumed
  'subscription.expired': FloSubscriptionExpired
  'item.purchased': FloItemPurchased
  'item.refunded': FloItemRefunded
  'invoice.created': FloInvoiceCreated
  'invoice.updated': FloInvoiceUpdated
  'invoice.deleted': FloInvoiceDeleted
  'invoice.paid': FloInvoicePaid
  'invoice.overdue': FloInvoiceOverdue
}

/** An event of flo.v1: `eventType` says which. */
export type FloEvent = FloEvents[keyof FloEvents]

export const floEventTypes = [
  'subscription.created',
  'subscription.updated',
  'subscription.cancelled',
  'subscription.renewed',
  'subscription.reactivated',
  'subscription.paused',
  'subscription.resumed',
  'subscription.expired',
  'item.purchased',
  'item.refunded',
  'invoice.created',
  'invoice.updated',
  'invoice.deleted',
  'invoice.paid',
  'invoice.overdue',
] as const satisfies readonly (keyof FloEvents)[]

export interface FlorentinAccount {
  /** The account's id: the user's, unless the application gave another */
  id: string
  email: string | null
  name: string | null
  /** ISO 8601, UTC, milliseconds */
  created_at: string | null
}

export interface FlorentinUser {
  id: string
  /** The client's own id of this user */
  client_user_id: string | null
  email: string | null
}

export interface FlorentinLogin {
  /** ISO 8601, UTC, milliseconds */
  at: string
  ip: string | null
  user_agent: string | null
}

export interface FlorentinSubscription {
  id: string
  plan_id: string | null
  plan_name: string | null
  status: 'incomplete' | 'trialing' | 'active' | 'past_due' | 'unpaid' | 'paused' | 'cancelled' | 'expired' | null
  quantity: number | null
  /** Minor units, per unit */
  amount: number | null
  /** ISO 4217, lower case */
  currency: string | null
  /** ISO 8601, UTC, milliseconds */
  current_period_start: string | null
  /** ISO 8601, UTC, milliseconds */
  current_period_end: string | null
  /** ISO 8601, UTC, milliseconds */
  cancel_at: string | null
  /** ISO 8601, UTC, milliseconds */
  canceled_at: string | null
}

export interface FlorentinInvoice {
  id: string
  number: string | null
  status: 'draft' | 'open' | 'paid' | 'uncollectible' | 'void' | null
  /** Minor units: 4900 is €49.00; a fraction where the price has one. null: the source does not say */
  amount_due: number | null
  /** ISO 4217, lower case */
  currency: string | null
}

export interface FlorentinPrevious {
  plan_id: string | null
  plan_name: string | null
  quantity: number | null
  /** Minor units: 4900 is €49.00; a fraction where the price has one. null: the source does not say */
  amount: number | null
}

export interface FlorentinTeamMember {
  id: string
  email: string | null
  role: string | null
}

export interface FlorentinTos {
  version: string | null
  /** ISO 8601, UTC, milliseconds */
  accepted_at: string
  ip: string | null
}

export interface FlorentinUsage {
  metric: string
  value: number
  unit: string | null
  /** ISO 8601, UTC, milliseconds */
  period_start: string | null
  /** ISO 8601, UTC, milliseconds */
  period_end: string | null
}

/** An account was opened. */
export interface FlorentinAccountCreated {
  event: 'account.created'
  /** When it happened, the same as in X-Florentin-Timestamp */
  timestamp: string
  data: {
    account: FlorentinAccount
  }
}

/** A user logged in. */
export interface FlorentinUserLogin {
  event: 'user.login'
  /** When it happened, the same as in X-Florentin-Timestamp */
  timestamp: string
  data: {
    user: FlorentinUser
    login: FlorentinLogin
  }
}

/** A subscription can be used for the first time, paid or on trial. */
export interface FlorentinSubscriptionPurchased {
  event: 'subscription.purchased'
  /** When it happened, the same as in X-Florentin-Timestamp */
  timestamp: string
  data: {
    subscription: FlorentinSubscription
  }
}

/** A new invoice exists that is not a draft. One event per invoice. */
export interface FlorentinInvoiceCreated {
  event: 'invoice.created'
  /** When it happened, the same as in X-Florentin-Timestamp */
  timestamp: string
  data: {
    invoice: FlorentinInvoice
  }
}

/** The recurring monthly value of the subscription rose; `previous` is what it was before. */
export interface FlorentinSubscriptionUpgraded {
  event: 'subscription.upgraded'
  /** When it happened, the same as in X-Florentin-Timestamp */
  timestamp: string
  data: {
    subscription: FlorentinSubscription
    previous: FlorentinPrevious
  }
}

/** The recurring monthly value of the subscription fell; `previous` is what it was before. */
export interface FlorentinSubscriptionDowngraded {
  event: 'subscription.downgraded'
  /** When it happened, the same as in X-Florentin-Timestamp */
  timestamp: string
  data: {
    subscription: FlorentinSubscription
    previous: FlorentinPrevious
  }
}

/** The subscription was cancelled, now or by schedule: `cancel_at` says when it ends. */
export interface FlorentinSubscriptionCancelled {
  event: 'subscription.cancelled'
  /** When it happened, the same as in X-Florentin-Timestamp */
  timestamp: string
  data: {
    subscription: FlorentinSubscription
  }
}

/** Somebody joined the team. */
export interface FlorentinTeamMemberAdded {
  event: 'team_member.added'
  /** When it happened, the same as in X-Florentin-Timestamp */
  timestamp: string
  data: {
    team_member: FlorentinTeamMember
  }
}

/** The terms of service were accepted. */
export interface FlorentinTosAccepted {
  event: 'tos.accepted'
  /** When it happened, the same as in X-Florentin-Timestamp */
  timestamp: string
  data: {
    tos: FlorentinTos
  }
}

/** A measure of usage has a new value. */
export interface FlorentinUsageMetricsUpdated {
  event: 'usage.metrics_updated'
  /** When it happened, the same as in X-Florentin-Timestamp */
  timestamp: string
  data: {
    usage: FlorentinUsage
  }
}

/** Every event of florentin.v1 by its type. */
export interface FlorentinEvents {
  'account.created': FlorentinAccountCreated
  'user.login': FlorentinUserLogin
  'subscription.purchased': FlorentinSubscriptionPurchased
  'invoice.created': FlorentinInvoiceCreated
  'subscription.upgraded': FlorentinSubscriptionUpgraded
  'subscription.downgraded': FlorentinSubscriptionDowngraded
  'subscription.cancelled': FlorentinSubscriptionCancelled
  'team_member.added': FlorentinTeamMemberAdded
  'tos.accepted': FlorentinTosAccepted
  'usage.metrics_updated': FlorentinUsageMetricsUpdated
}

/** An event of florentin.v1: `event` says which. */
export type FlorentinEvent = FlorentinEvents[keyof FlorentinEvents]

export const florentinEventTypes = [
  'account.created',
  'user.login',
  'subscription.purchased',
  'invoice.created',
  'subscription.upgraded',
  'subscription.downgraded',
  'subscription.cancelled',
  'team_member.added',
  'tos.accepted',
  'usage.metrics_updated',
] as const satisfies readonly (keyof FlorentinEvents)[]
