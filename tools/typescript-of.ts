import type { z } from 'zod'

/** The names that schemas have as interfaces; a schema without one is printed where it is used. */
export type SchemaNames = ReadonlyMap<z.ZodType, string>

const WIDTH = 120

/** `export interface Name {...}` of an object schema, its descriptions as doc comments. Formatted as biome would. */
export const interfaceOf = (name: string, schema: z.ZodObject, names: SchemaNames): string =>
  `${docComment(schema.description, '')}export interface ${name} ${membersOf(schema, names, '')}`

function membersOf(schema: z.ZodObject, names: SchemaNames, indent: string): string {
  const inner = `${indent}  `
  const members = Object.entries(schema.shape as Record<string, z.ZodType>).map(([key, value]) => {
    const optional = value.def.type === 'optional'
    const type = optional ? (value as z.ZodOptional<z.ZodType>).unwrap() : value
    return (
      docComment(descriptionOf(value, names), inner) +
      memberLines(`${key}${optional ? '?' : ''}`, typesOf(type, names, inner), inner)
    )
  })
  return `{\n${members.join('')}${indent}}`
}

/** What a value says of itself, seen through `| null` and `?`; a named one says it on its interface. */
function descriptionOf(schema: z.ZodType, names: SchemaNames): string | undefined {
  if (names.has(schema)) return undefined
  const { innerType } = schema.def as { innerType?: z.ZodType }
  return schema.description ?? (innerType && descriptionOf(innerType, names))
}

/** One member, its alternatives one a line where they do not fit beside it. */
function memberLines(key: string, types: string[], indent: string): string {
  const line = `${indent}${key}: ${types.join(' | ')}\n`
  if (line.length <= WIDTH + 1 || types.length === 1) return line
  return `${indent}${key}:\n${types.map((type) => `${indent}  | ${type}\n`).join('')}`
}

/** The kinds of schema that contracts are made of, with what zod keeps of each. */
type SchemaDef =
  | { type: 'string' | 'number' | 'boolean' | 'null' | 'object' }
  | { type: 'literal'; values: unknown[] }
  | { type: 'enum'; entries: Record<string, unknown> }
  | { type: 'nullable'; innerType: z.ZodType }
  | { type: 'array'; element: z.ZodType }
  | { type: 'record'; valueType: z.ZodType }

/** The types that a value may have. Throws for a kind of schema that no contract had so far. */
function typesOf(schema: z.ZodType, names: SchemaNames, indent: string): string[] {
  const name = names.get(schema)
  if (name) return [name]
  const def = schema.def as SchemaDef
  switch (def.type) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'null':
      return [def.type]
    case 'literal':
      return def.values.map(quoteLiteral)
    case 'enum':
      return Object.values(def.entries).map(quoteLiteral)
    case 'nullable':
      return [...typesOf(def.innerType, names, indent), 'null']
    case 'array':
      return [`${unionType(typesOf(def.element, names, indent))}[]`]
    case 'record':
      return [`Record<string, ${typesOf(def.valueType, names, indent).join(' | ')}>`]
    case 'object':
      return [membersOf(schema as z.ZodObject, names, indent)]
    default:
      def satisfies never
      throw new Error(
        `A schema of type ${schema.def.type} has no TypeScript form yet: add it to tools/typescript-of.ts.`,
      )
  }
}

const unionType = (types: string[]) => (types.length === 1 ? types[0] : `(${types.join(' | ')})`)
const quoteLiteral = (value: unknown) => `'${String(value).replace(/['\\]/g, '\\$&')}'`

/** A doc comment on lines of its own; nothing where there is nothing to say. */
export const docComment = (text: string | undefined, indent: string): string =>
  text ? `${indent}/** ${text} */\n` : ''
