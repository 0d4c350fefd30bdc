import type { Json } from '../../src/domain/json.ts'

// What an event may hold instead of what belongs there.

const nestedBy = (depth: number): Json => {
  let nested: Json = []
  for (let at = 0; at < depth; at += 1) nested = [nested]
  return nested
}

/** Wrong kinds, nothing, too much, and what no database stores, each with a name. */
export const GARBAGE: readonly (readonly [kind: string, value: Json])[] = [
  ['a word', 'many'],
  ['a decimal comma', '12,50'],
  ['NaN in words', 'NaN'],
  ['null in words', 'null'],
  ['empty', ''],
  ['null', null],
  ['absent', undefined],
  ['zero', 0],
  ['a number', 5],
  ['negative', -1],
  ['a fraction', 0.1],
  ['huge', 1e300],
  ['endless', Number.POSITIVE_INFINITY],
  ['a number that fills the memory', '1e100000000'],
  ['many digits', '9'.repeat(5_000)],
  ['true', true],
  ['an empty list', []],
  ['a list with a hole', [null]],
  ['a list of lists', [[null]]],
  ['an object without an id', { toString: 1, id: { id: [null] } }],
  ['an empty object', {}],
  ['a list with a hole in an object', { data: [null] }],
  ['no list in an object', { data: 'x' }],
  ['NUL', 'a\0b'],
  ['half a character', 'a\ud800b'],
  ['nested too deep', nestedBy(300)],
  ['a name that every object has', 'constructor'],
  ['the name of the prototype', '__proto__'],
]

type Place = readonly (string | number)[]

/** The places of a value that a mapping may look at, down to its leaves; of a list the first elements. */
export function placesIn(value: Json, at: Place = []): Place[] {
  if (typeof value !== 'object' || value === null) return [at]
  const keys = Array.isArray(value) ? [...value.keys()].slice(0, 2) : Object.keys(value)
  return [...(at.length > 0 ? [at] : []), ...keys.flatMap((key) => placesIn(value[key], [...at, key]))]
}

/** A copy with something else in one place. */
export function replaceAt(value: Json, [key, ...below]: Place, garbage: Json): Json {
  if (key === undefined) return garbage
  const inner = replaceAt(value[key], below, garbage)
  return Array.isArray(value) ? value.map((one, at) => (at === key ? inner : one)) : { ...value, [key]: inner }
}
