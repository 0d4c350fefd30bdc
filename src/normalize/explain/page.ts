import type { ExplainedEvent, ExplainedField, ReadValue } from './explanation.ts'

// What bounds an explanation that is asked for over the network: an invoice may have thousands of lines, each with events and
// fields of its own, and whoever asks must neither fill the memory nor hold up the others.

/** The event that a page begins with, and the field of it, both counted from 0. */
export interface ExplanationPlace {
  event: number
  field: number
}

/** The part of an explanation's events that is asked for. */
export interface ExplanationPage {
  from: ExplanationPlace
  /** Events on it, at most. */
  limit: number
  /** Only the event with this id or business key. */
  event?: string | undefined
  /** Only this field and what stands below it. */
  field?: string | undefined
}

/** How much of a page is filled before it ends; what was taken up last may go beyond it. */
const PAGE_BYTES = 400_000
/** One field with its readings. */
const FIELD_BYTES = 64_000
const VALUE_BYTES = 32_000
const MAX_READS = 100
const MAX_ENDPOINTS = 250
/** Of each list of deliveries or endpoints: their addresses may be long. */
const LIST_BYTES = 60_000
const MAX_DIFFERENCES = 50
/** A value that is shown beside a condition or a difference. */
export const SHOWN_BYTES = 500

const bytesOf = (value: unknown) => JSON.stringify(value)?.length ?? 0

/** A page that is being filled: it takes up events and fields until it is full. */
export function createPageFiller(page: ExplanationPage) {
  let left = PAGE_BYTES
  const events: ExplainedEvent[] = []
  return {
    events,
    isFull: () => events.length >= page.limit || (events.length > 0 && left <= 0),
    /** Takes up an event from a field on; returns the field that it goes on with on the next page, null where it is whole. */
    takeUp(event: ExplainedEvent, fromField: number): number | null {
      const head = boundEvent(event)
      left -= bytesOf({ ...head, fields: [] })
      const wanted = event.fields.filter(({ field }) => isBelow(field, page.field))
      const fields: ExplainedField[] = []
      for (const one of wanted.slice(fromField)) {
        if (fields.length > 0 && left <= 0) break
        const bounded = boundField(one)
        left -= bytesOf(bounded)
        fields.push(bounded)
      }
      events.push({ ...head, fields })
      const upTo = fromField + fields.length
      return upTo < wanted.length ? upTo : null
    },
  }
}

/** Whether a field is the one that is asked for, or stands below it. */
const isBelow = (field: string, asked: string | undefined) =>
  asked === undefined || field === asked || field.startsWith(`${asked}.`) || field.startsWith(`${asked}[`)

function boundEvent(event: ExplainedEvent): ExplainedEvent {
  const { deliveries, passedOver, wouldGoTo, differs } = event
  const shown = {
    // The newest are what is asked about.
    deliveries: takeShort(deliveries.toReversed()).toReversed(),
    passedOver: takeShort(passedOver),
    wouldGoTo: takeShort(wouldGoTo),
    differs: differs.slice(0, MAX_DIFFERENCES).map(({ field, stored, now }) => ({
      field,
      stored: boundValue(stored, SHOWN_BYTES),
      now: boundValue(now, SHOWN_BYTES),
    })),
  }
  const countOf = (lists: typeof shown) => Object.values(lists).reduce((sum, list) => sum + list.length, 0)
  const leftOut = countOf({ deliveries, passedOver, wouldGoTo, differs }) - countOf(shown)
  return { ...event, ...shown, ...(leftOut > 0 && { leftOut }) }
}

/** The beginning of a list, as much of it as is shown. */
function takeShort<One>(list: readonly One[]): One[] {
  let left = LIST_BYTES
  return list.slice(0, MAX_ENDPOINTS).filter((one) => {
    left -= bytesOf(one)
    return left > 0
  })
}

function boundField(field: ExplainedField): ExplainedField {
  const value = boundValue(field.value, VALUE_BYTES)
  let left = FIELD_BYTES - bytesOf(value)
  const take = (reads: readonly ReadValue[]) => {
    const taken: ReadValue[] = []
    for (const read of reads) {
      if (taken.length >= MAX_READS || left <= 0) break
      const bounded = { ...read, value: boundValue(read.value, Math.min(VALUE_BYTES, Math.max(left, SHOWN_BYTES))) }
      left -= bytesOf(bounded)
      taken.push(bounded)
    }
    return taken
  }
  const reads = take(field.reads)
  const absent = take(field.absent)
  const cut = field.reads.length - reads.length + field.absent.length - absent.length
  const leftOut = (field.leftOut ?? 0) + cut
  return { ...field, value, reads, absent, ...(leftOut > 0 && { leftOut }) }
}

/** A value that is small enough to be shown; of a longer one its beginning, or what it is. */
export function boundValue(value: unknown, bytes: number): unknown {
  if (typeof value === 'string')
    return value.length <= bytes ? value : `${value.slice(0, bytes)}… (${value.length} characters)`
  if (typeof value !== 'object' || value === null || isWithin(value, bytes)) return value
  return Array.isArray(value) ? `[… ${value.length} elements]` : `{… ${Object.keys(value).length} members}`
}

/** Whether a value written as JSON has about so many bytes at most; looks at no more of it than that takes. */
function isWithin(value: unknown, bytes: number): boolean {
  let left = bytes
  const open: unknown[] = [value]
  while (open.length > 0 && left >= 0) {
    const one = open.pop()
    if (typeof one === 'string') left -= one.length + 3
    else if (typeof one !== 'object' || one === null) left -= 6
    else if (Array.isArray(one)) {
      if (one.length > left) return false
      open.push(...one)
    } else
      for (const [key, inner] of Object.entries(one)) {
        left -= key.length + 4
        open.push(inner)
      }
  }
  return left >= 0
}
