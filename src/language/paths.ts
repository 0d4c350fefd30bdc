import type { set, unset } from './mapping.ts'

// Checks the one path it is given instead of listing them all, so it stays cheap on Stripe's recursive types.
// Absent reads as null; a path that nothing in the union has is a compile error.
type NullIfMissing<V, Extra> = (V extends undefined ? null : V) | Extra
type TypeOfKey<T, K> = T extends null | undefined
  ? null
  : T extends readonly (infer Item)[]
    ? Item | null
    : K extends keyof T
      ? NullIfMissing<T[K], string extends keyof T ? null : never>
      : null
/** The type of what stands at a path. */
export type TypeAt<T, P> = P extends `${infer K}.${infer Rest}` ? TypeAt<TypeOfKey<T, K>, Rest> : TypeOfKey<T, P>
/** A path, or the complaint that nothing has it. */
export type KnownPath<T, P extends string> = [TypeAt<T, P>] extends [null] ? `no such field: ${P}` : P

// Stripe's enums are open ('active' | ... | OtherString). The named values are those we can compare with and must map;
// a value that nobody has named yet stops the mapping with an error.
type NamedStrings<S> = S extends string ? (string extends S ? never : S) : never
/** The named values of an open enum; any other type as it is. */
export type NamedValues<T> =
  | Exclude<T, string>
  | ([NamedStrings<T>] extends [never] ? Extract<T, string> : NamedStrings<T>)

/** What a condition may compare a path with. */
export type ComparedValue<T, P> = NamedValues<TypeAt<T, P>> | typeof set | typeof unset
/** The type of a list's elements. */
export type ItemOf<T> = NonNullable<T> extends readonly (infer Item)[] ? Item : never
