import { paymentLinks } from '../../../mappings/stored-objects.ts'
import { type EvaluationInput, readValue } from '../../language/read.ts'
import { keyOf, putRecord, type World } from './world.ts'

type Edge = { from: string; to: Record<string, string> }

/** Which payment belongs to which invoice, session, charge, as one event shows it: edges between ids. */
export function edgesOf(kind: string, input: EvaluationInput): Edge[] {
  return (paymentLinks[kind] ?? []).flatMap(({ of, to }) => {
    const ends = Object.entries(to).flatMap(([name, node]) => {
      const id = readValue(node, input)
      return typeof id === 'string' ? [[name, id] as const] : []
    })
    const ids = [readValue(of, input)].flat().filter((id) => typeof id === 'string')
    return ends.length === 0 ? [] : ids.map((from) => ({ from, to: Object.fromEntries(ends) }))
  })
}

/** Adds edges to what is known; what is known stays, so the order of arrival does not matter. */
export function addLinks(world: World, sourceId: string, edges: readonly Edge[]) {
  for (const { from, to } of edges) {
    const id = `link:${from}`
    const known = world.objects.get(keyOf(sourceId, id))?.snapshot.object
    const linked = { object: 'link', id, ...to, ...known }
    if (known && Object.keys(linked).length === Object.keys(known).length) continue
    putRecord(world, sourceId, { kind: 'link', objectId: id, object: linked })
    for (const end of [from, ...Object.values(linked)]) world.arrivedFacts.add(keyOf(sourceId, `purchase:${end}`))
  }
}

/** What is known to be tied to an object, such as the payments of an invoice. */
export const linkedIdsOf = (world: World, sourceId: string, objectId: string): string[] => {
  const { object: _, id: __, ...ends } = world.objects.get(keyOf(sourceId, `link:${objectId}`))?.snapshot.object ?? {}
  return Object.values(ends)
}
