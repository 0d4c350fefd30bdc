// Written by `npm run sdk:types` from the schemas; not to be edited.

export interface UserLoginData {
  /** ISO 8601 with an offset, kept as UTC with milliseconds. */
  at: string
  /** An IPv4 or IPv6 address. */
  ip: string | null
  user_agent: string | null
}

export interface TeamMemberAddedData {
  id: string
  email: string
  role: string
}

export interface UsageMetricsUpdatedData {
  metric: string
  value: number
  unit: string | null
  /** ISO 8601 with an offset, kept as UTC with milliseconds. */
  period_start: string | null
  /** ISO 8601 with an offset, kept as UTC with milliseconds. */
  period_end: string | null
}

export interface TosAcceptedData {
  version: string | null
  /** ISO 8601 with an offset, kept as UTC with milliseconds. */
  accepted_at: string
  /** An IPv4 or IPv6 address. */
  ip: string | null
}

export interface AccountCreatedData {
  /** The account's own id; left out: the Flo user's stands in. */
  id?: string
  email: string | null
  name: string | null
  /** ISO 8601 with an offset, kept as UTC with milliseconds. */
  created_at: string
}

/** What is told of an event, by its type. */
export interface AppEventData {
  'user.login': UserLoginData
  'team_member.added': TeamMemberAddedData
  'usage.metrics_updated': UsageMetricsUpdatedData
  'tos.accepted': TosAcceptedData
  'account.created': AccountCreatedData
}

/** What your application published, as it was stored. */
export interface SourceEvent {
  id: string
  clientId: string
  /** For events that the client's application published: the client's own id. */
  sourceId: string
  /** `app`: published by the client's application; `timer`: created by the gateway when an invoice fell due. */
  origin: 'stripe' | 'timer' | 'app'
  /** The sender's id for it; for app events the gateway creates one. */
  eventId: string
  type: string
  apiVersion: string | null
  /** A connected account; null: the source's own account. */
  account: string | null
  livemode: boolean
  /** The time that the sender gives. */
  createdAt: string
  receivedAt: string
  state: 'received' | 'normalized' | 'ignored' | 'held' | 'failed'
  /** Why it was ignored, is held, failed or is unrouted. */
  reason: {
    code: string
    message: string | null
  } | null
  heldUntil: string | null
  /** It is your own: nothing routed it. */
  routedBy: null
}
