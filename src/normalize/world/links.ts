import { isDeepStrictEqual } from 'node:util'
import { paymentLinks } from '../../../mappings/stored-objects.ts'
import type { Json } from '../../domain/json.ts'
import { readIfReadable } from '../../language/read.ts'
import type { EvaluationInput } from '../../language/scope.ts'
import { isIdText } from '../../language/unreadable.ts'
import { nameState } from './same-state.ts'
import { keyIn, putRecord, type SourceRealm, type World } from './world.ts'

/** What one end is tied to: ids, the moment of something (Unix seconds), or a list that grows. */
type Edge = { from: string; to: Record<string, string | number | readonly unknown[]> }

/** Which payment belongs to which invoice, session, charge, as one event shows it: edges between ids. */
export function edgesOf(kind: string, input: EvaluationInput): Edge[] {
  return (paymentLinks[kind] ?? []).flatMap(({ of, to }) => {
    const ends = Object.entries(to).flatMap(([name, node]) => {
      const end = readIfReadable(node, input)
      return isIdText(end) || typeof end === 'number' || (Array.isArray(end) && end.length > 0)
        ? [[name, end] as const]
        : []
    })
    const ids = [readIfReadable(of, input)].flat().filter(isIdText)
    return ends.length === 0 ? [] : ids.map((from) => ({ from, to: Object.fromEntries(ends) }))
  })
}

/** Adds edges to what is known; what is known stays, so the order of arrival does not matter. */
export function addLinks(world: World, at: SourceRealm, edges: readonly Edge[]) {
  for (const { from, to } of edges) {
    const id = `link:${from}`
    const known = world.objects.get(keyIn(at, id))?.snapshot.object
    const linked = { object: 'link', id, ...to, ...known, ...growLists(known, to) }
    if (known && isDeepStrictEqual(linked, known)) continue
    putRecord(world, at, { kind: 'link', objectId: id, object: linked })
    for (const end of [from, ...idsAmong(linked)]) world.arrivedFacts.add(keyIn(at, `purchase:${end}`))
  }
}

/** The lists of an edge with what is known of them already, each element once. */
const growLists = (known: Json, to: Edge['to']) =>
  Object.fromEntries(
    Object.entries(to).flatMap(([name, end]) => {
      if (!Array.isArray(end)) return []
      const list: unknown[] = Array.isArray(known?.[name]) ? known[name] : []
      const listed = new Set(list.map(nameState))
      return [[name, [...list, ...end.filter((one) => !listed.has(nameState(one)))]]]
    }),
  )

const idsAmong = ({ object: _, id: __, ...ends }: Json): string[] =>
  Object.values(ends).filter((end) => typeof end === 'string')

/** What is known to be tied to an object, such as the payments of an invoice. */
export const linkedIdsOf = (world: World, at: SourceRealm, objectId: string): string[] =>
  idsAmong(world.objects.get(keyIn(at, `link:${objectId}`))?.snapshot.object ?? {})
