import { relatedObjectPath, snapshotEventPath, snapshotTypeOfThin } from '../../../mappings/hydrate.ts'
import { paymentLinks, storedKinds } from '../../../mappings/kept.ts'
import { mappingsReading } from '../judge.ts'
import type { StripeFetch } from '../stripe-fetch.ts'
import type { SourceEvent } from '../source-event.ts'
import type { FetchState } from '../world/world.ts'
import { fillPath } from './stripe-fetches.ts'

// A thin event names an object and carries nothing of it (stripe.md 1.5). What it stands for is fetched: the snapshot event
// that it is the twin of, else the related object as it is now.

export const isThin = ({ body }: Pick<SourceEvent, 'body'>): boolean => body?.object === 'v2.core.event'

/** The snapshot event that a thin one is the twin of; null where Stripe names none. */
export const twinOf = (due: SourceEvent): string | null =>
  isThin(due) && typeof due.body.snapshot_event === 'string' ? due.body.snapshot_event : null

/** What is fetched for a thin event; null when no mapping would read it. */
export function thinFetch(due: SourceEvent): StripeFetch | null {
  const { related_object: object } = due.body
  if (mappingsReading(snapshotTypeOf(due)).length === 0 && !isReadAsFact(object?.type)) return null
  const snapshot = twinOf(due)
  const paths = [
    ...(snapshot ? [fillPath(snapshotEventPath, snapshot)] : []),
    // Stripe signed the event, not what the path may lead to.
    ...(typeof object?.url === 'string' && relatedObjectPath.test(object.url) ? [object.url] : []),
  ]
  return paths.length === 0 ? null : { key: `thin:${due.eventId}`, paths, isList: false, isEssential: true }
}

const isReadAsFact = (kind: string): boolean =>
  (storedKinds as readonly string[]).includes(kind) || paymentLinks[kind] !== undefined

/** The type of the snapshot event that a thin one is read as. */
export function snapshotTypeOf({ type, body }: SourceEvent): string {
  const plain = type.replace(/^v1\./, '')
  return mappingsReading(plain).length === 0 ? (snapshotTypeOfThin[body.related_object?.type] ?? plain) : plain
}

/** A thin event as the snapshot event that it stands for; null while nothing is fetched. */
export function asSnapshotEvent(due: SourceEvent, fetched: FetchState | undefined): SourceEvent | null {
  const type = snapshotTypeOf(due)
  const { related_object: ref } = due.body
  if (fetched?.result?.object === 'event') {
    // Its own identity: should it arrive as well, it is the same event.
    const body = fetched.result
    return { ...due, eventId: body.id, type: body.type, createdAt: new Date(body.created * 1000), body }
  }
  // What was deleted cannot be fetched any more; that it is gone is all there is to tell.
  const gone = fetched?.code === 'not_found' && type.endsWith('.deleted') && typeof ref?.id === 'string'
  const object = fetched?.result ?? (gone ? { id: ref.id, object: ref.type, deleted: true } : null)
  if (!object) return null
  const asOf = fetched?.result && fetched.fetchedAt ? Math.floor(fetched.fetchedAt.getTime() / 1000) : null
  const eventId = twinOf(due) ?? due.eventId
  const body = { id: eventId, object: 'event', type, data: { object } }
  return { ...due, eventId, type, body, ...(asOf === null ? {} : { asOf }) }
}
