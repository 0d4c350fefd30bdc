import type { Node } from '../../language/mapping.ts'
import type { Strides } from '../../language/strides.ts'
import type { ExplainedField } from './explanation.ts'
import { placeOfList, placeOfStored, type ReadPlace } from './read-place.ts'
import type { TraceFrame } from './trace.ts'
import { valueSourceOf } from './value-source.ts'

/** The fields of an event that was emitted, leaf for leaf, each with what it was made of: of an invoice there may be thousands. */
export function* explainFields(draft: TraceFrame, place: ReadPlace): Strides<ExplainedField[]> {
  const fields: ExplainedField[] = []
  for (const frame of draft.inner) if (frame.part.op === 'field') yield* addField(fields, frame, frame.part.name, place)
  return fields
}

function* addField(to: ExplainedField[], frame: TraceFrame, path: string, place?: ReadPlace): Strides<void> {
  const { inner, result } = frame
  const fields = inner.filter(({ part }) => part.op === 'field')
  for (const below of fields) yield* addField(to, below, pathBelow(path, below), place)
  if (fields.length > 0) return
  const [node] = inner
  if (!node) return
  // It was not read to its end: the message says where it stands and why it cannot be read.
  if (node.error) {
    to.push({ field: path, value: null, reads: [], absent: [], through: [node.error.message] })
    return
  }
  const composite = findComposite(node, place)
  if (composite?.frame.part.op === 'object')
    for (const below of composite.frame.inner) yield* addField(to, below, pathBelow(path, below), composite.place)
  else if (composite?.frame.part.op === 'each') yield* addElements(to, composite.frame, path, composite.place)
  // Else it was left out of the body altogether.
  else if (result !== undefined) to.push({ field: path, value: result, ...valueSourceOf(node, place) })
}

const pathBelow = (path: string, { part }: TraceFrame) => `${path}.${part.op === 'field' ? part.name : ''}`

/** The object or list that a node came to, through whatever chose it; null for a plain value. */
function findComposite(
  frame: TraceFrame,
  place: ReadPlace | undefined,
): { frame: TraceFrame; place: ReadPlace | undefined } | null {
  const last = frame.inner.at(-1)
  const node = frame.part as Node
  switch (node.op) {
    case 'object':
    case 'each':
      return { frame, place }
    case 'given':
    case 'byEvent':
    case 'firstOf':
    case 'prior':
      return last && frame.result !== null ? findComposite(last, place) : null
    case 'kept': {
      const of = frame.inner[1]
      return of ? findComposite(of, placeOfStored(node, frame, place)) : null
    }
    case 'from':
    case 'event':
    case 'emitted':
    case 'always':
    case 'convert':
    case 'user':
    case 'uuid':
    case 'fold':
    case 'choose':
    case 'occasion':
    case 'tallied':
    case 'rank':
      return null
    default:
      return node satisfies never
  }
}

function* addElements(to: ExplainedField[], frame: TraceFrame, path: string, place?: ReadPlace): Strides<void> {
  const list = placeOfList(frame, place)
  const fields = frame.inner.filter(({ part }) => part.op === 'field')
  const positions = new Map([...new Set(fields.map(({ scope }) => scope.item))].map((item, at) => [item, at]))
  for (const one of fields) {
    yield
    yield* addField(to, one, pathBelow(`${path}[${positions.get(one.scope.item)}]`, one), list)
  }
}
