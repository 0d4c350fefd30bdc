import type { DeliveryWait } from '../../database/delivery-waits.ts'
import type { EventOrigin } from '../../domain/event-origin.ts'
import type { RoutedBy, RoutingState } from '../../domain/routing.ts'

// What an explanation tells. The API's schema of it is src/api/resources/explanation.ts.

/** Why a source event became what it became, and where that went. */
export interface Explanation {
  sourceEvent: ExplainedSourceEvent
  /** How its client was found; null: its source belongs to the client. */
  routing: ExplainedRouting | null
  /** The answer in a sentence or two. */
  summary: string
  /** What can be done about it. */
  hints: string[]
  /** What cannot be explained any more, since its data is past retention; null: nothing. */
  pastRetention: string | null
  /** The Stripe object that the event is about, and how much was known of it. */
  about: ExplainedObject | null
  mappings: ExplainedMapping[]
  events: ExplainedEvent[]
  /** Facts from outside the event that were asked for. */
  lookups: ExplainedLookup[]
  /** What is or was waited for. */
  waitsFor: { fact: string; words: string }[]
  /** What the event comes to when it is judged today differs from what was stored; null: it does not. */
  differs: string | null
  /** Lookups and facts that a page does not show. */
  leftOut?: number
}

export interface ExplainedSourceEvent {
  /** null: it is not stored, only tried. */
  id: string | null
  sourceId: string
  eventId: string
  type: string
  apiVersion: string | null
  account: string | null
  livemode: boolean
  createdAt: Date
  receivedAt: Date
  origin: EventOrigin
  state: 'received' | 'normalized' | 'ignored' | 'held' | 'failed' | 'unrouted'
  reason: { code: string; message: string | null } | null
  heldUntil: Date | null
}

/** What tells whose an event is, and where it stands; of an object also Stripe's id of the event that told it. */
interface RoutingClue extends Pick<RoutedBy, 'by' | 'of'> {
  value: string
  toldBy: string | null
}

/** A clue with the client that it names today; null: none. */
export type RoutingAnswer = RoutingClue & { clientId: string | null }

export interface ExplainedRouting {
  state: RoutingState
  routedBy: RoutingClue | null
  /** All that tells of its client. Empty where it was routed. */
  answers: readonly RoutingAnswer[]
  /** The objects that it names of which nothing is known. */
  unknown: readonly { kind: string; id: string }[]
  /** Answers and objects that are not shown. */
  leftOut?: number
}

export interface ExplainedObject {
  kind: string
  id: string
  /** How its state before the event is known. */
  before: 'previous_attributes' | 'snapshot' | 'unknown'
}

export interface ExplainedMapping {
  contract: string
  mapping: string
  /** It speaks of the object's newest state once more, since this event sheds another light on it. */
  again: boolean
  rules: ExplainedRule[]
  /** A fact owed since an earlier event; null where the mapping owes none. */
  owed: { says: string; holds: boolean; condition: ExplainedCondition } | null
  says: { kind: 'emit' | 'ignore' | 'fail'; what: string; because: string | null }
}

export interface ExplainedRule {
  /** 1 is the first. */
  at: number
  /** The events it emits, or the code it ignores with. */
  says: string
  when: string | null
  /** null: an earlier rule held, so this one was not tried. */
  holds: boolean | null
  condition: ExplainedCondition | null
}

export interface ExplainedCondition {
  /** The name that people give it: `paused`. */
  called?: string
  words: string
  holds: boolean
  /** The value that was read: now, in the state before the event, or in the state that was stored. */
  now?: unknown
  before?: unknown
  stored?: unknown
  /** What differs, of a comparison of shapes. */
  changes?: { field: string; before: unknown; now: unknown }[]
  /** How many of its parts have to hold, where it has several. */
  needs?: 'all' | 'one'
  of?: ExplainedCondition[]
  /** Changes, parts and elements that are not shown. */
  leftOut?: number
}

export interface ExplainedEvent {
  contract: string
  mapping: string
  type: string
  key: string
  /** The event as it is stored; null: it is not. */
  stored: { id: string; createdAt: Date } | null
  /** The same fact was emitted before, for another source event. */
  toldBefore: { sourceEventId: string | null; eventId: string | null; type: string | null } | null
  fields: ExplainedField[]
  /** Fields that are stored with another value than they would have today. */
  differs: { field: string; stored: unknown; now: unknown }[]
  deliveries: ExplainedDelivery[]
  /** Endpoints that did not get it. */
  passedOver: { endpointId: string; url: string; why: string; message: string }[]
  /** Of an event that is not stored: endpoints that would get it. */
  wouldGoTo: { endpointId: string; url: string }[]
  /** Differences, deliveries and endpoints that a page does not show. */
  leftOut?: number
}

export interface ExplainedField {
  field: string
  value: unknown
  /** What was read, as it stood there. */
  reads: ReadValue[]
  /** What was looked for first, and was not there. */
  absent: ReadValue[]
  /** Conversions and computations on the way, from the inside out. */
  through: string[]
  /** Readings that are not shown. */
  leftOut?: number
}

/**
 * What a reading has to do with the field: it is its value or a part of it; it decided on a value; it is a constant of the
 * mapping; it is what we remember or have counted, which stands in no object; it is a value in the
 * state before the event, or decided on one there.
 */
export type ReadRole = 'value' | 'condition' | 'constant' | 'memory' | 'before' | 'condition_before'

export interface ReadValue {
  /** Beginning with `event.`, a path of the event itself. */
  path: string
  value: unknown
  role: ReadRole
  /** The object it stands in, where that is not the event's own. */
  object: { kind: string; id: string | null } | null
  /** The API version from which on Stripe does not send it any more. */
  until: string | null
}

export interface ExplainedLookup {
  kind: string
  id: string
  known: boolean
  /** Where the fact comes from, in words. */
  words: string
}

export interface ExplainedDelivery {
  id: string
  endpointId: string
  url: string
  origin: 'fanout' | 'resend' | 'replay'
  state: string
  reason: string | null
  attempts: number
  nextAttemptAt: Date | null
  /** Why it is not being sent at this moment; null of one that is done. */
  waitsFor: DeliveryWait | null
  /** How the last attempt ended: `200`, `503`, `timeout`. */
  lastAttempt: { at: Date; outcome: string; message: string | null } | null
}
