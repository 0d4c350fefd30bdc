import type { Json } from '../domain/json.ts'
import type { StripeApi, StripeCredentials, StripeReply } from '../network/stripe-api.ts'

// Stripe lists the newest events first. Stored in that order, older events would arrive after newer ones, and their changes
// would count as outdated. So the time is cut into windows; each is read to its end and then reversed.

/** A range of Stripe's `created`, in Unix seconds; `to` is excluded. */
export interface TimeWindow {
  from: number
  to: number
}

/** An event as Stripe lists it: what a backfill reads of it, and its JSON, which is far smaller in memory than the object. */
export interface ListedStripeEvent {
  type: string
  /** Unix seconds. */
  created: number
  bytes: Buffer
}

export interface EventListQuery {
  credentials: StripeCredentials
  types: readonly string[] | null
  deliverySuccess: boolean | null
}

const PAGE_SIZE = 100
/** How much of one window is held in memory, and for how long others wait for it; a window with more is cut. */
const MAX_EVENTS = 5000
const MAX_BYTES = 8 * 1024 * 1024
const MAX_READING_MS = 30_000
const FEW_EVENTS = 500
const MANY_EVENTS = 2500
const FIRST_SECONDS = 3600
const MAX_SECONDS = 7 * 86_400

/** How long the next window should be, after one of `seconds` with so many events. */
export function nextWindowSeconds(seconds: number | null, events: number): number {
  if (seconds === null) return FIRST_SECONDS
  if (events < FEW_EVENTS) return Math.min(MAX_SECONDS, seconds * 2)
  return events > MANY_EVENTS ? Math.max(1, seconds >> 1) : seconds
}

/**
 * Reads the events of a window, oldest first, or how the call failed; `too many` when the window has to be cut. Awaits
 * `waitForTurn` before each call.
 */
export async function readWindow(
  stripe: StripeApi,
  query: EventListQuery,
  { from, to }: TimeWindow,
  waitForTurn: () => Promise<void>,
): Promise<{ events: ListedStripeEvent[] } | { failure: Exclude<StripeReply, { kind: 'found' }> } | 'too many'> {
  const events: ListedStripeEvent[] = []
  const startedAt = performance.now()
  let bytes = 0
  let last: string | undefined
  const isTooMuch = () =>
    events.length >= MAX_EVENTS || bytes > MAX_BYTES || performance.now() - startedAt > MAX_READING_MS
  for (;;) {
    await waitForTurn()
    const page = await stripe.readObject(query.credentials, listPathOf(query, { from, to }, last))
    if (page.kind !== 'found') return { failure: page }
    const { data, has_more } = page.object
    if (!Array.isArray(data)) return unreadableList('Stripe answered without a list.')
    const reached = data.findLast((event) => typeof event?.id === 'string')?.id
    // Without a place to go on from, the same page would come again and again.
    if (has_more === true && data.length > 0 && (reached === undefined || reached === last))
      return unreadableList('Stripe lists no event after which the list could go on.')
    last = reached
    for (const event of data) {
      const listed = listedEvent(event, events.at(-1)?.created ?? to - 1)
      events.push(listed)
      bytes += listed.bytes.length
    }
    if (has_more !== true || data.length === 0) break
    if (isTooMuch() && to - from > 1) return 'too many'
  }
  return { events: events.filter(({ created }) => created >= from && created < to).toReversed() }
}

const unreadableList = (message: string) =>
  ({ failure: { kind: 'refused', code: 'request_refused', message } }) as const

/** One that says nothing of its time stands beside the one before it: it is counted with those that cannot be stored. */
const listedEvent = (event: Json, near: number): ListedStripeEvent => ({
  type: String(event?.type),
  created: typeof event?.created === 'number' ? event.created : near,
  bytes: Buffer.from(JSON.stringify(event)),
})

function listPathOf(
  { types, deliverySuccess }: EventListQuery,
  { from, to }: TimeWindow,
  after: string | undefined,
): string {
  const query = new URLSearchParams({
    limit: String(PAGE_SIZE),
    'created[gte]': String(from),
    'created[lt]': String(to),
  })
  for (const type of types ?? []) query.append('types[]', type)
  if (deliverySuccess !== null) query.set('delivery_success', String(deliverySuccess))
  if (after) query.set('starting_after', after)
  return `/v1/events?${query}`
}

/** Splits events into pieces of about a page, never within one second: after each piece the reading can stop. */
export function splitBySeconds(events: readonly ListedStripeEvent[]): { events: ListedStripeEvent[]; upTo: number }[] {
  const pieces: { events: ListedStripeEvent[]; upTo: number }[] = []
  let piece: ListedStripeEvent[] = []
  for (const [at, event] of events.entries()) {
    piece.push(event)
    const ends = events[at + 1]?.created !== event.created
    if (!ends || (piece.length < PAGE_SIZE && at + 1 < events.length)) continue
    pieces.push({ events: piece, upTo: event.created + 1 })
    piece = []
  }
  return pieces
}
