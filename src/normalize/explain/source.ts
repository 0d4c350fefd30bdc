import type { Node } from '../../language/mapping.ts'
import { sourceWords } from '../../language/wording.ts'
import type { Read } from './explanation.ts'
import type { Frame } from './trace.ts'

/** What a value was made of: what was read, what was looked for in vain, and what it went through. */
export interface Source {
  reads: Read[]
  absent: Read[]
  through: string[]
}

/** The list and object that paths are relative to. */
interface Place {
  list: { path: string; items: readonly unknown[] } | null
  object: Read['object']
}
const NOWHERE: Place = { list: null, object: null }
const NOTHING: Source = { reads: [], absent: [], through: [] }

/** What a node's value was made of, by what really was read of it. */
export function sourceOf(frame: Frame, place: Place = NOWHERE): Source {
  const { inner, result } = frame
  const node = frame.part as Node
  const last = inner.at(-1)
  switch (node.op) {
    case 'from':
      return told(node.scope === 'item' ? itemPath(node.path, frame, place) : node.path, result, place, node.until)
    case 'event':
      return told(`event.${node.field}`, result, NOWHERE)
    case 'always':
      return node.value === null || node.value === undefined ? NOTHING : told('always', result, NOWHERE)
    case 'firstOf': {
      const sources = inner.map((one) => sourceOf(one, place))
      const winner = result === null ? NOTHING : (sources.pop() ?? NOTHING)
      return { ...winner, absent: [...sources.flatMap(allOf), ...winner.absent] }
    }
    case 'convert': {
      const parts = together(inner.map((one) => sourceOf(one, place)))
      return { ...parts, through: [...parts.through, node.name] }
    }
    case 'given':
    case 'byEvent':
    case 'prior':
      return last ? sourceOf(last, place) : NOTHING
    case 'kept': {
      const [key, of] = inner
      const object = { kind: node.kind, id: typeof key?.result === 'string' ? key.result : null }
      if (of) return sourceOf(of, { list: null, object })
      return { ...NOTHING, absent: [read(sourceWords(innermost(node)), null, { ...NOWHERE, object })] }
    }
    case 'fold':
    case 'choose': {
      const list = listPlace(frame, place)
      const of = inner.filter(({ part }) => part === node.of)
      const settling = of.filter((one) => one.result === result)
      // A sum is made of all, the greatest of one; of an empty list, the list is what was read.
      const read = node.op === 'fold' && node.name === 'sum' ? of : (settling.length > 0 ? settling : of).slice(0, 1)
      const from =
        read.length > 0 ? read.map((one) => sourceOf(one, list)) : inner.slice(0, 1).map((one) => sourceOf(one, place))
      const parts = together(from)
      return { ...parts, through: [...parts.through, node.name] }
    }
    case 'user': {
      const [customer, ids, emails] = inner
      const said = node.field === 'email' ? emails : node.field === 'clientUserId' ? ids : customer
      return said ? sourceOf(said, place) : NOTHING
    }
    case 'uuid': {
      const parts = together(inner.map((one) => sourceOf(one, place)))
      return { ...parts, through: [...parts.through, `uuid of the ${node.kind}`] }
    }
    default:
      return { ...NOTHING, through: [sourceWords(node)] }
  }
}

/** Where the elements of a list node's children stand. */
export function listPlace(frame: Frame, place: Place = NOWHERE): Place {
  const [list] = frame.inner
  const { reads, through } = list ? sourceOf(list, place) : NOTHING
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
export function nameOf(frame: Frame, place: Place = NOWHERE): string {
  const node = frame.part as Node
  const [only] = frame.inner
  if (node.op === 'prior' && only) return `${nameOf(only, place)} before`
  // What is computed of much has a name of its own, or none.
  if ((node.op === 'convert' || node.op === 'fold') && node.called !== undefined) return node.called
  const { reads, absent, through } = sourceOf(frame, place)
  const [first] = reads.length > 0 ? reads : absent
  if (!first) return through.at(-1) ?? sourceWords(node)
  if (reads.length > 1 && through.length > 0) return through.at(-1)!
  return first.object ? `${first.path} of the ${first.object.kind} ${first.object.id ?? '(none)'}` : first.path
}

function itemPath(path: string, { scope }: Frame, { list }: Place): string {
  if (!list) return path
  const at = list.items.indexOf(scope.item)
  return `${list.path}[${at < 0 ? '' : at}].${path}`
}

const innermost = (node: Extract<Node, { op: 'kept' }>): Node => (node.of.op === 'kept' ? innermost(node.of) : node.of)

const read = (path: string, value: unknown, { object }: Place, until?: string): Read => ({
  path,
  value,
  object,
  until: until ?? null,
})

function told(path: string, value: unknown, place: Place, until?: string): Source {
  const one = read(path, value, place, until)
  return value === null ? { ...NOTHING, absent: [one] } : { ...NOTHING, reads: [one] }
}

const allOf = ({ reads, absent }: Source): Read[] => [...absent, ...reads]

const together = (sources: readonly Source[]): Source => ({
  reads: sources.flatMap(({ reads }) => reads),
  absent: sources.flatMap(({ absent }) => absent),
  through: [...new Set(sources.flatMap(({ through }) => through))],
})
