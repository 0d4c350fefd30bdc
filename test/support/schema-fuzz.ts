import type { Random } from '../../simulator/random.ts'
import type { Json } from '../../src/domain/json.ts'
import { present } from './present.ts'

/** Values that a schema cannot invent, such as an address that exists: by the member's name. */
export type Known = Readonly<Record<string, (random: Random) => Json>>

const pick = <T>(random: Random, list: readonly T[]): T => present(list[random.below(list.length)])

/** A value that fits a JSON Schema, as far as the schema says it; optional members are there half of the time. */
export function sample(schema: Json, random: Random, known: Known = {}, name = ''): Json {
  const own = known[name]
  if (own && random.below(8) > 0) return own(random)
  if (schema.const !== undefined) return schema.const
  if (schema.enum) return pick(random, schema.enum)
  const one = schema.oneOf ?? schema.anyOf
  if (one?.some((inner: Json) => inner.type)) return sample(pick(random, one), random, known, name)
  if (schema.example !== undefined && random.below(2) === 0) return schema.example
  switch (Array.isArray(schema.type) ? pick(random, schema.type) : schema.type) {
    case 'object':
      return sampleObject(schema, random, known)
    case 'array':
      return Array.from({ length: Math.max(schema.minItems ?? 0, random.below(3)) }, () =>
        sample(schema.items ?? {}, random, known, name),
      )
    case 'integer':
    case 'number':
      return (schema.minimum ?? 0) + random.below(Math.min(1000, (schema.maximum ?? 1000) - (schema.minimum ?? 0) + 1))
    case 'boolean':
      return random.below(2) === 0
    case 'null':
      return null
    default:
      return sampleText(schema, random)
  }
}

function sampleObject({ properties = {}, required = [], additionalProperties }: Json, random: Random, known: Known) {
  const members = Object.entries(properties).filter(([name]) => required.includes(name) || random.below(2) === 0)
  const more =
    typeof additionalProperties === 'object' && random.below(2) === 0 ? [[random.letters(5), additionalProperties]] : []
  return Object.fromEntries([...members, ...more].map(([name, inner]) => [name, sample(inner, random, known, name)]))
}

function sampleText({ format, minLength = 0, maxLength = 20 }: Json, random: Random): string {
  if (format === 'uuid') return random.uuid()
  if (format === 'date-time') return new Date(Date.UTC(2020 + random.below(10), random.below(12), 1)).toISOString()
  if (format === 'email') return `${random.letters(5)}@example.com`
  return random.letters(Math.min(maxLength, Math.max(minLength, 1 + random.below(12))))
}

const STRANGE: readonly ((random: Random) => Json)[] = [
  () => null,
  () => true,
  () => '',
  () => ({}),
  () => [],
  () => -1,
  () => 1e308,
  () => 2 ** 53,
  () => 0.1,
  () => '\u0000',
  () => '\ud800',
  () => '__proto__',
  () => "'; drop table clients; --",
  () => '9'.repeat(400),
  () => 'x'.repeat(100_000),
  () => Array.from({ length: 5000 }, () => 0),
  () => nested(3000),
  () => ({ constructor: { prototype: 1 } }),
  () => new Date(8.64e15).toISOString(),
  () => '0001-01-01T00:00:00Z',
  () => '00000000-0000-0000-0000-000000000000',
  (random) => random.uuid(),
  (random) => random.letters(30),
]

const nested = (levels: number): Json => {
  let value: Json = 1
  for (let level = 0; level < levels; level += 1) value = [value]
  return value
}

/** The value with one thing in it changed: another type, something strange, a member too few or too many. */
export function mutated(value: Json, random: Random): Json {
  const strange = () => pick(random, STRANGE)(random)
  if (typeof value !== 'object' || value === null || random.below(6) === 0) return strange()
  if (Array.isArray(value)) {
    const at = random.below(value.length + 1)
    return at === value.length ? [...value, strange()] : value.with(at, mutated(value[at], random))
  }
  const names = Object.keys(value)
  const name = pick(random, [...names, ''])
  if (name === '')
    return { ...value, [pick(random, ['__proto__x', 'constructor', 'clientId', random.letters(4)])]: strange() }
  if (random.below(4) === 0) return Object.fromEntries(Object.entries(value).filter(([one]) => one !== name))
  return { ...value, [name]: mutated(value[name], random) }
}

/** A text for a query or header that no schema meant. */
export const strangeText = (random: Random): string => {
  const value = pick(random, STRANGE)(random)
  return (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 2000).toWellFormed()
}
