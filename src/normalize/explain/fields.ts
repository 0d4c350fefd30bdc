import type { Node } from '../../language/mapping.ts'
import type { ExplainedField } from './explanation.ts'
import type { TraceFrame } from './trace.ts'
import { placeOfList, placeOfStored, type ReadPlace, valueSourceOf } from './value-source.ts'

/** The fields of an event that was emitted, leaf for leaf, each with what it was made of. */
export function explainFields(draft: TraceFrame, place: ReadPlace): ExplainedField[] {
  return draft.inner.flatMap((frame) => (frame.part.op === 'field' ? explainField(frame, frame.part.name, place) : []))
}

function explainField({ inner, result }: TraceFrame, path: string, place?: ReadPlace): ExplainedField[] {
  const fields = inner.filter(({ part }) => part.op === 'field')
  if (fields.length > 0) return fields.flatMap((frame) => explainField(frame, pathBelow(path, frame), place))
  const [node] = inner
  if (!node) return []
  // It was not read to its end: the message says where it stands and why it cannot be read.
  if (node.error) return [{ field: path, value: null, reads: [], absent: [], through: [node.error.message] }]
  const composite = findComposite(node, place)
  if (composite?.frame.part.op === 'object')
    return composite.frame.inner.flatMap((frame) => explainField(frame, pathBelow(path, frame), composite.place))
  if (composite?.frame.part.op === 'each') return explainElements(composite.frame, path, composite.place)
  // Left out of the body altogether.
  if (result === undefined) return []
  return [{ field: path, value: result, ...valueSourceOf(node, place) }]
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

function explainElements(frame: TraceFrame, path: string, place?: ReadPlace): ExplainedField[] {
  const list = placeOfList(frame, place)
  const fields = frame.inner.filter(({ part }) => part.op === 'field')
  const positions = new Map([...new Set(fields.map(({ scope }) => scope.item))].map((item, at) => [item, at]))
  return fields.flatMap((one) => explainField(one, pathBelow(`${path}[${positions.get(one.scope.item)}]`, one), list))
}
