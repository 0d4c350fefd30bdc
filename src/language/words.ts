import type Stripe from 'stripe'
import type { z } from 'zod'
import type { AppEventData, AppEventType } from '../domain/app-events.ts'
import type { Json } from '../domain/json.ts'
import {
  type EventType,
  type Expr,
  type Flag,
  type Mapping,
  MappingError,
  type Node,
  type ObjectKind,
  set,
  type TypeOf,
  type unset,
  type When,
} from './mapping.ts'
import type { ComparedValue, KnownPath, NamedValues, TypeAt } from './paths.ts'
import { kindOf } from './unreadable.ts'

// The words that mappings are written in: each makes a piece of plain data, typed against Stripe on one side and the contract
// on the other.

type ObjectOf<E extends EventType> = E extends AppEventType
  ? { id: string; user: { id: string | null; client_user_id: string | null }; data: AppEventData<E> }
  : Extract<Stripe.Event, { type: E }>['data']['object']

/** Types a mapping by its events and its target. */
export const defineMapping = <E extends EventType, To extends z.ZodType>(mapping: Mapping<E, To>) => mapping

const fromNode = (path: string, scope: 'object' | 'item', until?: string): Node => ({
  op: 'from',
  path,
  keys: path.split('.'),
  scope,
  ...(until ? { until } : {}),
})

/** Reads typed by an object: `from` today's path, `is` a condition on it. */
const createReads = <O>(scope: 'object' | 'item', under = '') => ({
  from: <P extends string>(path: KnownPath<O, P>): Expr<TypeAt<O, P>> => fromNode(under + path, scope),
  has: <P extends string>(path: KnownPath<O, P>, ...values: ComparedValue<O, P>[]): When => ({
    op: 'is',
    node: fromNode(under + path, scope),
    values,
  }),
  /** A field that Stripe has moved or dropped, as events of API versions before `until` carry it. */
  legacy: <T>(path: string, { until }: { until: string }): Expr<T | null> => fromNode(under + path, scope, until),
})
export type Reads<O> = ReturnType<typeof createReads<O>>

/** Names the Stripe events a mapping reads, and hands out words typed by their object. */
export const on = <E extends EventType, O = ObjectOf<E>>(...types: E[]) => ({
  types,
  ...createReads<O>('object'),
  type: (...of: E[]): When => ({ op: 'type', types: of }),
})
/** Words typed by an object that several mappings read. */
export const reading = <O>() => createReads<O>('object')
/** Words typed by an element of a list. */
export const element = <O>(): Reads<O> => createReads<O>('item')
/** Words typed by a member of a list's element. */
export const member = <O>(name: string): Reads<O> => createReads<O>('item', `${name}.`)
/** The whole object of the event. */
export const self = <O>(): Expr<O> => ({ op: 'from', path: 'the object', keys: [], scope: 'object' })

/** The event itself: Stripe's id (null for what our own timer says), type, Unix seconds, or its time as ISO 8601 with milliseconds. */
export const event = (field: 'id' | 'type' | 'created' | 'at'): Expr<Json> => ({ op: 'event', field })
/** The type of the event that is being emitted. */
export const emitted: Expr<Json> = { op: 'emitted' }
/** The same value whatever is read. */
export const always = <const T>(value: T): Expr<T> => ({ op: 'always', value })
type FirstOf<L extends readonly Expr<Json>[]> = L extends readonly [...infer Init extends Expr<Json>[], infer Last]
  ? { [K in keyof Init]: NonNullable<TypeOf<Init[K]>> }[number] | TypeOf<Last>
  : never
/** The first value that is present. */
export const firstOf = <const L extends readonly Expr<Json>[]>(...of: L): Expr<FirstOf<L>> => ({ op: 'firstOf', of })
/** `then` where the condition holds, else `otherwise` (null when left out). */
export const given = <A, B = null>(
  when: When,
  then: Expr<A>,
  otherwise: Expr<B> = always(null) as Expr<Json>,
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

/** At least one holds. */
export const any = (...of: When[]): When => ({ op: 'any', of })
/** Every one holds; of none, always. */
export const all = (...of: When[]): When => ({ op: 'all', of })
/** It does not hold. */
export const not = (of: When): When => ({ op: 'not', of })
/** True now, and not in the state that this event left behind. */
export const became = (of: When): When => ({ op: 'became', of })
/** True in the state that this event left behind, and not any more. */
export const ceased = (of: When): When => ({ op: 'ceased', of })
/** True in the state that this event left behind. */
export const was = (of: When): When => ({ op: 'was', of })
/** True of our own snapshot from before this event. */
export const stored = (of: When): When => ({ op: 'stored', of })
/** A field of the shape differs between the state before this event and now. */
export const changed = (shape: object): When => ({ op: 'changed', shape })
/** A field of the shape differs from what was last emitted about this object (or nothing was). */
export const differsFromLast = (shape: object): When => ({ op: 'differsFromLast', shape })
/** The state before this event is known, from `previous_attributes` or from our snapshot. */
export const priorKnown: When = { op: 'priorKnown' }
/** A flag of the object's memory is set. */
export const remembers = (flag: Flag): When => ({ op: 'memory', flag })
/** A value is one of these; `set` and `unset` ask for presence alone. */
export const is = <T>(node: Expr<T>, ...values: (NamedValues<T> | typeof set | typeof unset)[]): When => ({
  op: 'is',
  node,
  values,
})
/** Both are there, and the first is greater; texts are compared as decimal numbers. */
export const more = <T extends number | string>(node: Expr<T | null>, than: Expr<T | null>): When => ({
  op: 'more',
  node,
  than,
})

/** Both are there and equal. */
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
  <In, Out>(name: string, compute: (value: In) => Out) =>
  <T extends In | null>(of: Expr<T>): Expr<Lifted<T, Out>> => ({ op: 'convert', name, compute, of: [of] })
export const combiner =
  <A, B, Out>(name: string, compute: (a: A, b: B) => Out) =>
  <T extends A | null, U extends B | null>(a: Expr<T>, b: Expr<U>): Expr<Lifted<T | U, Out>> => ({
    op: 'convert',
    name,
    compute,
    of: [a, b],
  })

/** A named computation that sees absent values too, as null. */
export const computed = <const L extends readonly Expr<Json>[], Out>(
  name: string,
  fn: (...values: { [K in keyof L]: TypeOf<L[K]> | null }) => Out,
  ...of: L
): Expr<Out> => ({ op: 'convert', name, compute: fn as (...values: Json[]) => unknown, of, nulls: true })

/** Total by type: a value that a Stripe upgrade adds fails the build until it is mapped; at run time it stops the event. */
export const oneOf = <T extends string | null, const Table extends Record<NamedValues<NonNullable<T>>, unknown>>(
  of: Expr<T>,
  table: Table,
): Expr<Lifted<T, Table[keyof Table]>> => ({
  op: 'convert',
  name: 'oneOf',
  of: [of],
  table,
  compute: (key: Json) => {
    if (typeof key !== 'string') throw new TypeError('not a value of an enum')
    if (!Object.hasOwn(table, key))
      throw new MappingError('unmapped_value', `${quoteWord(key)} is not a value that ${pathOf(of)} is known to have`)
    return table[key as keyof Table]
  },
})
/** A word that Stripe may have added, as it is; of anything longer only how long it is. */
const quoteWord = (text: string) => (/^[\w .-]{0,60}$/.test(text) ? `"${text}"` : kindOf(text))
const pathOf = (node: Node): string =>
  node.op === 'from' ? node.path : 'of' in node && Array.isArray(node.of) ? pathOf(node.of[0]) : node.op

/** A nested object as one value, so that a condition can apply to all of it. */
export const objectOf = <S extends Record<string, Expr<Json>>>(shape: S): Expr<{ [K in keyof S]: TypeOf<S[K]> }> => ({
  op: 'object',
  shape,
})

/** The latest snapshot of another object: reads words that are typed by that object. Null while it is unknown. */
export const kept = (kind: ObjectKind, key: Expr<string | null>) => {
  const readKept = <T>(of: Expr<T>): Expr<T | null> => ({ op: 'kept', kind, key, of })
  return Object.assign(readKept, { kind, key, known: is(readKept(fromNode('id', 'object') as Expr<string>), set) })
}

/**
 * The Flo user behind a Stripe customer. clientUserId is the registered user's, else the first of `clientUserId` that is present, else what was learnt
 * earlier; email the registered user's, else the first of `email`. An event may have `named` the user by Flo's own id. While a
 * clientUserId that the body shows is unknown the event is held.
 */
export const userOf = (
  customer: Expr<string | null>,
  claims: { clientUserId: Expr<string | null>[]; email: Expr<string | null>[]; floUserId?: Expr<string | null> },
) => {
  const userField = <T>(name: 'id' | 'clientUserId' | 'email'): Expr<T> => ({
    op: 'user',
    customer,
    floUserId: null,
    ...claims,
    field: name,
  })
  return {
    id: userField<string>('id'),
    clientUserId: userField<string | null>('clientUserId'),
    email: userField<string | null>('email'),
  }
}

/**
 * Flo's UUID of a Stripe object: the one sent first, else that of the checkout record it is `linked` to, else one that
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

/** The rank of a plan, as the source's `planRanks` say; null when they say none. */
export const rankOf = (plan: Expr<string | null>): Expr<number | null> => ({ op: 'rank', plan })

/** Minor units given back so far of the purchase that the rule counts by (`once`), this time included: of one `line` of it, else of all. */
export const tallied = (line: Expr<string | null> | null = null): Expr<number> => ({ op: 'tallied', line })

/**
 * Something that happened once and of which Stripe may tell twice, by different event types close to each other, both
 * `showing` the same. As part of a key it makes the two observations one fact, and marks the occasion in the object's memory.
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
