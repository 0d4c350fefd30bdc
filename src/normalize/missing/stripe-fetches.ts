import { type FetchedList, fetchedLists, fetchedObjectPaths } from '../../../mappings/hydrate.ts'
import type { ObjectKind } from '../../language/mapping.ts'
import { isReadablyTrue, readIfReadable } from '../../language/read.ts'
import { isIdText } from '../../language/unreadable.ts'
import type { SourceEvent } from '../source-event.ts'
import type { StripeFetch } from '../stripe-fetch.ts'
import { bareInput } from '../world/bare-input.ts'

/** The lists that a snapshot event's object lacks, and the field where each belongs. */
export function listFetchesOf(event: SourceEvent): { fetch: StripeFetch; into: string }[] {
  const object = event.body?.data?.object
  if (typeof object !== 'object' || object === null) return []
  const lists = fetchedLists.filter(({ on }) => on.includes(event.type))
  if (lists.length === 0) return []
  const input = bareInput(event, object)
  return lists.flatMap((list) => {
    const id = isReadablyTrue(list.when, input) ? readIfReadable(list.id, input) : null
    return isIdText(id) ? [{ fetch: listFetch(list, id, event), into: list.into }] : []
  })
}

/** The lists of an event's object that go on beyond what it shows. */
export const shortListsOf = ({ type, body }: SourceEvent): string[] =>
  fetchedLists
    .filter(({ on, into }) => on.includes(type) && body.data.object[into]?.has_more === true)
    .map(({ what }) => what)

const listFetch = ({ what, path, per }: FetchedList, id: string, event: SourceEvent): StripeFetch => ({
  key: [what, id, ...(per === 'event' ? [event.eventId] : [])].join(':'),
  paths: [fillPath(path, id)],
  isList: true,
  isEssential: false,
})

/** An object of another kind that a mapping reads; null for kinds that are not fetched. */
export function objectFetch(kind: ObjectKind, id: string): StripeFetch | null {
  const path = fetchedObjectPaths[kind]
  return path ? { key: `${kind}:${id}`, paths: [fillPath(path, id)], isList: false, isEssential: false } : null
}

export const fillPath = (path: string, id: string) => path.replace('{id}', encodeURIComponent(id))
