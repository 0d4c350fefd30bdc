import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Json } from '../../src/domain/json.ts'

const isObject = (value: Json) => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Where two objects differ in their fields: `+path` stands in the first alone, `-path` in the second. Values do not count. */
export function fieldDifferences(one: Json, other: Json, path: string): string[] {
  if (Array.isArray(one) && Array.isArray(other))
    return other.length === 0 ? [] : one.flatMap((element) => fieldDifferences(element, other[0], `${path}[]`))
  // Null says nothing of the fields that would be there; metadata has the client's own.
  if (!isObject(one) || !isObject(other) || path.endsWith('.metadata') || Object.keys(other).length === 0) return []
  return [
    ...Object.keys(one).flatMap((key) =>
      key in other ? fieldDifferences(one[key], other[key], `${path}.${key}`) : [`+${path}.${key}`],
    ),
    ...Object.keys(other).flatMap((key) => (key in one ? [] : [`-${path}.${key}`])),
  ]
}

/** All fields that recordings of one kind of object showed, as one object. */
export function together(one: Json, other: Json): Json {
  if (Array.isArray(one) && Array.isArray(other)) return [[...one, ...other].reduce(together, null)].filter(isObject)
  if (!isObject(one) || !isObject(other)) return one ?? other
  const all = { ...one }
  for (const [key, value] of Object.entries(other)) all[key] = key in all ? together(all[key], value) : value
  return all
}

/** The members of an interface of the installed stripe package, and whether they may be absent. */
export function membersOfStripe(file: string, name: string): Map<string, { optional: boolean }> {
  const entry = fileURLToPath(import.meta.resolve('stripe'))
  const source = readFileSync(entry.replace(/stripe\.[^/]*$/, `resources/${file}.d.ts`), 'utf8')
  const members = new Map<string, { optional: boolean }>()
  let depth = 0
  for (const line of source.slice(source.indexOf(`export interface ${name} {`)).split('\n')) {
    const [, member, optional] = (depth === 1 && line.match(/^\s+([a-z_0-9]+)(\?)?:/)) || []
    if (member) members.set(member, { optional: optional !== undefined })
    depth += line.split('{').length - line.split('}').length
    if (depth === 0) break
  }
  return members
}
