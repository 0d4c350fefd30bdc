import type { SourceEvent } from './source-event.ts'

/** Something to fetch from Stripe: the first of the paths that Stripe knows answers. */
export interface StripeFetch {
  /** `product:prod_1`, `line_items:cs_1`, `thin:evt_1`. */
  key: string
  paths: readonly string[]
  /** All pages of a list. */
  isList: boolean
  /** Without it the event has nothing to tell. */
  isEssential: boolean
}

/** A need that an event has, and until when events wait for it. */
export interface FetchRequest {
  fetch: StripeFetch
  sourceEvent: SourceEvent
  waitUntil: Date
}

/** A need that an event has to do without, and why. */
export interface SkippedFetch {
  fetch: StripeFetch
  reason: string
}
