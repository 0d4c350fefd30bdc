import type { Json } from '../domain/json.ts'
import type { Expr, TypeOf, When } from './mapping.ts'
import { memoizeByKey } from './memoized.ts'
import type { ItemOf } from './paths.ts'
import { element, type Reads } from './words.ts'

// The words of mappings for lists: what is made of each element, of all together, of the one that a rule chooses.

/** A shape for each element of a list, in order; `where` leaves elements out. */
export const each = <L, S extends Record<string, Expr<Json>>>(
  list: Expr<L>,
  shape: (item: Reads<ItemOf<L>>) => S,
  where?: (item: Reads<ItemOf<L>>) => When,
): Expr<{ [K in keyof S]: TypeOf<S[K]> }[]> => {
  const item = element<ItemOf<L>>()
  return { op: 'each', list, where: where?.(item) ?? null, shape: shape(item) as object }
}
const foldList =
  (name: 'sum' | 'max' | 'min') =>
  <L, T>(
    list: Expr<L>,
    of: (item: Reads<ItemOf<L>>) => Expr<T>,
    where?: (item: Reads<ItemOf<L>>) => When,
  ): Expr<T | null> => {
    const item = element<ItemOf<L>>()
    return { op: 'fold', name, list, where: where?.(item) ?? null, of: of(item) }
  }
/** The exact sum as a decimal string: of an empty list '0', null when the list is absent or an element has no value. */
export const sum = foldList('sum') as <L>(
  list: Expr<L>,
  of: (item: Reads<ItemOf<L>>) => Expr<number | string | null>,
  where?: (item: Reads<ItemOf<L>>) => When,
) => Expr<string | null>
/** The greatest number of a list, null when no element has one. */
export const max = foldList('max')
/** The least number of a list, null when no element has one. */
export const min = foldList('min')
/** At least one element for which `where` holds. */
export const some = <L>(list: Expr<L>, where: (item: Reads<ItemOf<L>>) => When): When => ({
  op: 'some',
  list,
  where: where(element<ItemOf<L>>()),
})
/** One element of a list, chosen by a named rule that `about` tells, and what is read from it. */
export const chooser = <Item>(name: string, about: string, choose: (list: Item[]) => Item | null) => {
  // What is read of each of many lines may ask for the same choice among all of them.
  const chooseOnce = memoizeByKey(choose)
  return <L extends readonly Item[] | null, T>(list: Expr<L>, of: (item: Reads<Item>) => Expr<T>): Expr<T | null> => ({
    op: 'choose',
    name,
    about,
    choose: chooseOnce,
    list,
    of: of(element<Item>()),
  })
}
