import type { SourceEvent } from './source-event.ts'

/** Something to fetch from Stripe: the first of the paths that Stripe knows answers. */
export interface StripeFetch {
  /** `product:prod_1`, `line_items:cs_1`, `thin:evt_1`. */
  key: string
  paths: readonly string[]
  /** All pages of a list. */
  isList: boolean
  /** Without it no event can be made. */
  isEssential: boolean
}

/** A source event that needs something fetched, and until when events wait for it. */
export interface FetchRequest {
  fetch: StripeFetch
  sourceEvent: SourceEvent
  waitUntil: Date
}

/** Something that an event goes on without, and why. */
export interface SkippedFetch {
  fetch: StripeFetch
  reason: string
}

/** A source event with all that has been fetched for it so far. */
export interface Completion {
  /** null: a thin event whose object has not been fetched (yet). */
  complete: SourceEvent | null
  /** All that may have been fetched for it: its object, the lists of its object. */
  fetches: readonly StripeFetch[]
  /** The lists that its object still lacks. */
  missingLists: readonly StripeFetch[]
}
