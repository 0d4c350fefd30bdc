/** How a source of the operator's tells whose an event is. */
export interface Routing {
  /** `account`: the connected account names the client. `metadata`: the metadata of Stripe's objects do. */
  by: ('account' | 'metadata')[]
  /** The field of the metadata; left out: `flo_client`. */
  key?: string
}

/** The field of metadata that names a client, where the source names no other. */
export const ROUTING_KEY = 'flo_client'

/** What became of an event of a routed source. */
export type RoutingState = 'waiting' | 'routed' | 'shared' | 'unrouted'

/** By what an event was routed: its account, the metadata of an object, or an object of which an earlier event had told. */
export interface RoutedBy {
  by: 'account' | 'metadata' | 'object'
  /** The value that names the client: an account, the value of the metadata. */
  name: string
  /** Where it stands: `invoice in_1`; of an object also the event that told it. */
  of: string
}

/** What a waiting event waits for when a name means no client: as a key of routing_waits. */
export const nameKey = (name: string): string => `name:${name}`
/** And when it is looked up at Stripe. */
export const fetchKey = (need: string): string => `fetch:${need}`
