import { isDeepStrictEqual } from 'node:util'
import type { Node, NodeOf } from '../../language/mapping.ts'
import { sourceWords } from '../../language/wording.ts'
import { readsOfCondition } from './condition-reads.ts'
import type { ReadValue } from './explanation.ts'
import { type InputMember, isOfFew, type MemberKeys, memberAt, originOfMember } from './made-value.ts'
import { EVENT_OBJECT, placeOfList, placeOfStored, type ReadPlace } from './read-place.ts'
import {
  absentReads,
  addStep,
  asCondition,
  constantSource,
  isConditionRead,
  isContainer,
  leavingOut,
  mergeSources,
  NO_SOURCE,
  pathOfKeys,
  positionsIn,
  sourceOfRead,
  standsSomewhere,
  toReadValue,
  uniqueReads,
  type ValueSource,
} from './source-parts.ts'
import type { TraceFrame } from './trace.ts'

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

/** Readings that are told of a figure which depends on many. */
const MAX_REASONS = 12
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
  const read = uniqueReads(readsOfCondition(when, place, valueSourceOf)).map(asCondition)
  const isRead = ({ value }: ReadValue) => value !== null
  return {
    ...source,
    reads: [...source.reads, ...read.filter(isRead)],
    absent: [...source.absent, ...read.filter((one) => !isRead(one))],
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

const innermostNode = (node: NodeOf<'kept'>): Node => (node.of.op === 'kept' ? innermostNode(node.of) : node.of)
