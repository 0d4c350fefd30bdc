import type { Node, NodeOf } from '../../language/mapping.ts'
import { sourceWords } from '../../language/wording.ts'
import type { ReadValue } from './explanation.ts'
import type { TraceFrame } from './trace.ts'

/** What a value was made of: what was read, what was absent, and what it went through. */
export interface ValueSource {
  reads: ReadValue[]
  absent: ReadValue[]
  through: string[]
}

/** The list and object that paths are relative to. */
export interface ReadPlace {
  list: { path: string; items: readonly unknown[] } | null
  object: ReadValue['object']
}
const EVENT_OBJECT: ReadPlace = { list: null, object: null }
const NO_SOURCE: ValueSource = { reads: [], absent: [], through: [] }

/** What a node's value was made of, by what was really read of it. */
export function valueSourceOf(frame: TraceFrame, place: ReadPlace = EVENT_OBJECT): ValueSource {
  const { inner, result } = frame
  const node = frame.part as Node
  const last = inner.at(-1)
  const mergeInner = () => mergeSources(inner.map((one) => valueSourceOf(one, place)))
  switch (node.op) {
    case 'from':
      return sourceOfPath(node, frame, place)
    case 'event':
      return sourceOfRead(`event.${node.field}`, result, EVENT_OBJECT)
    case 'always':
      return node.value === null || node.value === undefined ? NO_SOURCE : sourceOfRead('always', result, EVENT_OBJECT)
    case 'firstOf':
      return sourceOfFirst(frame, place)
    case 'convert':
      return addStep(mergeInner(), node.name)
    case 'given':
    case 'byEvent':
    case 'prior':
      return last ? valueSourceOf(last, place) : NO_SOURCE
    case 'kept':
      return sourceOfStored(node, inner)
    case 'fold':
    case 'choose':
      return sourceOfElements(node, frame, place)
    case 'user':
      return sourceOfUser(node, inner, place)
    case 'uuid':
      return addStep(mergeInner(), `uuid of the ${node.kind}`)
    case 'emitted':
    case 'object':
    case 'each':
    case 'occasion':
    case 'tallied':
    case 'rank':
      return addStep(NO_SOURCE, sourceWords(node))
    default:
      return node satisfies never
  }
}

const sourceOfPath = ({ path, scope, until }: NodeOf<'from'>, frame: TraceFrame, place: ReadPlace): ValueSource =>
  sourceOfRead(scope === 'item' ? pathOfItem(path, frame, place) : path, frame.result, place, until)

const addStep = (source: ValueSource, step: string): ValueSource => ({ ...source, through: [...source.through, step] })

/** The alternative that was present; those before it were absent. */
function sourceOfFirst({ inner, result }: TraceFrame, place: ReadPlace): ValueSource {
  const sources = inner.map((one) => valueSourceOf(one, place))
  const winner = result === null ? NO_SOURCE : (sources.pop() ?? NO_SOURCE)
  return { ...winner, absent: [...sources.flatMap(allReads), ...winner.absent] }
}

function sourceOfStored(node: NodeOf<'kept'>, [key, of]: readonly TraceFrame[]): ValueSource {
  const object = { kind: node.kind, id: typeof key?.result === 'string' ? key.result : null }
  if (of) return valueSourceOf(of, { list: null, object })
  return { ...NO_SOURCE, absent: [toReadValue(sourceWords(innermostNode(node)), null, { ...EVENT_OBJECT, object })] }
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

/** The parts of a user are read in this order: customer, clientUserId, email. */
function sourceOfUser(node: NodeOf<'user'>, inner: readonly TraceFrame[], place: ReadPlace): ValueSource {
  const [customer, clientUserId, email] = inner
  const read = { id: customer, clientUserId, email }[node.field]
  return read ? valueSourceOf(read, place) : NO_SOURCE
}

/** Where the elements of a list node's children stand. */
export function placeOfList(frame: TraceFrame, place: ReadPlace = EVENT_OBJECT): ReadPlace {
  const [list] = frame.inner
  const { reads, through } = list ? valueSourceOf(list, place) : NO_SOURCE
  const items = Array.isArray(list?.result) ? list.result : []
  const made = through.at(-1)
  const path = reads[0]?.path ?? made ?? 'the list'
  const raw = reads[0]?.value
  // What a computation has only picked out still stands where Stripe put it.
  if (Array.isArray(raw) && items.every((item) => raw.includes(item)))
    return { list: { path, items: raw }, object: reads[0]?.object ?? place.object }
  return {
    list: { path: made && reads[0] ? `${made} of ${path}` : path, items },
    object: reads[0]?.object ?? place.object,
  }
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
  if (!first) return through.at(-1) ?? sourceWords(node)
  const lastStep = through.at(-1)
  if (reads.length > 1 && lastStep !== undefined) return lastStep
  return first.object ? `${first.path} of the ${first.object.kind} ${first.object.id ?? '(none)'}` : first.path
}

function pathOfItem(path: string, { scope }: TraceFrame, { list }: ReadPlace): string {
  if (!list) return path
  const at = list.items.indexOf(scope.item)
  return `${list.path}[${at < 0 ? '' : at}].${path}`
}

const innermostNode = (node: NodeOf<'kept'>): Node => (node.of.op === 'kept' ? innermostNode(node.of) : node.of)

const toReadValue = (path: string, value: unknown, { object }: ReadPlace, until?: string): ReadValue => ({
  path,
  value,
  object,
  until: until ?? null,
})

function sourceOfRead(path: string, value: unknown, place: ReadPlace, until?: string): ValueSource {
  const one = toReadValue(path, value, place, until)
  return value === null ? { ...NO_SOURCE, absent: [one] } : { ...NO_SOURCE, reads: [one] }
}

const allReads = ({ reads, absent }: ValueSource): ReadValue[] => [...absent, ...reads]

const mergeSources = (sources: readonly ValueSource[]): ValueSource => ({
  reads: sources.flatMap(({ reads }) => reads),
  absent: sources.flatMap(({ absent }) => absent),
  through: [...new Set(sources.flatMap(({ through }) => through))],
})
