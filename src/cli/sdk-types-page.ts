import { z } from 'zod'
import type { Contract } from '../contracts/contract.ts'
import * as floShapes from '../contracts/flo.ts'
import * as florentinShapes from '../contracts/florentin.ts'
import { doc, interfaceOf, type Names } from './typescript-of.ts'

const INTRO = `// Written by \`npm run sdk:types\` from the schemas of the contracts; not to be edited.`

/** sdk/src/events.ts: what the contracts promise, as interfaces, and their unions by event type. */
export const sdkTypesPage = (): string =>
  `${[
    INTRO,
    ...eventsOf('Flo', floShapes, floShapes.flo, 'eventType'),
    ...eventsOf('Florentin', florentinShapes, florentinShapes.florentin, 'event'),
  ].join('\n\n')}\n`

/**
 * The interfaces of one contract: its named shapes (the object schemas that its module exports), one for each event type, the
 * map of them by type and the union. `tag` is the field that tells the event types apart.
 */
function eventsOf(prefix: string, shapes: object, contract: Contract, tag: string): string[] {
  const wire = Object.entries(contract.wireSchemas).map(([type, schema]) => ({
    type,
    name: prefix + pascal(type),
    schema: schema as z.ZodObject,
  }))
  const names = new Map(Object.entries(shapes).map(([name, schema]) => [schema, prefix + pascal(name)]))
  const parts = wire.flatMap(({ schema }) => partsOf(schema)).filter((part) => part instanceof z.ZodObject)
  const named = new Map(parts.flatMap((part) => (names.has(part) ? [[part, names.get(part)!] as const] : [])))
  return [
    ...[...named].map(([schema, name]) => interfaceOf(name, schema, without(named, schema))),
    ...wire.map(({ name, schema }) => interfaceOf(name, schema, named)),
    `${doc(`Every event of ${contract.name} by its type.`, '')}export interface ${prefix}Events {\n${wire
      .map(({ type, name }) => `  '${type}': ${name}\n`)
      .join('')}}`,
    `${doc(`An event of ${contract.name}: \`${tag}\` says which.`, '')}export type ${prefix}Event = ${prefix}Events[keyof ${prefix}Events]`,
    `export const ${prefix.toLowerCase()}EventTypes = [\n${wire
      .map(({ type }) => `  '${type}',\n`)
      .join('')}] as const satisfies readonly (keyof ${prefix}Events)[]`,
  ]
}

const pascal = (name: string) => name.replace(/(?:^|[._])([a-z])/g, (_, letter: string) => letter.toUpperCase())

const without = (names: Names, schema: z.ZodType) => new Map([...names].filter(([one]) => one !== schema))

/** Every schema within a schema, from the outside in and in the order of its members. */
function partsOf(schema: z.ZodType): z.ZodType[] {
  const { innerType, element, valueType } = schema.def as any
  const next = schema instanceof z.ZodObject ? Object.values(schema.shape) : [innerType, element, valueType]
  return next.filter(Boolean).flatMap((part: any) => [part, ...partsOf(part)])
}
