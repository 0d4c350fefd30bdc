import { z } from 'zod'
import { PublishedEvent } from '../src/api/resources/source-events.ts'
import type { Contract } from '../src/contracts/contract.ts'
import * as floShapes from '../src/contracts/flo.ts'
import * as florentinShapes from '../src/contracts/florentin.ts'
import { appEvents } from '../src/domain/app-events.ts'
import { docComment, interfaceOf, type SchemaNames } from './typescript-of.ts'

const INTRO = '// Written by `npm run sdk:types` from the schemas; not to be edited.'

const typesPage = (parts: readonly string[]): string => `${[INTRO, ...parts].join('\n\n')}\n`

/** The files of sdk/src that are written from the schemas, by name. */
export const sdkTypePages = (): Record<string, string> => ({
  // What the contracts promise, and the unions of their events.
  'events.ts': typesPage([
    ...contractTypes('Flo', floShapes, floShapes.flo, 'eventType'),
    ...contractTypes('Florentin', florentinShapes, florentinShapes.florentin, 'event'),
  ]),
  // What an application publishes, and what is answered.
  'app-event-types.ts': typesPage([
    ...Object.entries(appEvents).map(([type, schema]) => interfaceOf(`${pascalCase(type)}Data`, schema, new Map())),
    eventMapOf(
      'What is told of an event, by its type.',
      'AppEventData',
      Object.keys(appEvents).map((type) => ({ type, name: `${pascalCase(type)}Data` })),
    ),
    interfaceOf('SourceEvent', PublishedEvent, new Map()),
  ]),
})

/**
 * The interfaces of one contract: its named shapes (the object schemas that its module exports), one for each event type, the
 * map of them by type and the union. `tag` is the field that tells the event types apart.
 */
function contractTypes(prefix: string, shapes: object, contract: Contract, tag: string): string[] {
  const wire = Object.entries(contract.wireSchemas).map(([type, schema]) => ({
    type,
    name: prefix + pascalCase(type),
    schema: schema as z.ZodObject,
  }))
  const names = new Map(Object.entries(shapes).map(([name, schema]) => [schema, prefix + pascalCase(name)]))
  const parts = wire.flatMap(({ schema }) => schemasWithin(schema)).filter((part) => part instanceof z.ZodObject)
  const named = new Map(
    parts.flatMap((part) => {
      const name = names.get(part)
      return name === undefined ? [] : [[part, name] as const]
    }),
  )
  return [
    ...[...named].map(([schema, name]) => interfaceOf(name, schema, namesWithout(named, schema))),
    ...wire.map(({ name, schema }) => interfaceOf(name, schema, named)),
    eventMapOf(`Every event of ${contract.name} by its type.`, `${prefix}Events`, wire),
    `${docComment(`An event of ${contract.name}: \`${tag}\` says which.`, '')}export type ${prefix}Event = ${prefix}Events[keyof ${prefix}Events]`,
    `export const ${prefix.toLowerCase()}EventTypes = [\n${wire
      .map(({ type }) => `  '${type}',\n`)
      .join('')}] as const satisfies readonly (keyof ${prefix}Events)[]`,
  ]
}

/** An interface that holds others by event type. */
const eventMapOf = (about: string, name: string, types: readonly { type: string; name: string }[]): string =>
  `${docComment(about, '')}export interface ${name} {\n${types.map(({ type, name }) => `  '${type}': ${name}\n`).join('')}}`

const pascalCase = (name: string) => name.replace(/(?:^|[._])([a-z])/g, (_, letter: string) => letter.toUpperCase())

const namesWithout = (names: SchemaNames, schema: z.ZodType) => new Map([...names].filter(([one]) => one !== schema))

/** Every schema within a schema, from the outside in and in the order of its members. */
function schemasWithin(schema: z.ZodType): z.ZodType[] {
  const { innerType, element, valueType } = schema.def as typeof schema.def &
    Partial<Record<'innerType' | 'element' | 'valueType', z.ZodType>>
  const inner: (z.ZodType | undefined)[] =
    schema instanceof z.ZodObject ? Object.values(schema.shape) : [innerType, element, valueType]
  return inner.filter((part) => part !== undefined).flatMap((part) => [part, ...schemasWithin(part)])
}
