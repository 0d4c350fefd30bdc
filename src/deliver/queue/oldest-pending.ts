/** No delivery of an event before this one waits, as far as this process knows; see src/database/pending-floor.ts. */
export interface OldestPending {
  eventId: string
}

/**
 * What `read` finds from the floor on. It also answers the floor that its statement saw, and reads again where that was
 * lower: a delivery of an older event was made.
 */
export async function readFromOldestPending<T>(
  oldestPending: OldestPending,
  read: (from: string) => Promise<{ floor: string; found: T }>,
): Promise<T> {
  for (;;) {
    const from = oldestPending.eventId
    const { floor: seen, found } = await read(from)
    oldestPending.eventId = seen
    if (seen >= from) return found
  }
}
