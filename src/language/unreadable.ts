import type { Json } from '../domain/json.ts'
import { MappingError, type Node } from './mapping.ts'

// What an event holds and no mapping can read: a text where a number belongs, a list with a hole in it. A body has null there
// where its contract allows null; else the event fails, and the message says where.

/** A value of an event that cannot be read. `at` is the field of the body that it was read for, '' outside of bodies. */
export class UnreadableError extends MappingError {
  readonly place: string
  at = ''
  constructor(place: string, message: string) {
    super('unreadable_value', `${place}: ${message}`)
    this.place = place
  }
}

/** What kind of value this is, in words that quote nothing of it. */
export function kindOf(value: Json): string {
  if (value === null || value === undefined) return 'null'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'string') return `a text of ${value.length} characters`
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'a whole number' : 'a number that is not exact'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** The longest text that names something: a business key, an id, a user. Stripe's are 255 at most. */
const MAX_ID_LENGTH = 500

/** Whether a text can name something: keys of the database are made of it, which take neither NUL nor half a character. */
export const isIdText = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= MAX_ID_LENGTH && !value.includes('\0') && value.isWellFormed()

/** How deep an event may be nested; Stripe's are by about ten. */
const MAX_DEPTH = 64

/** Where a value is nested deeper than anything of Stripe's, null where it is not: what is nested by thousands cannot be written. */
export const deepPlaceOf = (value: unknown): string | null =>
  isNestedWithin(value, MAX_DEPTH) ? null : findDeepPlace(value)

/** Whether a value is nested so deep at most: asked of every event, and so without writing places down. */
function isNestedWithin(value: unknown, depth: number): boolean {
  if (!isContainer(value)) return true
  if (depth === 0) return false
  for (const inner of Object.values(value)) if (isContainer(inner) && !isNestedWithin(inner, depth - 1)) return false
  return true
}

function findDeepPlace(value: unknown): string | null {
  let level: { value: object; place: string }[] = isContainer(value) ? [{ value, place: '' }] : []
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth === MAX_DEPTH) return cut(level[0]?.place.slice(1) ?? '')
    level = level.flatMap(({ value, place }) =>
      Object.entries(value).flatMap(([key, inner]) =>
        isContainer(inner) ? [{ value: inner, place: depth < 4 ? `${place}.${key}` : place }] : [],
      ),
    )
  }
  return null
}

const isContainer = (value: unknown): value is object => typeof value === 'object' && value !== null

const MAX_PLACE_LENGTH = 120
const cut = (place: string) => (place.length > MAX_PLACE_LENGTH ? `${place.slice(0, MAX_PLACE_LENGTH)}…` : place)

/** An evaluation as far as places go: the element of a list that is being read, and its list. */
interface ReadScope {
  item?: Json
  itemOf?: Node
}
/** What reads a node once more, to find out which of several places was read. */
type Read<S> = (node: Node, scope: S) => Json

/** The place in the event that a node's value comes from, such as `lines.data.1.amount`; else what the node is called. */
export function placeOf<S extends ReadScope>(node: Node, scope: S, read: Read<S>): string {
  const [first] = placesOf(node, scope, read)
  return cut(first ?? node.called ?? ('name' in node ? node.name : node.op))
}

/** All places that a node's value comes from. */
export function placesOf<S extends ReadScope>(node: Node, scope: S, read: Read<S>): string[] {
  const below = (of: readonly Node[]) => of.flatMap((one) => placesOf(one, scope, read))
  switch (node.op) {
    case 'from':
      return [node.scope === 'item' ? [elementPlace(scope, read), node.path].filter(Boolean).join('.') : node.path]
    case 'firstOf': {
      const present = node.of.find((one) => readOrNull(one, scope, read) !== null)
      return present ? placesOf(present, scope, read) : below(node.of.slice(0, 1))
    }
    case 'convert':
      return below(node.of)
    case 'given':
      return below([node.then, node.otherwise])
    case 'byEvent':
      return below([node.otherwise])
    case 'kept':
      return placesOf(node.of, scope, read).map((place) => `${place} of the ${node.kind}`)
    case 'user':
      return below([node.customer])
    case 'uuid':
      return below([node.key])
    case 'each':
    case 'fold':
    case 'choose':
      return below([node.list])
    case 'prior':
      return placesOf(node.of, scope, read).map((place) => `previous_attributes.${place}`)
    case 'rank':
      return below([node.plan])
    case 'event':
    case 'emitted':
    case 'always':
    case 'object':
    case 'occasion':
    case 'tallied':
      return []
    default:
      return node satisfies never
  }
}

/** Where the element of a list stands that is being read. */
function elementPlace<S extends ReadScope>(scope: S, read: Read<S>): string {
  const { item, itemOf } = scope
  if (!itemOf) return ''
  const list = readOrNull(itemOf, scope, read)
  const at = Array.isArray(list) ? list.indexOf(item) : -1
  const [place = ''] = placesOf(itemOf, { ...scope, itemOf: undefined }, read)
  return at < 0 ? place : `${place}.${at}`
}

function readOrNull<S extends ReadScope>(node: Node, scope: S, read: Read<S>): Json {
  try {
    return read(node, { ...scope, trace: undefined })
  } catch {
    // It only tells where to look; what cannot be read is there.
    return undefined
  }
}
