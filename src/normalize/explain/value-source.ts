import { isDeepStrictEqual } from 'node:util'
import { isCondition, type Node, type NodeOf } from '../../language/mapping.ts'
import { memoizeByKey } from '../../language/memoized.ts'
import { sourceWords } from '../../language/wording.ts'
import type { ReadRole, ReadValue } from './explanation.ts'
import { type InputMember, isOfFew, type MemberKeys, memberAt, originOfMember } from './made-value.ts'
import type { TraceFrame } from './trace.ts'

/** What a value was made of: what was read, what was absent, and what it went through. */
export interface ValueSource {
  reads: ReadValue[]
  absent: ReadValue[]
  through: string[]
  /** Readings that are not told. */
  leftOut?: number
}

/** What paths are relative to: an object and, for those of an element, a list with the place that it was read at. */
export interface ReadPlace {
  /** The readings of the list: what is computed is made anew by each, so the element says which one is meant. */
  list: { readings: readonly TraceFrame[]; at: ReadPlace } | null
  object: ReadValue['object']
  /** The event, where it is not the one that is explained. */
  event: ReadValue['object']
  /** Its time as it stands in it: Unix seconds, in a thin event a text. */
  created: unknown
  /** The object as the event brought it, and its name where it is cited with what was fetched for it; null: nothing was. */
  sent: { object: unknown; name: NonNullable<ReadValue['object']> } | null
  role: Extract<ReadRole, 'value' | 'before'>
}
const EVENT_OBJECT: ReadPlace = { list: null, object: null, event: null, created: null, sent: null, role: 'value' }
const NO_SOURCE: ValueSource = { reads: [], absent: [], through: [] }

/** The place of an evaluation's own object: named where it is not the event's, with the event that it is judged as. */
export const placeOfObject = (of: Pick<ReadPlace, 'object' | 'event' | 'created' | 'sent'>): ReadPlace => ({
  ...EVENT_OBJECT,
  ...of,
})

/** What a node's value was made of, by what was really read of it. */
export function valueSourceOf(frame: TraceFrame, place: ReadPlace = EVENT_OBJECT): ValueSource {
  const { inner, result } = frame
  const node = frame.part as Node
  const last = inner.at(-1)
  switch (node.op) {
    case 'from':
    case 'firstOf':
    case 'prior':
    case 'kept':
      return sourceOfMember(frame, [], place)
    case 'event':
      return sourceOfEvent(node, frame, place)
    case 'always':
      return constantSource(result)
    case 'convert':
      return sourceOfConversion(node, frame, place)
    case 'given':
      return last ? sourceUnder(inner, place) : NO_SOURCE
    case 'byEvent':
      return last ? valueSourceOf(last, place) : NO_SOURCE
    case 'fold':
    case 'choose':
      return sourceOfElements(node, frame, place)
    case 'user':
      return sourceOfUser(node, frame, place)
    case 'uuid':
      return sourceOfUuid(node, frame, place)
    case 'emitted':
      return sourceOfRead(sourceWords(node), result, { object: null }, { role: 'constant' })
    case 'object':
    case 'each':
      return addStep(NO_SOURCE, sourceWords(node))
    case 'occasion':
    case 'tallied':
    case 'rank':
      return sourceOfRead(sourceWords(node), result, { object: null }, { role: 'memory' })
    default:
      return node satisfies never
  }
}

/** Where a member of a node's value stands: below a path, in what another node came to, in what a computation took over. */
function sourceOfMember(frame: TraceFrame, keys: MemberKeys, place: ReadPlace): ValueSource {
  const { inner, result } = frame
  const node = frame.part as Node
  const last = inner.at(-1)
  switch (node.op) {
    case 'from':
      return sourceOfPath(node, frame, keys, place)
    case 'firstOf': {
      const others = result === null ? inner : inner.slice(0, -1)
      const winner = result !== null && last ? sourceOfMember(last, keys, place) : NO_SOURCE
      const absent = others.flatMap((one) => absentReads(valueSourceOf(one, place)))
      return { ...winner, absent: [...absent, ...winner.absent] }
    }
    case 'prior':
      return last ? sourceOfMember(last, keys, { ...place, role: 'before' }) : NO_SOURCE
    case 'kept':
      return sourceOfStored(node, frame, keys, place)
    case 'convert':
      return keys.length === 0 ? valueSourceOf(frame, place) : sourceOfMade(node, frame, keys, place)
    case 'given':
    case 'byEvent':
      if (keys.length > 0 && last) return sourceOfMember(last, keys, place)
      return valueSourceOf(frame, place)
    case 'event':
    case 'always':
    case 'fold':
    case 'choose':
    case 'user':
    case 'uuid':
    case 'emitted':
    case 'object':
    case 'each':
    case 'occasion':
    case 'tallied':
    case 'rank':
      return valueSourceOf(frame, place)
    default:
      return node satisfies never
  }
}

const addStep = (source: ValueSource, step: string): ValueSource => ({ ...source, through: [...source.through, step] })

function sourceOfPath(node: NodeOf<'from'>, frame: TraceFrame, keys: MemberKeys, place: ReadPlace): ValueSource {
  const below = [...node.keys, ...keys]
  if (node.scope === 'item' && place.list) return sourceOfElement(node, frame, below, place.list)
  const path = below.length === 0 ? node.path : pathOfKeys(below)
  // No object says so of itself: the event does.
  if (
    path === 'deleted' &&
    frame.result === true &&
    place.object === null &&
    frame.scope.event.type.endsWith('.deleted')
  )
    return sourceOfRead('event.type', frame.scope.event.type, { object: place.event }, { role: place.role })
  const value = memberAt(frame.result, keys)
  const isFetched =
    place.object === null && place.sent !== null && !isDeepStrictEqual(memberAt(place.sent.object, below), value)
  const object = isFetched ? (place.sent?.name ?? null) : place.object
  return sourceOfRead(path, value, { object }, { role: place.role, until: node.until })
}

/** An element stands in the list that it was taken from. */
function sourceOfElement(
  node: NodeOf<'from'>,
  { scope }: TraceFrame,
  keys: MemberKeys,
  { readings, at }: NonNullable<ReadPlace['list']>,
): ValueSource {
  const positionIn = ({ result }: TraceFrame) =>
    Array.isArray(result) ? positionsIn(result).get(scope.item) : undefined
  const list = readings.find((reading) => positionIn(reading) !== undefined)
  const position = list && positionIn(list)
  if (!list || position === undefined) return NO_SOURCE
  const source = sourceOfMember(list, [position, ...keys], at)
  const addUntil = (one: ReadValue) => ({ ...one, until: one.until ?? node.until ?? null })
  return { ...source, reads: source.reads.map(addUntil), absent: source.absent.map(addUntil) }
}

/** Where each element of a list stands first: asked for every field of every element. */
const positionsIn = memoizeByKey(
  (list: readonly unknown[]) => new Map(list.map((element, at) => [element, at] as const).toReversed()),
)

/** Where the paths of another object are read. */
export function placeOfStored(
  { kind }: NodeOf<'kept'>,
  { inner }: TraceFrame,
  place: ReadPlace = EVENT_OBJECT,
): ReadPlace {
  const [key] = inner
  // Ties and checkouts have keys of their own among the objects; people know them by the id.
  const id = typeof key?.result === 'string' ? key.result.replace(/^(link|checkout):/, '') : null
  return { ...place, object: { kind, id }, role: 'value' }
}

function sourceOfStored(node: NodeOf<'kept'>, frame: TraceFrame, keys: MemberKeys, place: ReadPlace): ValueSource {
  const of = frame.inner[1]
  const stored = placeOfStored(node, frame, place)
  if (of) return sourceOfMember(of, keys, stored)
  return { ...NO_SOURCE, absent: [toReadValue(sourceWords(innermostNode(node)), null, stored, { role: 'value' })] }
}

/** What the event says of itself; its time is read as it stands there. */
function sourceOfEvent({ field }: NodeOf<'event'>, { result, scope }: TraceFrame, place: ReadPlace): ValueSource {
  const { at, created } = scope.event
  const object = { object: place.event }
  // What our own timer says has no id of Stripe's.
  if (result === null) return NO_SOURCE
  if (field !== 'at' && field !== 'created') return sourceOfRead(`event.${field}`, result, object, { role: 'value' })
  const seconds = field === 'at' ? Date.parse(at) / 1000 : created
  const isText = typeof place.created === 'string'
  const source = sourceOfRead('event.created', isText ? place.created : seconds, object, { role: 'value' })
  const inSeconds = isText ? addStep(source, 'seconds') : source
  return field === 'at' ? addStep(inSeconds, 'isoTime') : inSeconds
}

const constantSource = (value: unknown): ValueSource =>
  value === null || value === undefined
    ? NO_SOURCE
    : sourceOfRead('always', value, { object: null }, { role: 'constant' })

const isContainer = (value: unknown) => typeof value === 'object' && value !== null

/** What is computed of a whole object or list has read some members of it: those are told, not all of it. */
function sourceOfConversion(node: NodeOf<'convert'>, frame: TraceFrame, place: ReadPlace): ValueSource {
  const { inner, result } = frame
  if (inner.some((one) => isContainer(one.result)) && !isContainer(result))
    return result === null ? addStep(NO_SOURCE, node.name) : sourceOfMade(node, frame, [], place)
  return addStep(mergeSources(inner.map((one) => valueSourceOf(one, place))), stepWords(node, frame))
}

/** What a conversion is called; a table tells the row that was read, where that says something else. */
const stepWords = ({ name, table }: NodeOf<'convert'>, { inner, result }: TraceFrame): string => {
  const from = inner[0]?.result
  return table && result !== null && from !== result ? `${name} (${from} → ${result})` : name
}

function sourceOfMade(node: NodeOf<'convert'>, frame: TraceFrame, keys: MemberKeys, place: ReadPlace): ValueSource {
  const { inner, result } = frame
  const inputs = inner.map((one) => one.result)
  const origin = originOfMember({ compute: node.compute, inputs, result }, keys)
  if (!origin) return NO_SOURCE
  const sourceOfInput = (from: InputMember) => {
    const input = inner[from.input]
    return input ? sourceOfMember(input, from.keys, place) : NO_SOURCE
  }
  switch (origin.kind) {
    case 'copied':
      return sourceOfInput(origin.from)
    case 'computed': {
      const source = mergeSources(origin.of.map(sourceOfInput))
      const isPlain = keys.length === 0 && inputs.every(isOfFew)
      return isPlain ? addStep(source, node.name) : sourceOfCount(node, memberAt(result, keys), keys, source)
    }
    case 'constant':
      return constantSource(memberAt(result, keys))
    default:
      return origin satisfies never
  }
}

/** A figure that a computation has made of much, such as a line's share of a refund, because of what it read. */
function sourceOfCount(node: NodeOf<'convert'>, value: unknown, keys: MemberKeys, { reads }: ValueSource): ValueSource {
  const path =
    keys.length === 0 ? node.name : `${pathOfKeys(keys)} of ${node.name.startsWith('the ') ? '' : 'the '}${node.name}`
  const counted = sourceOfRead(path, value, { object: null }, { role: 'memory' })
  const because = uniqueReads(reads).filter((one) => standsSomewhere(one) && !isContainer(one.value))
  const told = because.slice(0, MAX_REASONS).map(asCondition)
  return { ...counted, reads: [...counted.reads, ...told], ...leavingOut(because.length - told.length) }
}

const leavingOut = (leftOut: number) => (leftOut > 0 ? { leftOut } : {})
/** Readings that are told of a figure which depends on many. */
const MAX_REASONS = 12
/** What is remembered or counted stands in no object; what that was made of is told beside it. */
const standsSomewhere = ({ role }: ReadValue) => role !== 'constant' && role !== 'memory'
const asCondition = (read: ReadValue): ReadValue => ({
  ...read,
  role: read.role === 'before' || read.role === 'condition_before' ? 'condition_before' : 'condition',
})
const isConditionRead = ({ role }: ReadValue) => role === 'condition' || role === 'condition_before'

/** A constant is a value because of its condition: what that has read is told as well. */
function sourceUnder(inner: readonly TraceFrame[], place: ReadPlace): ValueSource {
  const [when, chosen] = [inner[0], inner.at(-1)]
  const source = chosen ? valueSourceOf(chosen, place) : NO_SOURCE
  if (
    !when ||
    source.reads.length === 0 ||
    source.reads.some((one) => one.role !== 'constant' && !isConditionRead(one))
  )
    return source
  const read = uniqueReads(readsOfCondition(when, place)).map(asCondition)
  const isRead = ({ value }: ReadValue) => value !== null
  return {
    ...source,
    reads: [...source.reads, ...read.filter(isRead)],
    absent: [...source.absent, ...read.filter((one) => !isRead(one))],
  }
}

/** What a condition has read of the state that is told; of whole objects, it has asked only whether they are there. */
function readsOfCondition(frame: TraceFrame, place: ReadPlace): ReadValue[] {
  const { part, inner, scope } = frame
  if (!isCondition(part)) {
    const { reads, absent } = valueSourceOf(frame, place)
    return [...reads, ...absent].filter((one) => standsSomewhere(one) && !isContainer(one.value))
  }
  switch (part.op) {
    case 'type':
      return sourceOfRead('event.type', scope.event.type, { object: place.event }, { role: 'condition' }).reads
    case 'is':
    case 'more':
    case 'same':
    case 'any':
    case 'all':
    case 'not':
      return inner.flatMap((one) => readsOfCondition(one, place))
    case 'some': {
      const list = placeOfList(frame, place)
      return inner.filter((one) => isCondition(one.part as Node)).flatMap((one) => readsOfCondition(one, list))
    }
    case 'became':
    case 'ceased':
      return inner.slice(0, 1).flatMap((one) => readsOfCondition(one, place))
    case 'was':
    case 'stored':
    case 'changed':
    case 'differsFromLast':
    case 'priorKnown':
    case 'memory':
      return []
    default:
      return part satisfies never
  }
}

/** A sum is made of all elements, a maximum of one; of an empty list, the list is what was read. */
function sourceOfElements(node: NodeOf<'fold'> | NodeOf<'choose'>, frame: TraceFrame, place: ReadPlace): ValueSource {
  const { inner, result } = frame
  const list = placeOfList(frame, place)
  const of = inner.filter(({ part }) => part === node.of)
  const settling = of.filter((one) => one.result === result)
  const elements = node.op === 'fold' && node.name === 'sum' ? of : (settling.length > 0 ? settling : of).slice(0, 1)
  const sources =
    elements.length > 0
      ? elements.map((one) => valueSourceOf(one, list))
      : inner.slice(0, 1).map((one) => valueSourceOf(one, place))
  return addStep(mergeSources(sources), node.name)
}

/**
 * What the event says of its user, or what is known of that user otherwise. The parts are read in this order: customer,
 * clientUserId, then email (only for an email).
 */
function sourceOfUser(node: NodeOf<'user'>, { inner, result, scope }: TraceFrame, place: ReadPlace): ValueSource {
  const [customer, clientUserId, third] = inner
  if (!customer || !clientUserId) return NO_SOURCE
  const claim = { id: customer, clientUserId, email: third }[node.field]
  const source = claim ? valueSourceOf(claim, place) : NO_SOURCE
  const named = node.floUserId === null ? undefined : inner.at(-1)
  if (node.field === 'id') {
    if (named && named.result === result) return valueSourceOf(named, place)
    return addStep(mergeSources([source, valueSourceOf(clientUserId, place)]), sourceWords(node))
  }
  const claimed = claim?.result ?? null
  if (result === null || (claimed !== null && String(claimed) === result)) return source
  // The event does not say it: the user is registered, or an earlier event has said it.
  const said = [customer, clientUserId, named].map((one) => textOf(one?.result))
  const { id } = scope.facts.findUser(said[0] ?? null, said[1] ?? null, null, said[2] ?? null)
  const path = { clientUserId: 'client_user_id', email: 'email' }[node.field]
  const known = sourceOfRead(path, result, { object: { kind: 'user', id } }, { role: 'value' })
  return { ...known, absent: source.absent }
}

const textOf = (value: unknown): string | null => (value === null || value === undefined ? null : String(value))

/** The uuid that was sent first is read of nothing: it is remembered. */
function sourceOfUuid(node: NodeOf<'uuid'>, { inner, result }: TraceFrame, place: ReadPlace): ValueSource {
  const linked = inner.find(({ part }) => part === node.linked)
  const key = inner.find(({ part }) => part === node.key)
  if (!linked && !key)
    return sourceOfRead(
      `the uuid that was sent first of the ${node.kind}`,
      result,
      { object: null },
      { role: 'memory' },
    )
  const given = linked ? valueSourceOf(linked, place) : NO_SOURCE
  if (!key) return given
  const derived = addStep(valueSourceOf(key, place), `uuid of the ${node.kind}`)
  return { ...derived, absent: [...absentReads(given), ...derived.absent] }
}

/** Where the elements of a list node's children stand. */
export function placeOfList({ inner, part }: TraceFrame, place: ReadPlace = EVENT_OBJECT): ReadPlace {
  const { list } = part as { list?: Node }
  return placeInLists(
    inner.filter((one) => one.part === list),
    place,
  )
}

/** Where the elements of some readings of a list stand. */
export const placeInLists = (readings: readonly TraceFrame[], place: ReadPlace = EVENT_OBJECT): ReadPlace => ({
  ...place,
  list: { readings, at: place },
})

/** What a list is called: its path, with what was computed of it. */
export function nameOfList({ list }: ReadPlace): string {
  const [reading] = list?.readings ?? []
  if (!list || !reading) return 'the list'
  const { part, result } = reading
  const { reads, through } = valueSourceOf(reading, list.at)
  const [first] = reads
  const made = through.at(-1)
  const raw = first?.value
  if (
    (part as Node).op === 'convert' &&
    Array.isArray(result) &&
    Array.isArray(raw) &&
    result.every((one) => raw.includes(one))
  )
    return first?.path ?? 'the list'
  if (made && first) return `${made} of ${first.path}`
  return first?.path ?? made ?? 'the list'
}

/** A short name for what was read: the path that won, else the first that was tried. */
export function nameOfRead(frame: TraceFrame, place: ReadPlace = EVENT_OBJECT): string {
  const node = frame.part as Node
  const [only] = frame.inner
  if (node.op === 'prior' && only) return `${nameOfRead(only, place)} before`
  // What is computed of much has a name of its own, or none.
  if ((node.op === 'convert' || node.op === 'fold') && node.called !== undefined) return node.called
  const { reads, absent, through } = valueSourceOf(frame, place)
  const [first] = reads.length > 0 ? reads : absent
  const lastStep = through.at(-1)
  if (!first) return lastStep ?? sourceWords(node)
  if (reads.length > 1 && lastStep !== undefined) return lastStep
  return first.object ? `${first.path} of the ${first.object.kind} ${first.object.id ?? '(none)'}` : first.path
}

const pathOfKeys = (keys: MemberKeys): string =>
  keys.map((key, at) => (typeof key === 'number' ? `[${key}]` : `${at === 0 ? '' : '.'}${key}`)).join('')

const innermostNode = (node: NodeOf<'kept'>): Node => (node.of.op === 'kept' ? innermostNode(node.of) : node.of)

type ReadKind = { role: ReadRole; until?: string | undefined }

const toReadValue = (
  path: string,
  value: unknown,
  { object }: Pick<ReadPlace, 'object'>,
  { role, until }: ReadKind,
): ReadValue => ({ path, value, role, object, until: until ?? null })

function sourceOfRead(path: string, value: unknown, place: Pick<ReadPlace, 'object'>, kind: ReadKind): ValueSource {
  const one = toReadValue(path, value, place, kind)
  return value === null ? { ...NO_SOURCE, absent: [one] } : { ...NO_SOURCE, reads: [one] }
}

/** What was looked at in vain. */
const absentReads = ({ absent }: ValueSource): ReadValue[] => absent.filter((one) => !isConditionRead(one))

const uniqueReads = (reads: readonly ReadValue[]): ReadValue[] => [
  ...new Map(reads.map((one) => [JSON.stringify([one.path, one.object, one.role]), one])).values(),
]

const mergeSources = (sources: readonly ValueSource[]): ValueSource => ({
  reads: sources.flatMap(({ reads }) => reads),
  absent: sources.flatMap(({ absent }) => absent),
  through: [...new Set(sources.flatMap(({ through }) => through))],
  ...leavingOut(sources.reduce((sum, { leftOut = 0 }) => sum + leftOut, 0)),
})
