import { relatedObjectPath, snapshotEventPath, snapshotTypeOfThin } from '../../../mappings/hydrate.ts'
import type { ContractMappings } from '../../../mappings/offer.ts'
import { paymentLinks, storedKinds } from '../../../mappings/stored-objects.ts'
import { isIdText } from '../../language/unreadable.ts'
import { mappingsReading } from '../contract-mappings.ts'
import { readBody, type SourceEvent } from '../source-event.ts'
import type { StripeFetch } from '../stripe-fetch.ts'
import type { FetchState } from '../world/world.ts'
import { fillPath } from './stripe-fetches.ts'

// A thin event names an object and carries nothing of it (docs/stripe.md 1.5). What it stands for is fetched: the snapshot
// event that it is the twin of, else the related object as it is now.

export const isThin = ({ body }: Pick<SourceEvent, 'body'>): boolean => body?.object === 'v2.core.event'

/** The id of the snapshot event of the same occasion as a thin one, its twin; null where Stripe names none. */
export const twinOf = (sourceEvent: SourceEvent): string | null =>
  isThin(sourceEvent) && typeof sourceEvent.body.snapshot_event === 'string' ? sourceEvent.body.snapshot_event : null

/** What is fetched for a thin event; null when no mapping would read it. */
export function thinFetch(mappings: ContractMappings, thin: SourceEvent): StripeFetch | null {
  const { related_object: related } = thin.body
  const isMapped = mappingsReading(mappings, snapshotTypeOf(mappings, thin)).length > 0
  if (!isMapped && !isReadAsFact(related?.type)) return null
  const twin = twinOf(thin)
  const paths = [
    ...(twin ? [fillPath(snapshotEventPath, twin)] : []),
    // Stripe signed the event, not what the path may lead to.
    ...(typeof related?.url === 'string' && relatedObjectPath.test(related.url) ? [related.url] : []),
  ]
  return paths.length === 0 ? null : { key: `thin:${thin.eventId}`, paths, isList: false, isEssential: true }
}

const isReadAsFact = (kind: string): boolean =>
  (storedKinds as readonly string[]).includes(kind) || paymentLinks[kind] !== undefined

/** The type of the snapshot event that a thin one is read as. */
export function snapshotTypeOf(mappings: ContractMappings, { type, body }: SourceEvent): string {
  const plain = type.replace(/^v1\./, '')
  if (mappingsReading(mappings, plain).length > 0) return plain
  return snapshotTypeOfThin[body.related_object?.type] ?? plain
}

/** A thin event as the snapshot event that it stands for; null while nothing is fetched. */
export function asSnapshotEvent(
  mappings: ContractMappings,
  thin: SourceEvent,
  fetched: FetchState | undefined,
): SourceEvent | null {
  if (fetched?.result?.object === 'event') {
    // Its own identity: should it arrive as well, it is the same event.
    const body = fetched.result
    const createdAt = new Date(typeof body.created === 'number' ? body.created * 1000 : Number.NaN)
    return {
      ...thin,
      eventId: isIdText(body.id) ? body.id : thin.eventId,
      type: typeof body.type === 'string' ? body.type : snapshotTypeOf(mappings, thin),
      createdAt: Number.isNaN(createdAt.getTime()) ? thin.createdAt : createdAt,
      ...readBody(body),
    }
  }
  const type = snapshotTypeOf(mappings, thin)
  const { related_object: related } = thin.body
  // What was deleted cannot be fetched any more; that it is gone is all that is known.
  const isGone = fetched?.code === 'not_found' && type.endsWith('.deleted') && typeof related?.id === 'string'
  const object = fetched?.result ?? (isGone ? { id: related.id, object: related.type, deleted: true } : null)
  if (!object) return null
  const asOf = fetched?.result && fetched.fetchedAt ? Math.floor(fetched.fetchedAt.getTime() / 1000) : null
  const eventId = twinOf(thin) ?? thin.eventId
  const body = { id: eventId, object: 'event', type, data: { object } }
  return { ...thin, eventId, type, body, ...(asOf === null ? {} : { asOf }) }
}
