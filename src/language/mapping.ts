import type Stripe from 'stripe'
import type { z } from 'zod'
import type { AppEventType } from '../domain/app-events.ts'
import type { Json } from '../domain/json.ts'

// A mapping is plain data, written in the words of words.ts. Its readers are the evaluator (read.ts), the
// collector of lookups, the wording of the catalog, and explanations: each has a case for every kind, or it does not compile.

/** Where a value comes from. `~type` exists only for the compiler. */
export type Expr<T> = Node & { readonly '~type'?: T }
/** What an expression's value is typed as. */
export type TypeOf<X> = X extends Expr<infer T> ? T : never
/** What a person calls it; only the catalog and explanations read it. */
type NamedPart = { called?: string }
/** What a value is made of. */
export type Node = NamedPart &
  (
    | { op: 'from'; path: string; keys: readonly string[]; scope: 'object' | 'item'; until?: string }
    | { op: 'event'; field: 'id' | 'type' | 'created' | 'at' }
    | { op: 'emitted' }
    | { op: 'always'; value: unknown }
    | { op: 'firstOf'; of: readonly Node[] }
    | {
        op: 'convert'
        name: string
        compute: (...values: Json[]) => unknown
        of: readonly Node[]
        table?: object
        nulls?: true
      }
    | { op: 'given'; when: When; then: Node; otherwise: Node }
    | { op: 'byEvent'; table: Readonly<Record<string, Node>>; otherwise: Node }
    | { op: 'kept'; kind: ObjectKind; key: Node; of: Node }
    | {
        op: 'user'
        customer: Node
        clientUserId: readonly Node[]
        email: readonly Node[]
        /** Flo's own id of the user, where the event names it. */
        floUserId: Node | null
        field: 'id' | 'clientUserId' | 'email'
      }
    | { op: 'uuid'; kind: string; key: Node; linked: Node | null }
    | { op: 'object'; shape: object }
    | { op: 'each'; list: Node; where: When | null; shape: object }
    | { op: 'fold'; name: 'sum' | 'max' | 'min'; list: Node; where: When | null; of: Node }
    | { op: 'choose'; name: string; about: string; choose: (list: Json[]) => unknown; list: Node; of: Node }
    | { op: 'occasion'; what: string; of: object | null; mark: boolean }
    | { op: 'prior'; of: Node }
    | { op: 'tallied'; line: Node | null }
    | { op: 'rank'; plan: Node }
  )
/** The nodes of one kind. */
export type NodeOf<Op extends Node['op']> = Extract<Node, { op: Op }>
/** What a condition is made of. */
export type When = NamedPart &
  (
    | { op: 'type'; types: readonly string[] }
    | { op: 'is'; node: Node; values: readonly unknown[] }
    | { op: 'more' | 'same'; node: Node; than: Node }
    | { op: 'any' | 'all'; of: readonly When[] }
    | { op: 'not'; of: When }
    | { op: 'became' | 'ceased' | 'was' | 'stored'; of: When }
    | { op: 'changed'; shape: object }
    | { op: 'differsFromLast'; shape: object }
    | { op: 'priorKnown' }
    | { op: 'memory'; flag: Flag }
    | { op: 'some'; list: Node; where: When }
  )

/** Every kind of condition; a kind that is missing here does not compile. */
const CONDITION_KINDS: Readonly<Record<When['op'], true>> = {
  type: true,
  is: true,
  more: true,
  same: true,
  any: true,
  all: true,
  not: true,
  became: true,
  ceased: true,
  was: true,
  stored: true,
  changed: true,
  differsFromLast: true,
  priorKnown: true,
  memory: true,
  some: true,
}
export const isCondition = (part: { op: string }): part is When => Object.hasOwn(CONDITION_KINDS, part.op)

/** Stripe objects whose latest snapshot is kept as a fact for other events. */
export type ObjectKind =
  | 'customer'
  | 'subscription'
  | 'invoice'
  | 'product'
  | 'price'
  | 'plan'
  | 'checkout.session'
  | 'charge'
  | 'payment_intent'
  | 'credit_note'
  // Not Stripe's: which payment belongs to what (links.ts), and a checkout that the client registered.
  | 'link'
  | 'checkout'
/** What is remembered of an object beside its snapshot, by a name of the mapping's own. */
export type Flag = string

/** The target field for field: every key has to be given a source or a nested shape. */
export type Shape<T> =
  | Expr<T>
  | ([NonNullable<T>] extends [readonly unknown[]]
      ? never
      : [NonNullable<T>] extends [object]
        ? { readonly [K in keyof T]-?: Shape<T[K]> }
        : never)

/** Every event type that the installed stripe package knows, and those that the provider's application publishes. */
export type EventType = Stripe.Event['type'] | AppEventType
/** The event types of a body: the member that is a list of dotted names. */
export type EventTypeOf<To extends z.ZodType> = z.ZodType extends To ? string : DottedMember<z.infer<To>>
type DottedMember<Body> = {
  [Name in keyof Body]: Body[Name] extends `${string}.${string}` ? Body[Name] : never
}[keyof Body]
/** What a refund is counted by: its payment (the first of `per` that is known), the purchase that this paid, its id, its minor units, and when it was. */
interface RefundPayment {
  per: readonly Node[]
  purchase: Node
  id: Node
  amount: Node
  at: Node
}

/** One line of a mapping's decision: the first whose `when` holds speaks. */
export type Rule<Emit extends string = string> =
  | {
      emit: Emit | readonly Emit[]
      when?: When
      /** What makes the fact one fact, beside the event type: emitted once, whatever is repeated. Default: the source event. */
      key?: readonly Node[]
      /** One event for each element of a list that `where` takes: its `item` reads in key and body. */
      each?: { list: Node; where: When }
      /** Counts money per payment, so that one refund that arrives on several paths is sent once; see refund-tally.ts. */
      once?: RefundPayment & { upTo: Node; line: Node; lineAmount: Node }
      /** Says nothing new once a later state is known: swallowed when the event comes late. */
      overtakable?: boolean
      /** A fact with a name of its own: every later rule of this kind that holds as well is sent beside it, in order. */
      isNamedFact?: true
      /** Sets a flag of the object's memory when emitted. */
      remember?: Flag
      /** One event per key for the whole client, whichever of its sources reports it. */
      acrossSources?: true
    }
  | {
      ignore: string
      because: string
      when?: When
      /** Only when what the mapping waits for has not come by the deadline. */
      afterWaiting?: true
      /** Notes a refund that is not sent: one on its way, or one that did not take place and counts no longer. */
      note?: RefundPayment & { as: 'pending' | 'failed' }
      /** Nothing is sent, but it was seen: an occasion of this name, which `lastOccasion` reads. */
      sees?: string
    }

/** How the events of one Stripe resource become those of a contract. */
export type Mapping<E extends EventType = EventType, To extends z.ZodType = z.ZodType> = {
  name: string
  on: { types: readonly E[] }
  /** The schema of the bodies. */
  to: To
  /** Whose event it is. */
  user: { id: Expr<string> }
  /** Read for every event, whatever the rules say: a value nobody has mapped stops the event here. */
  total: readonly Node[]
  /** Facts that the body reads and that may still be on their way: the event is held for them `unless` they are known. */
  waitFor: readonly { fact: string; key: Node; unless: When }[]
  rules: readonly Rule<EventTypeOf<To>>[]
  /** A fact that is owed since an earlier event: emitted before whatever the rules say of this one. */
  owed?: { emit: EventTypeOf<To>; when: When; key: readonly Node[]; remember?: Flag }
  body: Shape<z.infer<To>>
  /** The part of the body whose change is news: compared by `changed` and `differsFromLast`. */
  news: object
}

/** What a value is compared with when only its presence counts. */
export const set = Symbol('set')
export const unset = Symbol('unset')

/** An event that cannot be mapped as the mappings are: the raw event is kept and can be normalised again after a fix. */
export class MappingError extends Error {
  override name = 'MappingError'
  readonly code: 'unmapped_value' | 'unreadable_value' | 'invalid_target'
  constructor(code: MappingError['code'], message: string) {
    super(message)
    this.code = code
  }
}
