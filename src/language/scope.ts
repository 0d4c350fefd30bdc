import type { Json } from '../domain/json.ts'
import type { Mapping, Node, ObjectKind, When } from './mapping.ts'
import type { Memory } from './memory.ts'
import type { Readings } from './readings.ts'
import type { CountedShare, RefundTally } from './refund-tally.ts'
import type { Strides } from './strides.ts'
import type { UnreadableError } from './unreadable.ts'

/** What an evaluation may ask about the world. Everything is at hand: the pipeline has resolved it before. */
export interface Facts {
  /** The latest snapshot of another object and what is remembered of it, null while it is unknown. */
  readSnapshot(kind: ObjectKind, id: string): { object: Json; memory: Memory } | null
  /** The Flo user behind a customer; `clientUserId`, `email` and `floUserId` are what the event itself says. */
  findUser(
    customer: string | null,
    clientUserId: string | null,
    email: string | null,
    floUserId: string | null,
  ): { id: string; clientUserId: string | null; email: string | null }
  /** The UUID that follows from the source and the id of a Stripe object. */
  deriveUuid(kind: string, key: string): string
  /** What was refunded so far of a payment, or of a purchase with all of its payments. */
  readTally(payment: string): RefundTally | null
  /** The rank of a plan by the source's configuration, null when it has none. */
  readRank(plan: string): number | null
}

/** One source event, placed among what is known of its object. */
export interface EvaluationInput {
  /** `id` is null for what our own timer says. */
  event: { id: string | null; type: string; created: number; at: string }
  object: Json
  /** The state that the event left behind; null when it is not known. */
  prior: Json | null
  /** Our snapshot from before the event, null when the object was never seen. */
  stored: Json | null
  /** A newer state of the object is known already. */
  isLate: boolean
  memory: Memory
  facts: Facts
  trace?: Trace | undefined
  /** Where what is read of the object is kept for the next reading; left out: nowhere. */
  readings?: Readings | undefined
}

/** Hears an evaluation from within, for explanations. */
export interface Trace {
  /** `read` gives the value of `part` in `scope`. */
  hearRead<T>(part: TracedPart, scope: EvaluationScope, read: (scope: EvaluationScope) => T): T
  /** The same of a part that is read in strides. */
  hearStrides<T>(part: TracedPart, scope: EvaluationScope, work: Strides<T>): Strides<T>
}
/** What an evaluation is made of, from the mapping down to its leaves. */
export type TracedPart =
  | { op: 'mapping'; mapping: Mapping }
  | { op: 'rule'; at: number }
  | { op: 'owed' }
  | { op: 'emission'; type: string }
  | { op: 'field'; name: string }
  | Node
  | When

/** An input on the way through a mapping: the element of a list, the event being emitted. */
export interface EvaluationScope extends EvaluationInput {
  /** The mapping that is evaluated, for what it has said before. */
  mapping?: string | undefined
  item?: Json
  /** The list that the item is an element of. */
  itemOf?: Node | undefined
  /** What could not be read for a body, which has null there. */
  unreadable?: UnreadableError[] | undefined
  emittedType?: string | undefined
  counted?: CountedShare | undefined
  /** Another object's snapshot is being read, whose memory is not this event's to write. */
  isBorrowed?: true | undefined
}

/** A scope with every member in its place: all scopes are of one form, so that readers find members quickly. */
export const createScope = (input: EvaluationInput): EvaluationScope => ({
  event: input.event,
  object: input.object,
  prior: input.prior,
  stored: input.stored,
  isLate: input.isLate,
  memory: input.memory,
  facts: input.facts,
  trace: input.trace,
  readings: input.readings,
  mapping: undefined,
  item: undefined,
  itemOf: undefined,
  unreadable: undefined,
  emittedType: undefined,
  counted: undefined,
  isBorrowed: undefined,
})

/** The same, of an element of a list. */
export const scopeOfItem = (scope: EvaluationScope, item: Json, itemOf: Node): EvaluationScope => ({
  ...scope,
  item,
  itemOf,
})

/** The same, of an earlier state of the object. */
export const scopeOfState = <Scope extends EvaluationInput>(scope: Scope, state: 'prior' | 'stored'): Scope => {
  const { readings } = scope
  return { ...scope, object: scope[state], readings: readings && { ...readings, own: readings[state] } }
}

/** The same, in which all is read once more and nobody hears of it: to find out where something stands. */
export const scopeAnew = (scope: EvaluationScope): EvaluationScope => ({
  ...scope,
  trace: undefined,
  readings: undefined,
})

/** Notes what could not be read for the body that is being made. */
export function noteUnreadable({ unreadable }: EvaluationScope, more: readonly UnreadableError[]): void {
  // Not all at once: there may be more than a call takes arguments.
  if (unreadable) for (const one of more) unreadable.push(one)
}

/** Reads a part, and what could not be read of it beside its value; that is noted in the scope as well. */
export function readNoting<T>(
  scope: EvaluationScope,
  read: (noting: EvaluationScope) => T,
): { value: T; unreadable: readonly UnreadableError[] } {
  const unreadable: UnreadableError[] = []
  try {
    return { value: read({ ...scope, unreadable }), unreadable }
  } finally {
    noteUnreadable(scope, unreadable)
  }
}

/** Reads a part of an evaluation, through the trace where there is one. */
export const tracePart = <T>(part: TracedPart, scope: EvaluationScope, read: (scope: EvaluationScope) => T): T =>
  scope.trace ? scope.trace.hearRead(part, scope, read) : read(scope)

/** What identifies an event; an event of our own timer is identified by its type. */
export const eventIdentity = ({ id, type, created }: EvaluationInput['event']) => ({ id: id ?? type, type, created })
