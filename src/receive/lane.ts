import { crc32 } from 'node:zlib'

/** What JSON.parse gives for anything but a scalar: every field may be there, of any type. */
export type JsonObject = { readonly [field: string]: unknown }

/** Lanes per client: events of one lane are normalised one after another, lanes side by side. */
export const LANES = 4

/**
 * The lane (0 to LANES - 1) of an event, the same for all events of one customer of a source: a customer's events must
 * not overtake one another. Without a customer it is the object that keeps its order.
 */
export function laneOf(sourceId: string, event: JsonObject, eventId: string): number {
  const object = fieldsOf(fieldsOf(event.data).object ?? event.related_object)
  // A customer's own events carry its id as the object's.
  const key = idOf(object.customer) ?? idOf(object.customer_account) ?? nonEmptyString(object.id) ?? eventId
  return crc32(`${sourceId} ${key}`) % LANES
}

/** The lane of what an application publishes about a user of its own, the same for all of it. */
export const laneOfUser = (clientId: string, user: { id: string | null; clientUserId: string | null }): number =>
  crc32(`${clientId} ${user.clientUserId ?? user.id}`) % LANES

/** A string that says something, else undefined. */
export const nonEmptyString = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

// An id may be a string, an expanded object or null, depending on the API version.
const idOf = (value: unknown) => nonEmptyString(value) ?? nonEmptyString(fieldsOf(value).id)

const fieldsOf = (value: unknown): JsonObject =>
  typeof value === 'object' && value !== null ? (value as JsonObject) : {}
