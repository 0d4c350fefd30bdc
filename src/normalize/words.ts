import type Stripe from 'stripe'
import type { z } from 'zod'

// A mapping is plain data. Three readers walk it: evaluate.ts, the collector of what it wants in wants.ts, and catalog.ts.

/** Where a value comes from. `~type` exists only for the compiler. */
export type Expr<T> = Node & { readonly '~type'?: T }
/** What a person calls it; only the catalog and explanations read it. */
type Called = { called?: string }
export type Node = Called &
  (
    | { op: 'from'; path: string; keys: readonly string[]; scope: 'object' | 'item'; until?: string }
    | { op: 'event'; field: 'id' | 'type' | 'created' }
    | { op: 'always'; value: unknown }
    | { op: 'firstOf'; of: readonly Node[] }
    | {
        op: 'convert'
        name: string
        fn: (...values: any[]) => unknown
        of: readonly Node[]
        table?: object
        nulls?: true
      }
    | { op: 'given'; when: When; then: Node; otherwise: Node }
    | { op: 'byEvent'; table: Readonly<Record<string, Node>>; otherwise: Node }
    | { op: 'kept'; kind: Kept; key: Node; of: Node }
    | {
        op: 'user'
        customer: Node
        told: readonly Node[]
        email: readonly Node[]
        field: 'id' | 'clientUserId' | 'email'
      }
    | { op: 'uuid'; kind: string; key: Node; linked: Node | null }
    | { op: 'object'; shape: object }
    | { op: 'each'; list: Node; where: When | null; shape: object }
    | { op: 'fold'; name: 'sum' | 'max' | 'min'; list: Node; where: When | null; of: Node }
    | { op: 'choose'; name: string; about: string; fn: (list: any[]) => unknown; list: Node; of: Node }
    | { op: 'occasion'; what: string; of: object | null; mark: boolean }
    | { op: 'prior'; of: Node }
    | { op: 'tallied' }
  )
export type When = Called &
  (
    | { op: 'type'; types: readonly string[] }
    | { op: 'is'; node: Node; values: readonly unknown[] }
    | { op: 'more' | 'same'; node: Node; than: Node }
    | { op: 'any' | 'all'; of: readonly When[] }
    | { op: 'not'; of: When }
    | { op: 'became' | 'ceased' | 'was' | 'stored'; of: When }
    | { op: 'changed'; shape: object }
    | { op: 'differsFromLast'; shape: object }
    | { op: 'seen' }
    | { op: 'priorKnown' }
    | { op: 'memory'; flag: Flag }
    | { op: 'some'; list: Node; where: When }
  )

/** Stripe objects whose latest snapshot is kept as a fact for other events. */
export type Kept =
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
/** What is remembered of an object beside its snapshot. */
export type Flag = 'announced' | 'overdue'

/** The target field for field: every key has to be given a source or a nested shape. */
export type Shape<T> =
  | Expr<T>
  | ([NonNullable<T>] extends [readonly unknown[]]
      ? never
      : [NonNullable<T>] extends [object]
        ? { readonly [K in keyof T]-?: Shape<T[K]> }
        : never)

type EventType = Stripe.Event['type']
type ObjectOf<E extends EventType> = Extract<Stripe.Event, { type: E }>['data']['object']
export type Envelope = { eventVersion: string; objectType: string; eventType: string }

/** One line of a mapping's decision: the first whose `when` holds speaks. */
export type Rule<Emit extends string = string> =
  | {
      emit: Emit | readonly Emit[]
      when?: When
      /** What makes the fact one fact, beside the event type: emitted once, whatever is repeated. Default: the source event. */
      key?: readonly Node[]
      /** One emission for each element of a list that `where` takes: its `item` reads in key and body. */
      each?: { list: Node; where: When }
      /** Counts money per payment, so that one refund told on several paths is told once; see tally.ts. */
      once?: { per: readonly Node[]; id: Node; amount: Node; upTo: Node }
      /** Says nothing new once a later state is known: swallowed when the event comes late. */
      overtakable?: boolean
      /** Sets a flag of the object's memory when emitted. */
      remember?: Flag
    }
  | {
      ignore: string
      because: string
      when?: When
      /** Only when what the mapping waits for has not come by the deadline. */
      afterWaiting?: true
      /** Notes a refund that is not told: on its way, or one that did not take place and counts no longer. */
      note?: { as: 'pending' | 'failed'; per: readonly Node[]; id: Node; amount: Node }
    }

export type Mapping<E extends EventType = EventType, To extends z.ZodType<Envelope> = z.ZodType<Envelope>> = {
  name: string
  on: { types: readonly E[] }
  to: To
  /** Read for every event, whatever the rules say: a value nobody has mapped stops the event here. */
  total: readonly Node[]
  /** Facts that the body reads and that may still be on their way: the event is held for them `unless` they are known. */
  waitFor: readonly { fact: string; key: Node; unless: When }[]
  rules: readonly Rule<z.infer<To>['eventType']>[]
  /** A fact that is owed since an earlier event: emitted before whatever the rules say of this one. */
  owed?: { emit: z.infer<To>['eventType']; when: When; key: readonly Node[]; remember?: Flag }
  body: Shape<Omit<z.infer<To>, keyof Envelope>>
  /** The part of the body whose change is news: compared by `changed` and `differsFromLast`. */
  news: object
}
export const defineMapping = <E extends EventType, To extends z.ZodType<Envelope>>(mapping: Mapping<E, To>) => mapping

// Checks the one path it is given instead of listing them all, so it stays cheap on Stripe's recursive types.
// Absent reads as null; a path that nothing in the union has is a compile error.
type OrNull<V, Extra> = (V extends undefined ? null : V) | Extra
type Key<T, K> = T extends null | undefined
  ? null
  : T extends readonly (infer Item)[]
    ? Item | null
    : K extends keyof T
      ? OrNull<T[K], string extends keyof T ? null : never>
      : null
type At<T, P> = P extends `${infer K}.${infer Rest}` ? At<Key<T, K>, Rest> : Key<T, P>
type Known<T, P extends string> = [At<T, P>] extends [null] ? `no such field: ${P}` : P

// Stripe's enums are open ('active' | ... | OtherString). The named values are those we can compare with and must map;
// a value that nobody has named yet stops the mapping with an error.
type Named<S> = S extends string ? (string extends S ? never : S) : never
type Closed<T> = Exclude<T, string> | ([Named<T>] extends [never] ? Extract<T, string> : Named<T>)

export const set = Symbol('set')
export const unset = Symbol('unset')
type Value<T, P> = Closed<At<T, P>> | typeof set | typeof unset
type ItemOf<T> = NonNullable<T> extends readonly (infer Item)[] ? Item : never

const from = (path: string, scope: 'object' | 'item', until?: string): Node => ({
  op: 'from',
  path,
  keys: path.split('.'),
  scope,
  ...(until ? { until } : {}),
})

/** Reads typed by an object: `from` today's path, `is` a condition on it. */
const readsOf = <O>(scope: 'object' | 'item', under = '') => ({
  from: <P extends string>(path: Known<O, P>): Expr<At<O, P>> => from(under + path, scope),
  is: <P extends string>(path: Known<O, P>, ...values: Value<O, P>[]): When => ({
    op: 'is',
    node: from(under + path, scope),
    values,
  }),
  /** A field that Stripe has moved or dropped, as events of API versions before `until` carry it. */
  legacy: <T>(path: string, { until }: { until: string }): Expr<T | null> => from(under + path, scope, until),
})
export type Reads<O> = ReturnType<typeof readsOf<O>>

/** Names the Stripe events a mapping reads, and hands out words typed by their object. */
export const on = <E extends EventType, O = ObjectOf<E>>(...types: E[]) => ({
  types,
  ...readsOf<O>('object'),
  type: (...of: E[]): When => ({ op: 'type', types: of }),
})
/** Words typed by an object that several mappings read. */
export const reading = <O>() => readsOf<O>('object')
/** Words typed by an element of a list. */
export const element = <O>(): Reads<O> => readsOf<O>('item')
/** Words typed by a member of a list's element. */
export const member = <O>(name: string): Reads<O> => readsOf<O>('item', `${name}.`)
/** The whole object of the event. */
export const self = <O>(): Expr<O> => ({ op: 'from', path: 'the object', keys: [], scope: 'object' })

export const event = (field: 'id' | 'type' | 'created'): Expr<any> => ({ op: 'event', field })
export const always = <const T>(value: T): Expr<T> => ({ op: 'always', value })
type FirstOf<L extends readonly Expr<any>[]> = L extends readonly [...infer Init extends Expr<any>[], infer Last]
  ? { [K in keyof Init]: NonNullable<TypeOf<Init[K]>> }[number] | TypeOf<Last>
  : never
export type TypeOf<X> = X extends Expr<infer T> ? T : never
/** The first value that is present. */
export const firstOf = <const L extends readonly Expr<any>[]>(...of: L): Expr<FirstOf<L>> => ({ op: 'firstOf', of })
export const given = <A, B = null>(
  when: When,
  then: Expr<A>,
  otherwise: Expr<B> = always(null) as Expr<any>,
): Expr<A | B> => ({
  op: 'given',
  when,
  then,
  otherwise,
})
/** A value that depends on the event being emitted: a list of emissions shares one body. */
export const byEvent = <A, B>(table: Record<string, Expr<A>>, otherwise: Expr<B>): Expr<A | B> => ({
  op: 'byEvent',
  table,
  otherwise,
})

export const any = (...of: When[]): When => ({ op: 'any', of })
export const all = (...of: When[]): When => ({ op: 'all', of })
export const not = (of: When): When => ({ op: 'not', of })
/** True now, and not in the state that this event left behind. */
export const became = (of: When): When => ({ op: 'became', of })
/** True in the state that this event left behind, and not any more. */
export const ceased = (of: When): When => ({ op: 'ceased', of })
export const was = (of: When): When => ({ op: 'was', of })
/** True of our own snapshot from before this event. */
export const stored = (of: When): When => ({ op: 'stored', of })
/** A field of the shape differs between the state before this event and now. */
export const changed = (shape: object): When => ({ op: 'changed', shape })
/** A field of the shape differs from what was last emitted about this object (or nothing was). */
export const differsFromLast = (shape: object): When => ({ op: 'differsFromLast', shape })
/** We hold a snapshot of the object from before this event. */
export const seen: When = { op: 'seen' }
/** The state before this event is known, from `previous_attributes` or from our snapshot. */
export const priorKnown: When = { op: 'priorKnown' }
export const remembers = (flag: Flag): When => ({ op: 'memory', flag })
export const is = <T>(node: Expr<T>, ...values: (Closed<T> | typeof set | typeof unset)[]): When => ({
  op: 'is',
  node,
  values,
})
export const more = (node: Expr<number | null>, than: Expr<number | null>): When => ({ op: 'more', node, than })

export const same = <T extends number | string>(node: Expr<T | null>, as: Expr<T | null>): When => ({
  op: 'same',
  node,
  than: as,
})

/** A value or condition under the name that people give it: the catalog says the name, and once what it stands for. */
export const called = <T extends Node | When>(name: string, of: T): T => ({ ...of, called: name })
/** Each field of a shape under its own name: `subscription.amount`. */
export const calledAfter = <S extends Record<string, Node>>(name: string, shape: S): S =>
  Object.fromEntries(Object.entries(shape).map(([field, of]) => [field, called(`${name}.${field}`, of)])) as S

/** Null in, null out: a converter only ever sees present values. */
type Lifted<T, Out> = Out | Extract<T, null>
export const converter =
  <In, Out>(name: string, fn: (value: In) => Out) =>
  <T extends In | null>(of: Expr<T>): Expr<Lifted<T, Out>> => ({ op: 'convert', name, fn, of: [of] })
export const combiner =
  <A, B, Out>(name: string, fn: (a: A, b: B) => Out) =>
  <T extends A | null, U extends B | null>(a: Expr<T>, b: Expr<U>): Expr<Lifted<T | U, Out>> => ({
    op: 'convert',
    name,
    fn,
    of: [a, b],
  })

/** A named computation that sees absent values too, as null. */
export const computed = <const L extends readonly Expr<any>[], Out>(
  name: string,
  fn: (...values: { [K in keyof L]: TypeOf<L[K]> | null }) => Out,
  ...of: L
): Expr<Out> => ({ op: 'convert', name, fn: fn as (...values: any[]) => unknown, of, nulls: true })

/** Total by type: a value that a Stripe upgrade adds fails the build until it is mapped; at run time it stops the event. */
export const oneOf = <T extends string | null, const Table extends Record<Closed<NonNullable<T>>, unknown>>(
  of: Expr<T>,
  table: Table,
): Expr<Lifted<T, Table[keyof Table]>> => ({
  op: 'convert',
  name: 'oneOf',
  of: [of],
  table,
  fn: (key: string) => {
    if (!Object.hasOwn(table, key))
      throw new MappingError('unmapped_value', `"${key}" is not a value that ${path(of)} is known to have`)
    return table[key as keyof Table]
  },
})
const path = (node: Node): string =>
  node.op === 'from' ? node.path : 'of' in node && Array.isArray(node.of) ? path(node.of[0]) : node.op

/** A nested object as one value, so that a condition can stand before the whole of it. */
export const objectOf = <S extends Record<string, Expr<any>>>(shape: S): Expr<{ [K in keyof S]: TypeOf<S[K]> }> => ({
  op: 'object',
  shape,
})

/** A shape for each element of a list, in order; `where` leaves elements out. */
export const each = <L, S extends Record<string, Expr<any>>>(
  list: Expr<L>,
  shape: (item: Reads<ItemOf<L>>) => S,
  where?: (item: Reads<ItemOf<L>>) => When,
): Expr<{ [K in keyof S]: TypeOf<S[K]> }[]> => {
  const item = readsOf<ItemOf<L>>('item')
  return { op: 'each', list, where: where?.(item) ?? null, shape: shape(item) as object }
}
const fold =
  (name: 'sum' | 'max' | 'min') =>
  <L, T>(
    list: Expr<L>,
    of: (item: Reads<ItemOf<L>>) => Expr<T>,
    where?: (item: Reads<ItemOf<L>>) => When,
  ): Expr<T | null> => {
    const item = readsOf<ItemOf<L>>('item')
    return { op: 'fold', name, list, where: where?.(item) ?? null, of: of(item) }
  }
/** The exact sum as a decimal string: of an empty list '0', null when the list is absent or an element has no value. */
export const sum = fold('sum') as <L>(
  list: Expr<L>,
  of: (item: Reads<ItemOf<L>>) => Expr<number | string | null>,
  where?: (item: Reads<ItemOf<L>>) => When,
) => Expr<string | null>
export const max = fold('max')
export const min = fold('min')
/** At least one element for which `where` holds. */
export const some = <L>(list: Expr<L>, where: (item: Reads<ItemOf<L>>) => When): When => ({
  op: 'some',
  list,
  where: where(readsOf<ItemOf<L>>('item')),
})
/** One element of a list, chosen by a named rule that `about` tells, and what is read from it. */
export const chooser =
  <Item>(name: string, about: string, fn: (list: Item[]) => Item | null) =>
  <L extends readonly Item[] | null, T>(list: Expr<L>, of: (item: Reads<Item>) => Expr<T>): Expr<T | null> => ({
    op: 'choose',
    name,
    about,
    fn,
    list,
    of: of(readsOf<Item>('item')),
  })

/** The latest snapshot of another object: reads words that are typed by that object. Null while it is unknown. */
export const kept = (kind: Kept, key: Expr<string | null>) => {
  const read = <T>(of: Expr<T>): Expr<T | null> => ({ op: 'kept', kind, key, of })
  return Object.assign(read, { kind, key, known: is(read(from('id', 'object') as Expr<string>), set) })
}

/**
 * The Flo user behind a Stripe customer. clientUserId is the registered user's, else the first of `told`, else what was learnt
 * earlier; email the registered user's, else the first of `email`. While clientUserId is unknown the event is held.
 */
export const userOf = (
  customer: Expr<string | null>,
  said: { told: Expr<string | null>[]; email: Expr<string | null>[] },
) => {
  const field = <T>(name: 'id' | 'clientUserId' | 'email'): Expr<T> => ({ op: 'user', customer, ...said, field: name })
  return {
    id: field<string>('id'),
    clientUserId: field<string | null>('clientUserId'),
    email: field<string | null>('email'),
  }
}

/**
 * Flo's UUID of a Stripe object: the one first told, else that of the checkout record it is `linked` to, else one that
 * follows from the source and the object's id, the same for ever.
 */
export const uuidOf = (
  kind: string,
  key: Expr<string | null>,
  linked: Expr<string | null> | null = null,
): Expr<string> => ({
  op: 'uuid',
  kind,
  key,
  linked,
})

/** Minor units given back of the payment that the rule counts by (`once`), this time included. */
export const tallied: Expr<number> = { op: 'tallied' }

/**
 * Something that happened once and of which Stripe may tell twice, by different event types close to each other, both
 * `showing` the same. As part of a key it makes the two sights one fact, and marks the occasion in the object's memory.
 */
export const occasion = (what: string, showing: object): Expr<string> => ({
  op: 'occasion',
  what,
  of: showing,
  mark: true,
})
/** Seconds of the last such occasion up to this event, null when none is remembered. */
export const lastOccasion = (what: string): Expr<number | null> => ({ op: 'occasion', what, of: null, mark: false })
/** The value in the state that this event left behind. */
export const prior = <T>(of: Expr<T>): Expr<T | null> => ({ op: 'prior', of })

/** Some fields of a shape. */
export const without = <S extends object, K extends keyof S>(shape: S, ...keys: K[]): Omit<S, K> =>
  Object.fromEntries(Object.entries(shape).filter(([key]) => !keys.includes(key as K))) as Omit<S, K>

/** An event that cannot be mapped as the mappings are: the raw event is kept and can be normalised again after a fix. */
export class MappingError extends Error {
  override name = 'MappingError'
  readonly code: 'unmapped_value' | 'invalid_target'
  constructor(code: MappingError['code'], message: string) {
    super(message)
    this.code = code
  }
}
