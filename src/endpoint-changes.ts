/** What became of an endpoint, or of a delivery to it, that its owner or the operator should hear of. */
export type EndpointChange = { clientId: string; endpointId: string } & (
  | { what: 'disabled'; reason: 'manual' | 'gone' | 'failing' }
  /** Its breaker has opened, or nothing has got through for a day; `since`: the first failure in a row. */
  | { what: 'failing'; since: Date }
  /** An attempt has got through again, after it was told that it fails. */
  | { what: 'recovered' }
  /** A delivery has failed for good: its schedule has no further attempt. */
  | { what: 'exhausted'; deliveryId: string; eventId: string; eventType: string; attempts: number }
)

/** Called once for each change, after the commit that made it. A process that dies in between has told nobody. */
export type Changed = (change: EndpointChange) => void
