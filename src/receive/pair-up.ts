/** Each item with the result at its place. Throws when there are not as many results as items. */
export function pairUp<Item, Result>(items: readonly Item[], results: readonly Result[]): [Item, Result][] {
  const rest = results[Symbol.iterator]()
  const pairs = items.map((item): [Item, Result] => {
    const next = rest.next()
    if (next.done) throw new Error(`There are ${results.length} results for ${items.length} items.`)
    return [item, next.value]
  })
  if (!rest.next().done) throw new Error(`There are ${results.length} results for ${items.length} items.`)
  return pairs
}
