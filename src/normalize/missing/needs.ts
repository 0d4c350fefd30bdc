import { type FetchedList, lists, objects } from '../../../mappings/hydrate.ts'
import type { Kept } from '../../language/mapping.ts'
import { holds, value } from '../../language/read.ts'
import type { Need } from '../need.ts'
import type { Due } from '../source-event.ts'
import { alone } from '../world/bare-input.ts'

/** The lists that a snapshot event's object lacks, and where in it they belong. */
export function listNeeds(due: Due): { need: Need; into: string }[] {
  const object = due.body?.data?.object
  if (typeof object !== 'object' || object === null) return []
  const input = alone(due, object)
  return lists.flatMap((list) => {
    const id = list.on.includes(due.type) && holds(list.when, input) ? value(list.id, input) : null
    return typeof id === 'string' ? [{ need: listNeed(list, id, due), into: list.into }] : []
  })
}

const listNeed = ({ what, path, per }: FetchedList, id: string, due: Due): Need => ({
  key: [what, id, ...(per === 'event' ? [due.eventId] : [])].join(':'),
  paths: [pathOf(path, id)],
  list: true,
  essential: false,
})

/** An object of another kind that a mapping reads; null for kinds that are not fetched. */
export function objectNeed(kind: Kept, id: string): Need | null {
  const path = objects[kind]
  return path ? { key: `${kind}:${id}`, paths: [pathOf(path, id)], list: false, essential: false } : null
}

export const pathOf = (path: string, id: string) => path.replace('{id}', encodeURIComponent(id))
