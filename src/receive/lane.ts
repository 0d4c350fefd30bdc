import { crc32 } from 'node:zlib'

/** A parsed JSON object or array: any field may be there, of any type. */
export type JsonObject = { readonly [field: string]: unknown }

/** Lanes per client: events of one lane are normalised one after another, different lanes in parallel. */
export const LANES = 4

/**
 * The lane (0 to LANES - 1) of an event. It is the same for all events of one customer of a source, since a customer's
 * events must not overtake one another; events without a customer are ordered by their object.
 */
export function laneOf(sourceId: string, event: JsonObject, eventId: string): number {
  const object = fieldsOf(fieldsOf(event.data).object ?? event.related_object)
  // In a customer's own events the object is the customer.
  const key = idOf(object.customer) ?? idOf(object.customer_account) ?? nonEmptyString(object.id) ?? eventId
  return crc32(`${sourceId} ${key}`) % LANES
}

/** The lane of an app event: the same for all events of one user. */
export const laneOfUser = (clientId: string, user: { id: string | null; clientUserId: string | null }): number =>
  crc32(`${clientId} ${user.clientUserId ?? user.id}`) % LANES

/** The value if it is a string that is not empty, else undefined. */
export const nonEmptyString = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

// An id may be a string, an expanded object or null, depending on the API version.
const idOf = (value: unknown) => nonEmptyString(value) ?? nonEmptyString(fieldsOf(value).id)

const fieldsOf = (value: unknown): JsonObject =>
  typeof value === 'object' && value !== null ? (value as JsonObject) : {}
