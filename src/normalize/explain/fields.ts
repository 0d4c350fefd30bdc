import type { FieldExplained } from './explanation.ts'
import { listPlace, sourceOf } from './source.ts'
import type { Frame } from './trace.ts'

type Place = Parameters<typeof sourceOf>[1]

/** The fields of an event that was emitted, leaf for leaf, each with what it was made of. */
export function fieldsOf(emission: Frame): FieldExplained[] {
  return emission.inner.flatMap((frame) => (frame.part.op === 'field' ? fieldOf(frame, frame.part.name) : []))
}

function fieldOf({ inner, result }: Frame, path: string, place?: Place): FieldExplained[] {
  const fields = inner.filter(({ part }) => part.op === 'field')
  if (fields.length > 0) return fields.flatMap((frame) => fieldOf(frame, below(path, frame), place))
  const [node] = inner
  if (!node) return []
  const whole = wholeIn(node, place)
  if (whole?.frame.part.op === 'object')
    return whole.frame.inner.flatMap((frame) => fieldOf(frame, below(path, frame), whole.place))
  if (whole?.frame.part.op === 'each') return elementsOf(whole.frame, path, whole.place)
  // Left out of the body altogether.
  if (result === undefined) return []
  return [{ field: path, value: result, ...sourceOf(node, place) }]
}

const below = (path: string, { part }: Frame) => `${path}.${part.op === 'field' ? part.name : ''}`

/** The object or list that a node came to, through whatever chose it; null for a plain value. */
function wholeIn(frame: Frame, place: Place): { frame: Frame; place: Place } | null {
  const last = frame.inner.at(-1)
  switch (frame.part.op) {
    case 'object':
    case 'each':
      return { frame, place }
    case 'given':
    case 'byEvent':
    case 'firstOf':
    case 'prior':
      return last && frame.result !== null ? wholeIn(last, place) : null
    case 'kept': {
      const [key, of] = frame.inner
      const object = { kind: frame.part.kind, id: typeof key?.result === 'string' ? key.result : null }
      return of ? wholeIn(of, { list: null, object }) : null
    }
    default:
      return null
  }
}

function elementsOf(frame: Frame, path: string, place: Place): FieldExplained[] {
  const list = listPlace(frame, place)
  const fields = frame.inner.filter(({ part }) => part.op === 'field')
  const items = [...new Set(fields.map(({ scope }) => scope.item))]
  return fields.flatMap((one) => fieldOf(one, below(`${path}[${items.indexOf(one.scope.item)}]`, one), list))
}
