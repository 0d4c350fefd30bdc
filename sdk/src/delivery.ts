/** The body exactly as it came over the wire. A string is taken as the UTF-8 text of those bytes. */
export type RawBody = string | Uint8Array | ArrayBuffer

/** `Headers`, or the headers object of Node, Express, Lambda and the like: the case of the names does not matter. */
export type HeaderSource =
  | { get(name: string): string | null | undefined }
  | { readonly [name: string]: string | readonly string[] | undefined }

/** One secret, or several that are valid at the moment. Undefined ones are passed over, so that an unset variable may stand here. */
export type Secrets = string | undefined | readonly (string | undefined)[]

/** A verified delivery of one event. */
export interface Delivery<Event> {
  /**
   * The same on every attempt of this delivery: what has been seen before need not be done again. Flo's `eventId`, or
   * `X-Florentin-Delivery-Id`.
   */
  deliveryId: string
  /** 1 for the first attempt. Not signed, so for the log alone; undefined where the contract does not send it (Florentin). */
  attempt: number | undefined
  event: Event
}

/** What is needed to verify a delivery. */
export interface Unverified {
  body: RawBody
  headers: HeaderSource
  secret: Secrets
  /** The clock. */
  now?: (() => Date) | undefined
}
