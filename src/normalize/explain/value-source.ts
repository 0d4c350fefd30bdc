import type { Node } from '../../language/mapping.ts'
import { sourceWords } from '../../language/wording.ts'
import type { ReadValue } from './explanation.ts'
import type { TraceFrame } from './trace.ts'

/** What a value was made of: what was read, what was looked for in vain, and what it went through. */
export interface ValueSource {
  reads: ReadValue[]
  absent: ReadValue[]
  through: string[]
}

/** The list and object that paths are relative to. */
interface ReadPlace {
  list: { path: string; items: readonly unknown[] } | null
  object: ReadValue['object']
}
const EVENT_OBJECT: ReadPlace = { list: null, object: null }
const NO_SOURCE: ValueSource = { reads: [], absent: [], through: [] }

/** What a node's value was made of, by what really was read of it. */
export function valueSourceOf(frame: TraceFrame, place: ReadPlace = EVENT_OBJECT): ValueSource {
  const { inner, result } = frame
  const node = frame.part as Node
  const last = inner.at(-1)
  switch (node.op) {
    case 'from':
      return sourceOfRead(
        node.scope === 'item' ? pathOfItem(node.path, frame, place) : node.path,
        result,
        place,
        node.until,
      )
    case 'event':
      return sourceOfRead(`event.${node.field}`, result, EVENT_OBJECT)
    case 'always':
      return node.value === null || node.value === undefined ? NO_SOURCE : sourceOfRead('always', result, EVENT_OBJECT)
    case 'firstOf': {
      const sources = inner.map((one) => valueSourceOf(one, place))
      const winner = result === null ? NO_SOURCE : (sources.pop() ?? NO_SOURCE)
      return { ...winner, absent: [...sources.flatMap(allReads), ...winner.absent] }
    }
    case 'convert': {
      const parts = mergeSources(inner.map((one) => valueSourceOf(one, place)))
      return { ...parts, through: [...parts.through, node.name] }
    }
    case 'given':
    case 'byEvent':
    case 'prior':
      return last ? valueSourceOf(last, place) : NO_SOURCE
    case 'kept': {
      const [key, of] = inner
      const object = { kind: node.kind, id: typeof key?.result === 'string' ? key.result : null }
      if (of) return valueSourceOf(of, { list: null, object })
      return {
        ...NO_SOURCE,
        absent: [toReadValue(sourceWords(innermostNode(node)), null, { ...EVENT_OBJECT, object })],
      }
    }
    case 'fold':
    case 'choose': {
      const list = placeOfList(frame, place)
      const of = inner.filter(({ part }) => part === node.of)
      const settling = of.filter((one) => one.result === result)
      // A sum is made of all, the greatest of one; of an empty list, the list is what was read.
      const read = node.op === 'fold' && node.name === 'sum' ? of : (settling.length > 0 ? settling : of).slice(0, 1)
      const from =
        read.length > 0
          ? read.map((one) => valueSourceOf(one, list))
          : inner.slice(0, 1).map((one) => valueSourceOf(one, place))
      const parts = mergeSources(from)
      return { ...parts, through: [...parts.through, node.name] }
    }
    case 'user': {
      const [customer, ids, emails] = inner
      const said = node.field === 'email' ? emails : node.field === 'clientUserId' ? ids : customer
      return said ? valueSourceOf(said, place) : NO_SOURCE
    }
    case 'uuid': {
      const parts = mergeSources(inner.map((one) => valueSourceOf(one, place)))
      return { ...parts, through: [...parts.through, `uuid of the ${node.kind}`] }
    }
    default:
      return { ...NO_SOURCE, through: [sourceWords(node)] }
  }
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
  if (reads.length > 1 && through.length > 0) return through.at(-1)!
  return first.object ? `${first.path} of the ${first.object.kind} ${first.object.id ?? '(none)'}` : first.path
}

function pathOfItem(path: string, { scope }: TraceFrame, { list }: ReadPlace): string {
  if (!list) return path
  const at = list.items.indexOf(scope.item)
  return `${list.path}[${at < 0 ? '' : at}].${path}`
}

const innermostNode = (node: Extract<Node, { op: 'kept' }>): Node =>
  node.of.op === 'kept' ? innermostNode(node.of) : node.of

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
